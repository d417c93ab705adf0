import Foundation
import Testing

/// Lengths of datagrams on links with long frames. Batches are cut into packets, so that packets can be counted.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason)) struct PathLengthTests {
    /// A link with frames of 9000 bytes.
    private func laboratory(receivers: Int) throws -> Laboratory { try Laboratory(receivers: receivers, options: ["--mtu", "9000", "--split"]) }

    /// Content bytes in each packet that left the sender: no more than fit in one.
    private func packetLength(_ lab: Laboratory, megabytes: Int) throws -> Int {
        (megabytes << 20) / max(1, try lab.counter("tx_packets")["s"] ?? 0)
    }

    /// Frames of 1500 bytes at a node, and at the bridge's port to it.
    private func shorten(_ node: String, in lab: Laboratory) throws {
        try lab.shell(node, "ip link set eth0 mtu 1500")
        try lab.shell("b", "ip link set \(node) mtu 1500")
    }

    @Test("Jumbo frames are used where everybody has them, and no router is on the way", arguments: [(1, 8_000...8_948), (2, 1_300...1_376)])
    func jumbo(timeToLive: Int, length: ClosedRange<Int>) throws {
        let lab = try laboratory(receivers: 2)
        let source = try lab.scratch.random("image", megabytes: 16)
        let sent = try lab.transfer(source, receivers: 2, ["--ttl", "\(timeToLive)"])
        #expect(!sent.errors.contains("full-sized"), "\(sent.errors)")
        let found = try packetLength(lab, megabytes: 16)
        #expect(length.contains(found), "\(found) bytes in a packet")
    }

    @Test("One host with ordinary frames, and all get ordinary datagrams") func oneHasNone() throws {
        let lab = try laboratory(receivers: 3)
        try shorten("r2", in: lab)
        let source = try lab.scratch.random("image", megabytes: 8)
        let sent = try lab.transfer(source, receivers: 3)
        #expect(sent.errors.contains("using 1400 bytes"), "\(sent.errors)")
    }

    @Test("A repair node whose region has ordinary frames") func ordinaryRegion() throws {
        let lab = try laboratory(receivers: 2)
        // Its region is behind an interface of its own, where nobody is: the node alone has to say what that carries.
        try lab.shell(
            "r2", "ip link add region mtu 1500 type veth peer name nobody; ip link set region up; ip link set nobody up; ip address add 10.78.0.1/24 dev region"
        )
        let source = try lab.scratch.random("image", megabytes: 8)
        let node = try lab.repair("r2", ["--region-interface", "region"])
        let receiver = try lab.receive("r1")
        let sent = try lab.send(["--json", "--wait-for", "1", "--min-wait", "2s", source]).wait()
        #expect(sent.status == 0 && sent.text.contains("\"repair_nodes\":1"), "\(sent.errors)")
        let found = try packetLength(lab, megabytes: 8)
        #expect(found <= 1_376, "\(found) bytes in a packet")
        #expect(receiver.wait().status == 0 && lab.has("r1", source))
        lab.stop(node)
    }
}
