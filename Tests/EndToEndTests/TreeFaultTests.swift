import Foundation
import Testing

/// What becomes of a tree when its nodes die, come back, or are cut apart.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason)) struct TreeFaultTests {
    /// Everybody has found a repair node before anything is lost, and there is time to do something in mid-transfer.
    private let paced = ["--json", "--min-wait", "2s", "--rate", "80M"]

    private func expectComplete(_ lab: Laboratory, _ source: String, _ receivers: [Running], _ sender: Running) {
        for (index, receiver) in receivers.enumerated() {
            let result = receiver.wait()
            #expect(result.status == 0 && lab.has("r\(index + 1)", source), "r\(index + 1): \(result.errors)\(result.text.suffix(600))")
        }
        let sent = sender.wait()
        #expect(sent.status == 0, "\(sent.errors)")
        // Each once, wherever it was in the tree.
        #expect(Running.last("complete", in: sent.text) == receivers.count, "\(sent.text.suffix(900))")
    }

    /// How many receivers have somebody other than a repair node as a parent is only known by what they said last.
    private func hasNode(_ receiver: Running) -> Bool { receiver.says("parent") && receiver.last("parent_depth") >= 1 }

    @Test("All repair nodes die at once: their children go to the sender, which alone finishes what they began")
    func allNodesDown() throws {
        let lab = try Laboratory(receivers: 5, options: ["--loss", "3", "--split"])
        let source = try lab.scratch.random("image", megabytes: 32)
        let nodes = try ["r4", "r5"].map { try lab.repair($0) }
        let receivers = try (1...3).map { try lab.receive("r\($0)", ["--once", "--json"]) }
        let sender = try lab.send(paced + ["--wait-for", "3", source])
        #expect(receivers[0].wait { nodes.allSatisfy { $0.last("chunks_held") >= 8 } && receivers.allSatisfy(hasNode) })
        for node in nodes { node.signal(SIGKILL) }
        for node in nodes { _ = node.wait() }
        #expect(receivers[0].wait { receivers.allSatisfy { $0.last("parent_depth") == 0 } }, "somebody stayed below the dead")
        expectComplete(lab, source, receivers, sender)
    }

    /// What a node finds of its cache when it comes back.
    enum Cache: CaseIterable {
        case whole
        case empty
        /// The data of every chunk from the third on is gone, and the journal says that it is there.
        case truncated
        /// Bytes have changed under it, and the last entry of the journal is torn.
        case damaged
    }

    private func spoil(_ directory: URL, as cache: Cache) throws {
        let files = FileManager.default
        let sessions = try files.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil).filter {
            files.fileExists(atPath: $0.appendingPathComponent("chunks").path)
        }
        try #require(sessions.count == 1, "the cache has \(sessions)")
        let chunks = try FileHandle(forUpdating: sessions[0].appendingPathComponent("chunks"))
        switch cache {
        case .whole: break
        case .empty: for url in try files.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil) { try files.removeItem(at: url) }
        case .truncated: try chunks.truncate(atOffset: 2 << 20)
        case .damaged:
            for chunk in [1, 3, 4] {
                try chunks.seek(toOffset: UInt64(chunk) << 20 + 4_711)
                try chunks.write(contentsOf: Data("not what was here".utf8))
            }
            let journal = try FileHandle(forUpdating: sessions[0].appendingPathComponent("journal"))
            try journal.truncate(atOffset: try journal.seekToEnd() - 7)
        }
    }

    @Test("kill -9 of a repair node, and a restart with what is left of its cache", arguments: Cache.allCases)
    func nodeBack(cache: Cache) throws {
        let lab = try Laboratory(receivers: 4, options: ["--loss", "3", "--split"])
        let source = try lab.scratch.random("image", megabytes: 32)
        let node = try lab.repair("r4")
        let receivers = try (1...2).map { try lab.receive("r\($0)", ["--once", "--json"]) }
        let sender = try lab.send(paced + ["--wait-for", "2", source])
        #expect(node.wait { node.last("chunks_held") >= 10 })
        node.signal(SIGKILL)
        _ = node.wait()
        try spoil(try lab.scratch.directory("cache-r4"), as: cache)
        let again = try lab.repair("r4")
        #expect(again.wait { again.says("began") })
        let kept = again.last("chunks_kept")
        #expect(cache == .empty ? kept == 0 : kept >= 2, "\(kept) chunks from the cache")
        expectComplete(lab, source, receivers, sender)
        #expect(again.wait { again.says("complete") && again.says("upstream_over") })
        // The sender is gone: what this one gets is the node's word for what it kept.
        let late = try lab.receive("r3", ["--once", "--json", "--timeout", "20s"])
        let result = late.wait()
        #expect(result.status == 0 && lab.has("r3", source), "\(result.errors)")
        lab.stop(again)
    }

    @Test("A network that falls in two, with a repair node in each half, and is joined again")
    func partition() throws {
        let lab = try Laboratory(receivers: 7, options: ["--loss", "2", "--split"])
        try lab.behind(["r3", "r4", "r7"])
        let source = try lab.scratch.random("image", megabytes: 40)
        // Both nodes are as near, and whoever has one stays with it: so all have this one, and the other half is cut off from it.
        let first = try lab.repair("r6")
        var receivers = try (1...4).map { try lab.receive("r\($0)", ["--once", "--json"]) }
        let sender = try lab.send(paced + ["--wait-for", "5", source])
        #expect(receivers[0].wait { receivers.allSatisfy(hasNode) })
        let nodes = [first, try lab.repair("r7")]
        #expect(nodes[1].wait { nodes[1].says("began") })
        // The stream waits for it.
        receivers.append(try lab.receive("r5", ["--once", "--json"]))
        #expect(receivers[0].wait { receivers.allSatisfy(hasNode) && receivers.allSatisfy { $0.done > 2 << 20 } })
        let moving = [2, 3]
        let before = moving.map { receivers[$0].count("parent") }
        let reached = receivers[0].done
        try lab.link("trunk", up: false)
        #expect(receivers[0].wait { zip(moving, before).allSatisfy { receivers[$0].count("parent") > $1 } }, "nobody changed parents")
        #expect(receivers[0].wait { receivers[0].done > reached + 4 << 20 }, "the sender's half did not go on")
        try lab.link("trunk", up: true)
        expectComplete(lab, source, receivers, sender)
        for node in nodes { #expect(node.wait { node.says("complete") }) }
        lab.stop(nodes[0], nodes[1])
    }

    @Test("Of two relays a sender that may serve one takes one, and the other says why it gets nothing")
    func refusedRelay() throws {
        let lab = try Laboratory(receivers: 3)
        let source = try lab.scratch.random("image", megabytes: 8)
        // Each relay has a region of its own, so that neither is repaired by the other.
        let relays = try ["r2", "r3"].map { try lab.repair($0, ["--upstream", "10.77.0.1", "--region", "239.255.80.\($0 == "r2" ? 1 : 2)"]) }
        let receiver = try lab.receive("r1", ["--once", "--json"])
        let sender = try lab.send(["--json", "--min-wait", "2s", "--wait-for", "1", "--max-unicast-children", "1", source])
        #expect(sender.wait { relays.contains { $0.says("warning") } })
        let refused = relays.filter { $0.outputSoFar.contains("--max-unicast-children") }
        #expect(refused.count == 1, "\(relays.map(\.outputSoFar))")
        #expect(receiver.wait().status == 0 && lab.has("r1", source))
        #expect(sender.wait().status == 0)
        lab.stop(relays[0], relays[1])
    }
}
