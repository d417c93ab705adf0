import TestSupport
import Testing

@testable import RMCPProtocol

/// Chunks that the host may have from before, and that the network brings while it looks.
@Suite struct ConsultTests {
    /// A packet has taken a slot while the host looks for its chunk, and there was no buffer for that slot.
    private func withoutBuffer() throws -> LoneReceiver {
        var receiver = LoneReceiver(isResumable: true)
        receiver.takeHeartbeat(chunk: 2, pages: 1)
        receiver.takePage(0, chunks: 0..<4)
        receiver.drain()
        #expect(receiver.events == [.consult(0..<4)])
        receiver.takeData(2, packets: 0...0)
        let slot = try #require(receiver.engine.slots.indices.first { receiver.engine.slots[$0].isAssembling })
        receiver.engine.handle(.unavailable(slot: slot), at: receiver.now)
        return receiver
    }

    private func asked(_ receiver: inout LoneReceiver, for chunk: UInt32) -> Bool {
        receiver.takeHeartbeat(chunk: 4, pages: 1)
        return receiver.run(for: .seconds(1)).requests.contains { request in
            request.chunks.contains { $0.contains(chunk) } || request.packets.contains { $0.chunk == chunk }
        }
    }

    @Test func theAnswerCountsAlthoughThereWasNoBuffer() throws {
        var receiver = try withoutBuffer()
        for chunk: UInt32 in 0..<4 { receiver.engine.handle(.kept(chunk: chunk), at: receiver.now) }
        #expect(receiver.engine.chunksDone == 4 && receiver.engine.counters.strayResults == 0)
        let isAsked = asked(&receiver, for: 2)
        #expect(!isAsked)
    }

    /// All packets came before the host said that it has the chunk; then one of them was wrong, and there is no buffer any more.
    @Test func anAnswerThatComesWhileTheHostStoresIsAnAnswer() throws {
        var receiver = LoneReceiver(isResumable: true)
        receiver.takeHeartbeat(chunk: 2, pages: 1)
        receiver.takePage(0, chunks: 0..<4)
        receiver.takeData(2)
        let slot = try #require(receiver.assembled.first).slot
        receiver.engine.handle(.kept(chunk: 2), at: receiver.now)
        receiver.engine.handle(.rejected(slot: slot, chunk: 2), at: receiver.now)
        receiver.engine.handle(.unavailable(slot: slot), at: receiver.now)
        for chunk: UInt32 in [0, 1, 3] { receiver.engine.handle(.kept(chunk: chunk), at: receiver.now) }
        let isAsked = asked(&receiver, for: 2)
        #expect(isAsked && receiver.engine.chunksDone == 3)
    }

    @Test func whatTheHostDoesNotHaveIsAskedFor() throws {
        var receiver = try withoutBuffer()
        // It is waited for.
        let isAskedEarly = asked(&receiver, for: 2)
        for chunk: UInt32 in 0..<4 { receiver.engine.handle(.absent(chunk: chunk), at: receiver.now) }
        let isAsked = asked(&receiver, for: 2)
        #expect(!isAskedEarly && isAsked && receiver.engine.counters.strayResults == 0)
    }

    /// Slots are emptied when the sender lowers its datagrams' length.
    @Test func theAnswerCountsAlthoughPacketsHaveAnotherLength() {
        var receiver = LoneReceiver(isResumable: true)
        receiver.takeHeartbeat(chunk: 2, pages: 1)
        receiver.takePage(0, chunks: 0..<4)
        receiver.takeData(2, packets: 0...0)
        var shorter = receiver.announce
        shorter.payloadLength = 1_000
        receiver.take(.announce(shorter, LoneReceiver.signer.signature(for: shorter.signedMessage)))
        #expect(receiver.engine.slots.usedCount == 0)
        for chunk: UInt32 in 0..<4 { receiver.engine.handle(.kept(chunk: chunk), at: receiver.now) }
        #expect(receiver.engine.chunksDone == 4 && receiver.engine.counters.strayResults == 0)
    }
}
