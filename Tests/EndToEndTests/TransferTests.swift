import Foundation
import Testing

/// Real transfers between network namespaces, compared byte for byte.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason)) struct TransferTests {
    @Test("Two receivers of one host and group each take what they --accept, and -o is written by no other bundle")
    func accepted() throws {
        let lab = try Laboratory(receivers: 1)
        let (kernel, image) = (try lab.scratch.random("kernel-6", megabytes: 1), try lab.scratch.random("image", megabytes: 1))
        let output = lab.scratch.path("output")
        let kernels = try lab.receive("r1", ["--json", "--accept", "kernel-*"], directory: "kernels")
        let images = try lab.run("r1", [Program.path, "recv", "--json", "-o", output, "--accept", "image", "--once", "--allow-unsigned"])
        for daemon in [kernels, images] { #expect(daemon.wait { daemon.says("listening") }) }
        let quick = ["--unsigned", "--wait-for", "1", "--min-wait", "0s"]
        #expect(try lab.send(quick + [kernel]).wait().status == 0)
        #expect(!FileManager.default.fileExists(atPath: output))
        let sent = try lab.send(quick + ["--require", "2", image]).wait()
        #expect(sent.status == 3 && sent.errors.contains("1 of 2 that have to be complete (--require) are"), "\(sent.errors)")
        let taken = images.wait()
        #expect(taken.status == 0 && lab.scratch.same(image, output) && !taken.text.contains("kernel"), "\(taken.text)\(taken.errors)")
        lab.stop(kernels)
        #expect(lab.has("kernels", kernel) && !lab.has("kernels", image) && !kernels.says("refused"), "\(kernels.errorsSoFar)")
    }

    @Test("Any number of receivers", arguments: [1, 4, 16])
    func receivers(count: Int) throws {
        let lab = try Laboratory(receivers: count)
        let source = try lab.scratch.random("image", megabytes: count == 16 ? 16 : 48)
        _ = try lab.transfer(source, receivers: count)
    }

    @Test("Loss on every receiver's link, packet by packet", arguments: [1, 5, 30])
    func loss(percent: Int) throws {
        let lab = try Laboratory(receivers: 4, options: ["--split", "--loss", "\(percent)"])
        let source = try lab.scratch.random("image", megabytes: 24)
        _ = try lab.transfer(source, receivers: 4)
        let injected = try lab.counter("injected")
        for node in ["r1", "r2", "r3", "r4"] { #expect(injected[node, default: 0] > 24 * 762 * percent / 200, "\(injected)") }
    }

    @Test("A real image of 500 MB, compressed on the way")
    func realImage() throws {
        let lab = try Laboratory(receivers: 2)
        let source = lab.scratch.path("system.img")
        try lab.scratch.run(["sh", "-c", "tar -C / -cf - usr 2>/dev/null | head -c 500000000"], into: source)
        // A level of its own: `auto` stores where receivers and other tests want the sender's cores.
        _ = try lab.transfer(source, receivers: 2, ["--level", "3"])
        let sent = try lab.counter("tx_bytes")["s"] ?? 0
        #expect(sent < 450_000_000, "\(sent) bytes left the sender for 500 MB that compress")
    }

    @Test("Files of no byte and of one byte", arguments: [0, 1])
    func tiny(bytes: Int) throws {
        let lab = try Laboratory(receivers: 2)
        let source = lab.scratch.path("tiny")
        try Data(repeating: 65, count: bytes).write(to: URL(fileURLWithPath: source))
        _ = try lab.transfer(source, receivers: 2)
    }

    @Test("8 GiB with little data: holes are neither sent nor written")
    func sparse() throws {
        let lab = try Laboratory(receivers: 2)
        let source = lab.scratch.path("sparse.img")
        try lab.scratch.run(["true"], into: source)
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: source))
        try file.truncate(atOffset: 8 << 30)
        for gigabyte in 0..<8 {
            try file.seek(toOffset: UInt64(gigabyte) << 30 + 12_345)
            try file.write(contentsOf: Data((0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ gigabyte) }))
        }
        try file.close()
        _ = try lab.transfer(source, receivers: 2)
        for node in ["r1", "r2"] {
            var status = stat()
            #expect(stat(lab.scratch.path("\(node)/sparse.img"), &status) == 0)
            #expect(status.st_size == 8 << 30 && status.st_blocks * 512 < 32 << 20, "\(status.st_blocks * 512) bytes on disk")
        }
    }

    @Test("IPv6")
    func version6() throws {
        let lab = try Laboratory(receivers: 2, options: ["--ipv6"])
        let source = try lab.scratch.random("image", megabytes: 8)
        let group = ["-g", "[ff15::7627]:17627", "-i", "eth0"]
        let receivers = try ["r1", "r2"].map { try lab.receive($0, ["--once"] + group) }
        #expect(try lab.send(group + ["--wait-for", "2", "--min-wait", "0s", source]).wait().status == 0)
        for (node, receiver) in zip(["r1", "r2"], receivers) { #expect(receiver.wait().status == 0 && lab.has(node, source)) }
    }

    @Test("Standard input to standard output, and to a path")
    func streams() throws {
        let lab = try Laboratory(receivers: 2)
        let source = try lab.scratch.random("stream", megabytes: 9)
        let output = lab.scratch.path("exactly-here")
        let toPath = try lab.receive("r1", ["--once", "--output", output])
        let toStandardOutput = try lab.receive("r2", ["--once", "--output", "-"])
        let sender = try lab.send(["--wait-for", "2", "--min-wait", "0s", "--name", "stream", "-"], input: source)
        #expect(sender.wait().status == 0)
        #expect(toPath.wait().status == 0 && lab.scratch.same(source, output))
        let received = toStandardOutput.wait()
        #expect(try received.status == 0 && received.output == Data(contentsOf: URL(fileURLWithPath: source)))
    }

    @Test("Signed, and taken by who trusts the key; a daemon takes one bundle after another")
    func daemon() throws {
        let lab = try Laboratory(receivers: 1)
        let first = try lab.scratch.random("first", megabytes: 3)
        let second = try lab.scratch.random("second", megabytes: 3)
        let made = try lab.run("s", [Program.path, "keygen", "-o", lab.scratch.path("key")]).wait()
        let key = made.text.trimmingCharacters(in: .whitespacesAndNewlines)
        let daemon = try lab.receive("r1", ["--trust", key])
        for source in [first, second] {
            let sent = try lab.send(["--key", lab.scratch.path("key"), "--wait-for", "1", "--min-wait", "0s", source]).wait()
            #expect(sent.status == 0, "\(sent.errors)")
            #expect(lab.has("r1", source))
        }
        daemon.signal(SIGTERM)
        #expect(daemon.wait().status == 0)
    }

    @Test("Two sessions on one group at once")
    func twoAtOnce() throws {
        let lab = try Laboratory(receivers: 2)
        let sources = try ["one", "two"].map { try lab.scratch.random($0, megabytes: 16) }
        let daemons = try ["r1", "r2"].map { try lab.receive($0, ["--json"]) }
        // Three seconds and more each.
        let senders = try sources.map { try lab.send(["--wait-for", "2", "--min-wait", "0s", "--rate", "40M", $0]) }
        for sender in senders {
            let sent = sender.wait()
            #expect(sent.status == 0, "\(sent.errors)")
        }
        for node in ["r1", "r2"] { for source in sources { #expect(lab.has(node, source)) } }
        for daemon in daemons {
            #expect(daemon.wait { daemon.count("completed") == 2 }, "\(daemon.errorsSoFar)")
            // Both were under way before either was over.
            #expect(daemon.events.filter { ["began", "completed"].contains($0) } == ["began", "began", "completed", "completed"])
        }
        lab.stop(daemons[0], daemons[1])
    }

    @Test("A hole in the path MTU: some receivers' links carry 1200 bytes")
    func pathMTU() throws {
        let lab = try Laboratory(receivers: 2)
        // The bridge drops what is too long for a port, silently, as a misconfigured tunnel does.
        let port = try lab.run("b", ["ip", "link", "set", "r1", "mtu", "1280"]).wait()
        #expect(port.status == 0)
        let source = try lab.scratch.random("image", megabytes: 8)
        let sent = try lab.transfer(source, receivers: 2)
        #expect(sent.errors.contains("using 1200 bytes"), "\(sent.errors)")
    }

    @Test("A latecomer behind such a hole says so, and the sender ends without it")
    func lateBehindPathMTU() throws {
        // A batch that crosses whole is passed on by the bridge, whatever its packets' length.
        let lab = try Laboratory(receivers: 2, options: ["--split"])
        #expect(try lab.run("b", ["ip", "link", "set", "r2", "mtu", "1280"]).wait().status == 0)
        let source = try lab.scratch.random("image", megabytes: 8)
        let first = try lab.receive("r1", ["--once", "--json"])
        let sender = try lab.send(["--json", "--wait-for", "1", "--min-wait", "0s", "--rate", "20M", source])
        #expect(first.wait { first.done > 1 << 20 })
        let late = try lab.receive("r2")
        let sent = sender.wait()
        // A partial transfer's status, and the reason.
        #expect(sent.status == 3 && sent.text.contains("\"failed_path\":1"), "\(sent.errors)\(sent.text.suffix(900))")
        #expect(first.wait().status == 0 && lab.has("r1", source))
        let failed = late.wait()
        #expect(failed.status == 3 && failed.errors.contains("MTU is too small"), "\(failed.status) \(failed.errors)")
    }
}
