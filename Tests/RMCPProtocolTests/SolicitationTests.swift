import TestSupport
import Testing

@testable import RMCPProtocol

@Suite struct SolicitationTests {
    /// Strangers that ask for ANNOUNCEs get 200 a second, whatever they ask, and push nothing else out.
    @Test func strangersAreAnsweredInMeasure() throws {
        let signer = LaneSigner(key: 5)
        let announce = Announce.sample("asked", contentLength: 8_000, key: signer.publicKey)
        var sender = SenderEngine(configuration: Configuration(), announce: announce, signer: signer, digest: LaneDigest(), seed: 1, at: .zero)
        let question = Packet.solicitation.datagram(sessionTag: 0, transmitter: 9)
        for number in 0..<1_000 as Range<UInt16> {
            sender.handle(datagram: question.span.bytes, from: .ipv4(10, 0, 0, 9, port: number + 1), at: .milliseconds(1))
        }
        #expect(sender.control.peerCount == 200)
        sender.handle(datagram: question.span.bytes, from: .ipv4(10, 0, 0, 9, port: 1), at: .milliseconds(1_001))
        #expect(sender.control.peerCount == 201)
    }

    @Test func answersYieldToEverythingElse() {
        var configuration = Configuration()
        configuration.memory.maximumControlQueue = 4
        var queue = ControlQueue(configuration: configuration)
        let peer = Destination.peer(.ipv4(10, 0, 0, 9, port: 1))
        queue.append(.heartbeat(.sample(timestamp: 1)), to: peer)
        for number in 0..<10 as Range<UInt32> { queue.append(.acknowledgement(sequence: number), to: peer) }
        guard case .heartbeat? = queue.next()?.packet else {
            Issue.record("the heartbeat gave way to an answer")
            return
        }
        #expect(queue.peerCount == 3)
    }
}
