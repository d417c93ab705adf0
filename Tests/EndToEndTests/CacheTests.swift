import Foundation
import Testing

/// A repair node whose disk has not got the room.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason)) struct CacheTests {
    private func bytes(in directory: String) -> Int {
        let names = FileManager.default.enumerator(atPath: directory)?.compactMap { $0 as? String } ?? []
        return names.reduce(0) { sum, name in
            var status = stat()
            return stat(directory + "/" + name, &status) == 0 && status.st_mode & S_IFMT == S_IFREG ? sum + Int(status.st_blocks) * 512 : sum
        }
    }

    @Test("Three bundles that do not fit beside each other: the oldest make room, and the newest is served")
    func eviction() throws {
        let lab = try Laboratory(receivers: 3, options: ["--loss", "2", "--split"])
        let node = try lab.repair("r3", ["--cache-size", "64M"])
        // With --once it would take what the node has from before.
        let daemon = try lab.receive("r1", ["--json"])
        for name in ["first", "second", "third"] {
            let source = try lab.scratch.random(name, megabytes: 40)
            let sent = try lab.send(["--wait-for", "1", "--min-wait", "0s", "--until", "repair", source]).wait()
            #expect(sent.status == 0 && sent.errors.contains("1 of 1 repair nodes hold everything"), "\(sent.errors)")
            #expect(daemon.wait { daemon.count("completed") == node.count("began") } && lab.has("r1", source))
            // What is in use is not evicted, and a session is until its sender has gone.
            let sessions = node.count("began")
            #expect(node.wait { node.count("upstream_over") == sessions })
        }
        // The newest is at most what the cache may have, tables and journals apart.
        let used = bytes(in: lab.scratch.path("cache-r3"))
        #expect(used < 66 << 20, "\(used) bytes in a cache of 64 MiB")
        #expect(node.count("retired") == 2 && !node.says("warning"), "\(node.outputSoFar.suffix(2_000))")
        let late = try lab.receive("r2", ["--once", "--timeout", "20s"]).wait()
        #expect(late.status == 0 && lab.has("r2", lab.scratch.path("third")), "\(late.errors)")
        lab.stop(node, daemon)
    }

    @Test("Bundles that a node has complete leave its memory to those that come after them")
    func manyBundles() throws {
        let lab = try Laboratory(receivers: 2)
        let node = try lab.repair("r2")
        let daemon = try lab.receive("r1", ["--json"])
        for number in 1...7 {
            let source = try lab.scratch.random("bundle-\(number)", megabytes: 40)
            let sent = try lab.send(["--wait-for", "1", "--min-wait", "0s", "--until", "repair", source]).wait()
            #expect(sent.status == 0 && sent.errors.contains("1 of 1 repair nodes hold everything"), "\(number): \(sent.errors)")
            #expect(node.wait { node.count("complete") == number }, "\(number)")
        }
        let last = try lab.receive("r1", ["--once", "--timeout", "20s"], directory: "late")
        #expect(last.wait().status == 0)
        lab.stop(node, daemon)
    }

    @Test("A disk that fills up under the cache: it says so, and passes on what it cannot keep")
    func fullDisk() throws {
        let lab = try Laboratory(receivers: 3, options: ["--loss", "3", "--split"])
        let source = try lab.scratch.random("image", megabytes: 48)
        let small = try lab.scratch.directory("small")
        let mount = try Running(["mount", "-t", "tmpfs", "-o", "size=20m", "none", small.path], in: lab.scratch.url).wait()
        #expect(mount.status == 0)
        defer { _ = try? Running(["umount", "-l", small.path], in: lab.scratch.url).wait() }
        let node = try lab.repair("r3", cache: small.path)
        let receivers = try ["r1", "r2"].map { try lab.receive($0, ["--once", "--json"]) }
        let sent = try lab.send(["--json", "--wait-for", "2", "--min-wait", "2s", "--rate", "200M", source]).wait()
        #expect(sent.status == 0, "\(sent.errors)")
        for (name, receiver) in zip(["r1", "r2"], receivers) { #expect(receiver.wait().status == 0 && lab.has(name, source)) }
        #expect(node.outputSoFar.contains("passed on and not kept"), "\(node.outputSoFar.suffix(2_000))")
        #expect(node.last("repair_bytes") > 1 << 20, "it repaired \(node.last("repair_bytes")) bytes")
        // It has not got everything, and must not say that the sender is not needed any more.
        #expect(Running.last("complete_repair_nodes", in: sent.text) == 0)
        lab.stop(node)
    }

    @Test("What a node had whole and its disk has lost since, with nobody above: it is not served any more, and nobody waits for it")
    func lostOnDisk() throws {
        let lab = try Laboratory(receivers: 3)
        let source = try lab.scratch.random("image", megabytes: 8)
        let node = try lab.repair("r3")
        let early = try lab.receive("r1")
        #expect(try lab.send(["--wait-for", "1", "--min-wait", "1s", "--until", "repair", source]).wait().status == 0)
        #expect(early.wait().status == 0 && node.wait { node.says("upstream_over") })
        lab.stop(node)
        // Started again, so that it has nothing of it in memory.
        let again = try lab.repair("r3")
        #expect(again.wait { again.says("complete") })
        let names = try FileManager.default.contentsOfDirectory(atPath: lab.scratch.path("cache-r3")).filter { $0.count == 32 }
        let chunks = lab.scratch.path("cache-r3/\(try #require(names.first))/chunks")
        try FileHandle(forUpdating: URL(fileURLWithPath: chunks)).truncate(atOffset: 3 << 20)
        let late = try lab.receive("r2", ["--once", "--json", "--timeout", "60s"]).wait()
        #expect(late.status != 0 && late.status != 124, "\(late.status) \(late.errors)")
        #expect(!FileManager.default.fileExists(atPath: lab.scratch.path("r2/image")))
        #expect(again.wait { again.says("retired") } && again.outputSoFar.contains("damaged on disk"), "\(again.outputSoFar.suffix(900))")
        lab.stop(again)
    }
}
