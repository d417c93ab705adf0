import Foundation
import RMCPProtocol
import Testing

/// Repair nodes whose cache is on a disk that does not answer: they go on with everything else, and can be stopped.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason)) struct SlowCacheTests {
    /// A repair node on whose disk a call stands still while it is armed: the first one for seven seconds, or all of them.
    private func node(_ lab: Laboratory, _ name: String, call: String, all: Bool = false) throws -> Running {
        let cache = try lab.scratch.directory("cache-\(name)").path
        let variables = ["STUCK_CALL": call, "STUCK_WHILE": lab.scratch.path("armed")].merging(all ? ["STUCK_ALL": "1"] : [:]) { $1 }
        let stuck = try Shim.stuck.command(variables, in: lab.scratch)
        let command = [Program.path, "repair", "--json", "-i", "eth0", "--cache", cache, "--allow-unsigned"]
        return try lab.run(name, stuck + command)
    }

    private func arm(_ lab: Laboratory) throws { try lab.scratch.run(["true"], into: lab.scratch.path("armed")) }
    private func disarm(_ lab: Laboratory) throws { try FileManager.default.removeItem(atPath: lab.scratch.path("armed")) }

    private func isStanding(_ call: String, _ lab: Laboratory) -> Bool { FileManager.default.fileExists(atPath: lab.scratch.path("armed.stood-\(call)")) }
    private func hasStood(_ call: String, _ lab: Laboratory) -> Bool { FileManager.default.fileExists(atPath: lab.scratch.path("armed.done-\(call)")) }

    @Test("Each call stands still for seven seconds: nothing else does, and other sessions are served", .enabled(if: Shim.isPossible, Shim.reason))
    func oneCall() throws {
        let calls = ["open", "mkdir", "rename", "ftruncate", "pwrite", "pread", "futimens"]
        let lab = try Laboratory(receivers: calls.count + 2)
        let nodes = try calls.enumerated().map { try node(lab, "r\($0.offset + 3)", call: $0.element) }
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
        let end = Date() + 60
        while Date() < end, sending.process.isRunning || !calls.allSatisfy({ hasStood($0, lab) }) {
            for datagram in intruder.listen() {
                guard let header = try? PacketHeader(of: datagram.span.bytes), header.kind == .advertisement else { continue }
                let gap = Date().timeIntervalSince(heard[header.transmitter] ?? Date())
                longest[header.transmitter] = max(longest[header.transmitter] ?? 0, gap)
                heard[header.transmitter] = Date()
            }
            usleep(5_000)
        }
        #expect(calls.filter { !hasStood($0, lab) }.isEmpty, "what was to stand still was never called")
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

    @Test("A disk that does not answer any more keeps nobody from stopping the node", .enabled(if: Shim.isPossible, Shim.reason))
    func stopping() throws {
        let lab = try Laboratory(receivers: 4)
        let source = try lab.scratch.random("image", megabytes: 8)
        // Neither answers from the beginning on, or from the first chunk on. Whoever does not stop is killed when its time is over.
        let patient = try node(lab, "r2", call: "pwrite", all: true)
        let impatient = try node(lab, "r3", call: "pwrite", all: true)
        for node in [patient, impatient] { try #require(node.wait { node.says("listening") }, "\(node.errorsSoFar)") }
        let receiver = try lab.receive("r1", ["--json"])
        let sending = try lab.send(["--json", "--wait-for", "1", "--min-wait", "2s", "--rate", "20M", source])
        #expect(patient.wait { patient.last("chunks_held") >= 1 && impatient.last("chunks_held") >= 1 })
        try arm(lab)
        #expect(receiver.wait { receiver.done > 6 << 20 })
        let beginning = try node(lab, "r4", call: "mkdir", all: true)
        #expect(beginning.wait { isStanding("mkdir", lab) && isStanding("pwrite", lab) })
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
}
