import Foundation
import RMCPProtocol
import Testing

/// Sealed sessions with real programs: the group's members get the bundle, and nobody else gets anything.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason)) struct GroupKeyTests {
    /// A laboratory with two groups' keys.
    private func laboratory(receivers: Int) throws -> (Laboratory, key: String, other: String) {
        let lab = try Laboratory(receivers: receivers)
        let keys = ["group", "other"].map { lab.scratch.path($0) }
        // Both ways to name the file.
        for (option, key) in [(["--group", "-o", keys[0]], keys[0]), (["--group", keys[1]], keys[1])] {
            let made = try lab.run("s", [Program.path, "keygen"] + option).wait()
            #expect(made.status == 0 && made.errors.contains(key + ".control"), "\(made.errors)")
            for file in [key, key + ".control"] {
                #expect(try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int == 0o600)
            }
        }
        return (lab, keys[0], keys[1])
    }

    /// Nobody finds it by chance.
    private static let name = "confidential-payroll-2026.img"

    private static func contains(_ data: Data, _ piece: Data) -> Bool { data.range(of: piece) != nil }

    @Test("Members receive; a tap on the wire finds neither the name nor the content; who has no key is told so")
    func membersReceive() throws {
        let (lab, key, _) = try laboratory(receivers: 3)
        // Stored, compressed and zero chunks, and a short last one.
        let marker = Data("THE-SECRET-MARKER-OF-THIS-TEST-!".utf8)
        let source = lab.scratch.path(Self.name)
        var content = Data()
        while content.count < 3 << 20 { content.append(marker) }
        content.append(Data(count: 2 << 20))
        content.append(contentsOf: (0..<(2 << 20)).map { _ in UInt8.random(in: 0...255) })
        content.append(marker + marker)
        try content.write(to: URL(fileURLWithPath: source))
        let tap = try WireTap(lab, "s")
        let members = try ["r1", "r2"].map { try lab.receive($0, ["--once", "--group-key", key]) }
        let outsider = try lab.receive("r3", ["--once", "--timeout", "10s"])
        let sent = try lab.send(["--group-key", key, "--wait-for", "2", "--min-wait", "1s", "--level", "3", source]).wait()
        #expect(sent.status == 0, "\(sent.errors)")
        for (node, member) in zip(["r1", "r2"], members) {
            let received = member.wait()
            #expect(received.status == 0, "\(received.errors)")
            #expect(lab.has(node, source), "\(node)'s file differs")
        }
        let refused = outsider.wait()
        #expect(refused.status == 5 && refused.errors.contains("whose key is not here"), "\(refused.status): \(refused.errors)")
        let captured = tap.stop()
        #expect(captured.count > 2 << 20, "the tap has only \(captured.count) bytes")
        #expect(!Self.contains(captured, Data(Self.name.utf8)), "the name is on the wire")
        let random = content.subdata(in: (5 << 20) + 1_000..<(5 << 20) + 1_032)
        #expect(!Self.contains(captured, marker) && !Self.contains(captured, random), "content is on the wire")
    }

    @Test("The tap finds both where nothing is sealed: it would have found them") func theTapWorks() throws {
        let (lab, _, _) = try laboratory(receivers: 1)
        let source = try lab.scratch.random(Self.name, megabytes: 2)
        let tap = try WireTap(lab, "s")
        _ = try lab.transfer(source, receivers: 1)
        let captured = tap.stop()
        let piece = try Data(contentsOf: URL(fileURLWithPath: source)).subdata(in: 1_000..<1_032)
        #expect(Self.contains(captured, Data(Self.name.utf8)) && Self.contains(captured, piece))
    }

    @Test("A repair node with the control key serves a latecomer what it cannot read") func repairNodesNeedNoContentKey() throws {
        let (lab, key, _) = try laboratory(receivers: 4)
        let source = try lab.scratch.random(Self.name, megabytes: 16)
        let node = try lab.repair("r3", ["--group-key", key + ".control"])
        try lab.loss("r1", percent: 5)
        let members = try ["r1", "r2"].map { try lab.receive($0, ["--once", "--group-key", key]) }
        let sent = try lab.send(["--group-key", key, "--wait-for", "2", "--until", "repair", "--rate", "100M", source]).wait()
        #expect(sent.status == 0, "\(sent.errors)")
        for member in members { #expect(member.wait().status == 0) }
        // The sender has gone.
        let late = try lab.receive("r4", ["--once", "--group-key", key]).wait()
        #expect(late.status == 0, "\(late.errors)")
        for receiver in ["r1", "r2", "r4"] { #expect(lab.has(receiver, source), "\(receiver)'s file differs") }
        #expect(!node.outputSoFar.contains(Self.name) && !node.errorsSoFar.contains(Self.name))
        lab.stop(node)
        let piece = try Data(contentsOf: URL(fileURLWithPath: source)).subdata(in: 1_000..<1_032)
        let cache = URL(fileURLWithPath: lab.scratch.path("cache-r3"))
        var kept = 0
        for case let file as URL in FileManager.default.enumerator(at: cache, includingPropertiesForKeys: nil) ?? .init() {
            guard let bytes = try? Data(contentsOf: file) else { continue }
            kept += bytes.count
            #expect(!Self.contains(bytes, piece) && !Self.contains(bytes, Data(Self.name.utf8)), "\(file.path)")
        }
        #expect(kept > 16_000_000)
    }

    @Test("Another key gets nothing and says so, and members take nothing that is not sealed") func strangersAreRefused() throws {
        let (lab, key, other) = try laboratory(receivers: 3)
        let source = try lab.scratch.random("one.img", megabytes: 2)
        let member = try lab.receive("r1", ["--once", "--group-key", key])
        let stranger = try lab.receive("r2", ["--once", "--timeout", "8s", "--group-key", other])
        let sent = try lab.send(["--group-key", key, "--wait-for", "1", "--min-wait", "1s", source]).wait()
        #expect(sent.status == 0, "\(sent.errors)")
        #expect(member.wait().status == 0 && lab.has("r1", source))
        let refused = stranger.wait()
        #expect(refused.status == 5 && refused.errors.contains("without this group's key"), "\(refused.status): \(refused.errors)")
        let strict = try lab.receive("r3", ["--once", "--timeout", "6s", "--group-key", key])
        let plain = try lab.send(["--min-wait", "1s", "--max-wait", "3s", source]).wait()
        #expect(plain.status == 4, "\(plain.errors)")
        #expect(strict.wait().status == 5)
        for (file, reason) in [(key + ".control", "control key"), (lab.scratch.path("none"), "keygen --group"), (source, "")] {
            let run = try lab.receive("r3", ["--once", "--group-key", file]).wait()
            #expect(run.status != 0 && (reason.isEmpty || run.errors.contains(reason)), "\(file): \(run.errors)")
        }
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: key)
        #expect(try lab.receive("r3", ["--once", "--group-key", key]).wait().errors.contains("chmod 600"))
        let again = try lab.run("s", [Program.path, "keygen", "--group", other]).wait()
        #expect(again.status == 1 && again.errors.contains("not overwritten"), "\(again.errors)")
    }

    @Test("A receiver that was killed gets the rest, in this session and in the group's next") func theRestAndOnlyTheRest() throws {
        let (lab, key, _) = try laboratory(receivers: 1)
        let source = try lab.scratch.random("big.img", megabytes: 48)
        // Chunks of the file that its journal names, at 40 bytes an entry.
        func receiveSome(_ sender: Running) throws {
            let receiver = try lab.receive("r1", ["--once", "--json", "--group-key", key])
            #expect(receiver.wait { receiver.done > 15 << 20 }, "\(receiver.errorsSoFar)\(sender.errorsSoFar)")
            receiver.signal(SIGKILL)
            _ = receiver.wait()
        }
        func finish() throws -> Running.Result {
            let result = try lab.receive("r1", ["--once", "--group-key", key]).wait()
            #expect(result.status == 0 && result.errors.contains("of it from before"), "\(result.errors)")
            #expect(lab.has("r1", source))
            return result
        }
        let sending = ["--group-key", key, "--wait-for", "1", "--rate", "100M"]
        let first = try lab.send(sending + ["--linger", "60s", source])
        try receiveSome(first)
        _ = try finish()
        first.signal(SIGTERM)
        _ = first.wait()
        // Other keys of the session, and the same group.
        let second = try lab.send(sending + [source])
        try receiveSome(second)
        second.signal(SIGTERM)
        _ = second.wait()
        let third = try lab.send(sending + [source])
        _ = try finish()
        let sent = third.wait()
        #expect(sent.status == 0, "\(sent.errors)")
    }

    @Test("Standard input to standard output, by a member") func streams() throws {
        let (lab, key, _) = try laboratory(receivers: 1)
        let source = try lab.scratch.random("stream", megabytes: 12)
        try lab.loss("r1", percent: 2)
        let receiver = try lab.run("r1", [Program.path, "recv", "--once", "--allow-unsigned", "--group-key", key, "-o", "-"])
        let sent = try lab.run(
            "s", [Program.path, "send", "--group-key", key, "--wait-for", "1", "--name", "stream", "-"], input: source
        ).wait()
        #expect(sent.status == 0, "\(sent.errors)")
        let received = receiver.wait()
        #expect(received.status == 0, "\(received.errors)")
        #expect(received.output == (try Data(contentsOf: URL(fileURLWithPath: source))))
    }

    @Test("Everything that the sender says is said again, and forged, by somebody who hears it: nothing comes of it")
    func replaysAndForgeries() throws {
        let (lab, key, _) = try laboratory(receivers: 2)
        let source = try lab.scratch.random("one.img", megabytes: 16)
        let intruder = try Intruder(lab, "r2", address: .ipv4(10, 77, 0, 3, port: 0))
        let member = try lab.receive("r1", ["--once", "--group-key", key])
        let sender = try lab.send(["--json", "--group-key", key, "--wait-for", "1", "--rate", "40M", source])
        let victims = [Intruder.group, SocketAddress.ipv4(10, 77, 0, 1, port: 17_627)]
        var said = 0
        _ = sender.wait {
            for datagram in intruder.listen() where datagram.count > 40 && PacketHeader.kind(of: datagram.span.bytes) != .data {
                // As it was; with another first field, such as the phase "leaving"; and as if the group had no key.
                var bent = datagram
                bent[16] = 4
                for copy in [datagram, bent, Array(datagram.dropLast(24))] {
                    for victim in victims { intruder.say(copy, to: victim) }
                    said += victims.count
                }
            }
            return false
        }
        let sent = sender.wait()
        #expect(sent.status == 0 && Running.last("complete", in: sent.text) == 1, "\(sent.errors)\(sent.text.suffix(900))")
        let received = member.wait()
        #expect(received.status == 0 && lab.has("r1", source), "\(received.errors)")
        #expect(said > 500)
        // They came, and were dropped at the border.
        let counted = received.errors.firstMatch(of: /outside of sessions: malformed 0, foreign (\d+) datagrams/).flatMap { Int($0.1) } ?? 0
        #expect(counted > said / 4, "\(said) said, and \(received.errors)")
        #expect(received.errors.contains("forged 0"), "an engine has met a forgery: \(received.errors)")
    }

    @Test("A watcher of the group sees what there is, and another learns that something is") func watching() throws {
        let (lab, key, _) = try laboratory(receivers: 2)
        let source = try lab.scratch.random("one.img", megabytes: 16)
        let member = try lab.receive("r1", ["--once", "--group-key", key])
        let sender = try lab.send(["--json", "--group-key", key, "--wait-for", "1", "--rate", "20M", source])
        #expect(sender.wait { sender.says("started") })
        for (option, shown, hidden) in [
            (["--group-key", key], "one.img", "(sealed)"), (["--group-key", key + ".control"], "(sealed)", "one.img"), ([], "(sealed)", "one.img"),
        ] {
            let watched = try lab.run("r2", [Program.path, "watch", "--once"] + option).wait()
            let text = watched.text + watched.errors
            #expect(watched.status == 0 && text.contains(shown) && !text.contains(hidden), "\(option): \(text)")
        }
        #expect(sender.wait().status == 0)
        #expect(member.wait().status == 0)
    }
}
