import Testing

@testable import RMCPProtocol

@Suite struct PathWatchTests {
    /// A statement each second, each of them one chunk further.
    private func statements(
        _ watch: inout PathWatch, seconds: ClosedRange<Int64>, isSending: Bool = true, isAsking: Bool = false, isOwed: Bool = true,
        done: (Int64) -> UInt32 = { _ in 0 }
    ) -> Int64? {
        seconds.first { second in
            let position = StreamPosition(chunk: isSending ? UInt32(second) : 0, packet: 0)
            return watch.judge(position, isAsking: isAsking, isOwed: isOwed, chunksDone: done(second), at: .milliseconds(second * 1_000))
        }
    }

    @Test func aPathThatCarriesNothingLongIsGivenUpAfterTenSeconds() {
        var watch = PathWatch()
        let given = statements(&watch, seconds: 1...60)
        #expect(given == 11)
    }

    /// Its sender's disk may not answer for a while.
    @Test func aPathThatHasCarriedSomethingIsGivenAMinute() {
        var watch = PathWatch()
        watch.noteFullLength()
        #expect(statements(&watch, seconds: 1...100) == 61)
    }

    @Test func whatComesIsProof() {
        var watch = PathWatch()
        #expect(statements(&watch, seconds: 1...10) == nil)
        watch.noteFullLength()
        #expect(statements(&watch, seconds: 11...70) == nil)
    }

    /// Short chunks pass, and count.
    @Test func chunksThatAreDoneAreProof() {
        var watch = PathWatch()
        #expect(statements(&watch, seconds: 1...100) { UInt32($0 / 9) } == nil)
    }

    /// A source that pauses sends nothing that could come, and the pause counts for nothing afterwards.
    @Test func silenceOfTheSourceProvesNothing() {
        var watch = PathWatch()
        #expect(statements(&watch, seconds: 1...100, isSending: false) == nil)
        #expect(statements(&watch, seconds: 101...200, isSending: false, isAsking: true) == 111)
    }

    /// What has come is the host's to store, however long that takes.
    @Test func nothingIsProvenWhileNothingIsOwed() {
        var watch = PathWatch()
        #expect(statements(&watch, seconds: 1...5) == nil)
        #expect(statements(&watch, seconds: 6...100, isAsking: true, isOwed: false) == nil)
        #expect(statements(&watch, seconds: 101...200, isAsking: true) == 111)
    }

    /// Few statements in a long time are no proof, as after a suspension.
    @Test func oneStatementIsNoProof() {
        var watch = PathWatch()
        let first = watch.judge(StreamPosition(chunk: 1, packet: 0), isAsking: true, isOwed: true, chunksDone: 0, at: .milliseconds(1_000))
        let second = watch.judge(StreamPosition(chunk: 2, packet: 0), isAsking: true, isOwed: true, chunksDone: 0, at: .milliseconds(1_000_000))
        #expect(!first && !second)
    }

    // MARK: A receiver

    /// Serials of the statements so far are the seconds; false once the receiver has given up.
    private func drain(_ receiver: inout LoneReceiver, seconds: ClosedRange<UInt32>, chunks: UInt32) -> Bool {
        for second in seconds {
            receiver.sleep(.seconds(1))
            receiver.takeDraining(second, chunks: chunks, pages: 1)
            receiver.drain()
            if receiver.engine.state.isFinal { return false }
        }
        return true
    }

    /// A disk that does not answer for two minutes is no path that is too narrow.
    @Test func aReceiverThatLacksNothingWaitsForItsDisk() throws {
        var receiver = LoneReceiver()
        receiver.takeTable(chunks: 3)
        for chunk: UInt32 in 0..<3 { receiver.takeData(chunk) }
        #expect(receiver.assembled.map(\.chunk) == [0, 1, 2])
        let waits = drain(&receiver, seconds: 1...120, chunks: 3)
        #expect(waits && receiver.engine.state == .receiving)
        for (slot, chunk) in receiver.assembled { receiver.engine.handle(.stored(slot: slot, chunk: chunk), at: receiver.now) }
        receiver.drain()
        #expect(receiver.events.contains { if case .commit = $0 { true } else { false } })
    }

    /// Nor is one that holds all slots: the rest cannot be asked for. Once it can, it is owed.
    @Test func aReceiverWithoutAFreeSlotWaitsForItsDisk() {
        var receiver = LoneReceiver { $0.memory.assemblySlots = 2 }
        receiver.takeTable(chunks: 5)
        for chunk: UInt32 in 0..<2 { receiver.takeData(chunk, isRepair: true) }
        #expect(receiver.assembled.map(\.chunk) == [0, 1])
        let waits = drain(&receiver, seconds: 1...120, chunks: 5)
        #expect(waits)
        for (slot, chunk) in receiver.assembled { receiver.engine.handle(.stored(slot: slot, chunk: chunk), at: receiver.now) }
        let waitsForMore = drain(&receiver, seconds: 121...180, chunks: 5)
        let waitsOn = drain(&receiver, seconds: 181...190, chunks: 5)
        #expect(waitsForMore && !waitsOn && receiver.engine.state == .failedPath)
    }
}
