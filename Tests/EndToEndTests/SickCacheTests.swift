import Foundation
import Testing

/// Repair nodes on a disk that fails, lies and fills up, by seed: they may keep less, and never serve what is wrong.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason)) struct SickCacheTests {
    /// Below the cache's path, about one call in SICK_ONE_IN does something else than it should: EIO, ENOSPC, half of
    /// what was asked, another byte than there was, or success of what was never written.
    private static let shim = """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <errno.h>
        #include <fcntl.h>
        #include <stdarg.h>
        #include <stdint.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        #include <sys/stat.h>
        #include <unistd.h>

        #define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

        static uint64_t draw(void) {
            static uint64_t count;
            uint64_t value = __sync_add_and_fetch(&count, 1) + (uint64_t)atoll(getenv("SICK_SEED")) * 0x9E3779B97F4A7C15u;
            value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9u;
            value = (value ^ value >> 27) * 0x94D049BB133111EBu;
            return value ^ value >> 31;
        }

        static int is_cache(int descriptor) {
            char link[64], path[4096];
            snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
            ssize_t length = readlink(link, path, sizeof path - 1);
            path[length < 0 ? 0 : length] = 0;
            return strstr(path, "/cache-") != 0 && strstr(path, "lock") == 0;
        }

        enum { FINE, EIO_, ENOSPC_, SHORT_, LIE_ };
        static int fate(int descriptor) {
            if (!is_cache(descriptor)) return FINE;
            uint64_t value = draw();
            return value % (uint64_t)atoll(getenv("SICK_ONE_IN")) ? FINE : 1 + (int)(value >> 40) % 4;
        }

        static ssize_t sick_read(int fd, void *bytes, size_t count, off_t offset) {
            int what = fate(fd);
            if (what == EIO_ || what == ENOSPC_) { errno = EIO; return -1; }
            ssize_t got = REAL(pread)(fd, bytes, what == SHORT_ ? count / 2 : count, offset);
            if (what == LIE_ && got > 0) ((char *)bytes)[draw() % (uint64_t)got] ^= 1;
            return got;
        }
        static ssize_t sick_write(int fd, const void *bytes, size_t count, off_t offset) {
            int what = fate(fd);
            if (what == EIO_ || what == ENOSPC_) { errno = what == EIO_ ? EIO : ENOSPC; return -1; }
            // Lost on the way to the disk, and nobody is told.
            if (what == LIE_) return (ssize_t)count;
            return REAL(pwrite)(fd, bytes, what == SHORT_ && count > 1 ? count / 2 : count, offset);
        }
        ssize_t pread(int fd, void *bytes, size_t count, off_t offset) { return sick_read(fd, bytes, count, offset); }
        ssize_t pread64(int fd, void *bytes, size_t count, off64_t offset) { return sick_read(fd, bytes, count, offset); }
        ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) { return sick_write(fd, bytes, count, offset); }
        ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) { return sick_write(fd, bytes, count, offset); }
        int ftruncate(int fd, off_t length) {
            if (fate(fd) == EIO_) { errno = EIO; return -1; }
            return REAL(ftruncate)(fd, length);
        }
        """

    private static let compiler = ["/usr/bin/cc", "/usr/bin/gcc", "/usr/bin/clang", "/opt/swift/usr/bin/clang"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    /// RMCP_SICK_SEEDS says how many disks are tried.
    private static let seeds = Array(1...(ProcessInfo.processInfo.environment["RMCP_SICK_SEEDS"].flatMap { Int($0) } ?? 2))

    private func node(_ lab: Laboratory, seed: Int, oneIn: Int) throws -> Running {
        let code = lab.scratch.path("sick.c")
        let library = lab.scratch.path("sick.so")
        if !FileManager.default.fileExists(atPath: library) {
            try Self.shim.write(toFile: code, atomically: true, encoding: .utf8)
            let compiled = try Running([try #require(Self.compiler), "-shared", "-fPIC", "-o", library, code, "-ldl"], in: lab.scratch.url).wait()
            try #require(compiled.status == 0, "\(compiled.errors)")
        }
        let cache = try lab.scratch.directory("cache-r3").path
        return try lab.run(
            "r3",
            ["env", "LD_PRELOAD=\(library)", "SICK_SEED=\(seed)", "SICK_ONE_IN=\(oneIn)", Program.path, "repair", "--json", "-i", "eth0"]
                + ["--cache", cache, "--allow-unsigned"])
    }

    @Test(
        "Whatever the disk does, everybody is complete, and what is served afterwards is right or is not served",
        .enabled(if: compiler != nil), arguments: seeds)
    func sick(seed: Int) throws {
        let lab = try Laboratory(receivers: 3, options: ["--loss", "5", "--split"])
        let source = try lab.scratch.random("image", megabytes: 24)
        // From one call in five to one in forty.
        let oneIn = [5, 12, 40][seed % 3]
        let node = try node(lab, seed: seed, oneIn: oneIn)
        #expect(node.wait { node.says("listening") }, "\(node.errorsSoFar)")
        let receiver = try lab.receive("r1", ["--once", "--json"])
        let sent = try lab.send(["--json", "--wait-for", "1", "--min-wait", "2s", "--rate", "60M", source]).wait()
        #expect(sent.status == 0, "\(sent.errors)\(sent.text.suffix(600))")
        let received = receiver.wait()
        #expect(received.status == 0 && lab.has("r1", source), "\(received.errors)")
        #expect(node.process.isRunning, "\(node.errorsSoFar)")
        // The sender has gone. The node may have got everything or not, and may have lost some of it since.
        let late = try lab.receive("r2", ["--once", "--json", "--timeout", "10s"]).wait()
        #expect(late.status == 0 ? lab.has("r2", source) : !FileManager.default.fileExists(atPath: lab.scratch.path("r2/image")), "\(late.errors)")
        #expect(!late.text.contains("\"rejected_chunks\":1"), "a chunk was served that is none: \(late.text.suffix(600))")
        lab.stop(node)
        // What is left of the cache is no worse.
        let again = try self.node(lab, seed: seed + 1_000, oneIn: oneIn)
        let last = try lab.receive("r2", ["--once", "--json", "--timeout", "6s"], directory: "last").wait()
        #expect(last.status == 0 ? lab.has("last", source) : !FileManager.default.fileExists(atPath: lab.scratch.path("last/image")), "\(last.errors)")
        print("disk \(seed), one call in \(oneIn): served afterwards \(late.status == 0), after a restart \(last.status == 0)")
        if again.process.isRunning { lab.stop(again) } else { #expect(again.wait().status == 1, "\(again.errorsSoFar)") }
    }
}
