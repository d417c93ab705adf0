import Foundation
import RMCPProtocol
import Testing

/// Repair nodes whose cache is on a disk that does not answer: they go on with everything else, and can be stopped.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason)) struct SlowCacheTests {
    /// Below the cache's path one system call, STUCK_CALL, stands still while STUCK_WHILE exists: the first one for
    /// seven seconds, or all of them for as long as it exists with STUCK_ALL.
    private static let shim = """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <fcntl.h>
        #include <stdarg.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        #include <sys/stat.h>
        #include <time.h>
        #include <unistd.h>

        #define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

        static int is_armed(void) { return faccessat(AT_FDCWD, getenv("STUCK_WHILE"), F_OK, 0) == 0; }

        static void stand(const char *call, int descriptor, const char *path) {
            static int done;
            char link[64], directory[4096] = "";
            struct timespec moment = {0, 20000000};
            if (strcmp(call, getenv("STUCK_CALL")) || !is_armed()) return;
            if (descriptor >= 0) {
                snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
                ssize_t length = readlink(link, directory, sizeof directory - 1);
                directory[length < 0 ? 0 : length] = 0;
            }
            if (!strstr(directory, "/cache-") && !(path && strstr(path, "/cache-"))) return;
            if (!getenv("STUCK_ALL") && !__sync_bool_compare_and_swap(&done, 0, 1)) return;
            for (int rounds = 0; is_armed() && (getenv("STUCK_ALL") || rounds < 350); rounds++) nanosleep(&moment, 0);
        }

        ssize_t pread(int fd, void *bytes, size_t count, off_t offset) { stand("pread", fd, 0); return REAL(pread)(fd, bytes, count, offset); }
        ssize_t pread64(int fd, void *bytes, size_t count, off64_t offset) { stand("pread", fd, 0); return REAL(pread64)(fd, bytes, count, offset); }
        ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) { stand("pwrite", fd, 0); return REAL(pwrite)(fd, bytes, count, offset); }
        ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) { stand("pwrite", fd, 0); return REAL(pwrite64)(fd, bytes, count, offset); }
        int ftruncate(int fd, off_t length) { stand("ftruncate", fd, 0); return REAL(ftruncate)(fd, length); }
        int ftruncate64(int fd, off64_t length) { stand("ftruncate", fd, 0); return REAL(ftruncate64)(fd, length); }
        int futimens(int fd, const struct timespec times[2]) { stand("futimens", fd, 0); return REAL(futimens)(fd, times); }
        int mkdir(const char *path, mode_t mode) { stand("mkdir", -1, path); return REAL(mkdir)(path, mode); }
        int mkdirat(int fd, const char *path, mode_t mode) { stand("mkdir", fd, path); return REAL(mkdirat)(fd, path, mode); }
        int renameat(int fd, const char *path, int to, const char *name) { stand("rename", fd, path); return REAL(renameat)(fd, path, to, name); }
        #define OPENAT(name) int name(int fd, const char *path, int flags, ...) { \\
            va_list list; \\
            va_start(list, flags); \\
            int mode = flags & O_CREAT ? va_arg(list, int) : 0; \\
            va_end(list); \\
            stand("open", fd, path); \\
            return REAL(name)(fd, path, flags, mode); }
        OPENAT(openat)
        OPENAT(openat64)
        """

    private static let compiler = ["/usr/bin/cc", "/usr/bin/gcc", "/usr/bin/clang", "/opt/swift/usr/bin/clang"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    private func build(in lab: Laboratory) throws -> String {
        let code = lab.scratch.path("stuck.c")
        try Self.shim.write(toFile: code, atomically: true, encoding: .utf8)
        let library = lab.scratch.path("stuck.so")
        let compiled = try Running([try #require(Self.compiler), "-shared", "-fPIC", "-o", library, code, "-ldl"], in: lab.scratch.url).wait()
        try #require(compiled.status == 0, "\(compiled.errors)")
        return library
    }

    private func node(_ lab: Laboratory, _ name: String, _ library: String, call: String, all: Bool = false) throws -> Running {
        let cache = try lab.scratch.directory("cache-\(name)").path
        let stuck = ["env", "LD_PRELOAD=\(library)", "STUCK_CALL=\(call)", "STUCK_WHILE=\(lab.scratch.path("armed"))"] + (all ? ["STUCK_ALL=1"] : [])
        let command = [Program.path, "repair", "--json", "-i", "eth0", "--cache", cache, "--allow-unsigned"]
        return try lab.run(name, stuck + command)
    }

    private func arm(_ lab: Laboratory) throws { try lab.scratch.run(["true"], into: lab.scratch.path("armed")) }
    private func disarm(_ lab: Laboratory) throws { try FileManager.default.removeItem(atPath: lab.scratch.path("armed")) }

    @Test("Each call stands still for seven seconds: nothing else does, and other sessions are served", .enabled(if: compiler != nil))
    func oneCall() throws {
        let calls = ["open", "mkdir", "rename", "ftruncate", "pwrite", "pread", "futimens"]
        let lab = try Laboratory(receivers: calls.count + 2)
        let library = try build(in: lab)
        let nodes = try calls.enumerated().map { try node(lab, "r\($0.offset + 3)", library, call: $0.element) }
        for node in nodes { try #require(node.wait { node.says("listening") }, "\(node.errorsSoFar)") }
        // What is here from before.
        let old = try lab.scratch.random("old", megabytes: 4)
        let early = try lab.receive("r1")
        let kept = try lab.send(["--wait-for", "1", "--min-wait", "2s", "--until", "repair", old]).wait()
        #expect(kept.status == 0 && kept.errors.contains("\(calls.count) of \(calls.count) repair nodes"), "\(kept.errors)")
        #expect(early.wait().status == 0)
        for node in nodes { #expect(node.wait { node.says("complete") }) }
        // And what comes while the disk does not answer.
        let intruder = try Intruder(lab, "r2", address: .ipv4(10, 77, 0, 3, port: 0))
        let new = try lab.scratch.random("new", megabytes: 12)
        try arm(lab)
        let receiver = try lab.receive("r1", ["--json"], directory: "late")
        let sending = try lab.send(["--json", "--wait-for", "1", "--min-wait", "1s", "--rate", "10M", "--until", "repair", new])
        var heard: [UInt32: Date] = [:]
        var longest: [UInt32: TimeInterval] = [:]
        let end = Date() + 12
        while Date() < end || sending.process.isRunning {
            for datagram in intruder.listen() {
                guard let header = try? PacketHeader(of: datagram.span.bytes), header.kind == .advertisement else { continue }
                let gap = Date().timeIntervalSince(heard[header.transmitter] ?? Date())
                longest[header.transmitter] = max(longest[header.transmitter] ?? 0, gap)
                heard[header.transmitter] = Date()
            }
            usleep(5_000)
        }
        // Twice a second, by the same thread that does everything else.
        #expect(heard.count == calls.count && longest.values.allSatisfy { $0 < 3 }, "\(longest.values.sorted())")
        #expect(sending.wait().status == 0)
        #expect(receiver.wait { receiver.count("completed") == 2 }, "\(receiver.outputSoFar.suffix(900))")
        #expect(lab.scratch.same(old, lab.scratch.path("late/old")) && lab.scratch.same(new, lab.scratch.path("late/new")))
        for (call, node) in zip(calls, nodes) {
            #expect(node.wait { node.count("complete") == 2 }, "\(call): \(node.errorsSoFar)\(node.outputSoFar.suffix(900))")
            lab.stop(node)
        }
        lab.stop(receiver)
    }

    @Test("A disk that does not answer any more keeps nobody from stopping the node", .enabled(if: compiler != nil))
    func stopping() throws {
        let lab = try Laboratory(receivers: 4)
        let library = try build(in: lab)
        let source = try lab.scratch.random("image", megabytes: 8)
        // Neither answers from the beginning on, or from the first chunk on. Whoever does not stop is killed when its time is over.
        let patient = try node(lab, "r2", library, call: "pwrite", all: true)
        let impatient = try node(lab, "r3", library, call: "pwrite", all: true)
        for node in [patient, impatient] { try #require(node.wait { node.says("listening") }, "\(node.errorsSoFar)") }
        let receiver = try lab.receive("r1", ["--json"])
        let sending = try lab.send(["--json", "--wait-for", "1", "--min-wait", "2s", "--rate", "20M", source])
        #expect(patient.wait { patient.last("chunks_held") >= 1 && impatient.last("chunks_held") >= 1 })
        try arm(lab)
        #expect(receiver.wait { receiver.done > 6 << 20 })
        let beginning = try node(lab, "r4", library, call: "mkdir", all: true)
        // It has asked its disk by then.
        #expect(beginning.wait { beginning.child.map { Self.threads($0).contains("rmcp-cache-0") } ?? false })
        for node in [beginning, patient, impatient] { node.signal(SIGTERM) }
        #expect(beginning.wait().status == 0)
        // A second signal while the first has not been taken would be none.
        #expect(impatient.wait { !impatient.hasPending(SIGTERM) })
        impatient.signal(SIGTERM)
        #expect(impatient.wait().status == 0)
        #expect(patient.wait().status == 0)
        // Nobody waits for the nodes that said goodbye.
        let sent = sending.wait()
        #expect(sent.status == 0 && receiver.wait { receiver.says("completed") } && lab.has("r1", source), "\(sent.errors)\(receiver.errorsSoFar)")
        lab.stop(receiver)
        try disarm(lab)
    }

    private static func threads(_ id: Int32) -> Set<String> {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(id)/task")) ?? []
        return Set(tasks.compactMap { try? String(contentsOfFile: "/proc/\(id)/task/\($0)/comm", encoding: .utf8).trimmingCharacters(in: .newlines) })
    }
}
