import Testing

@testable import RMCPProtocol

@Suite struct PathWatchTests {
    /// A statement each second, each of them one chunk further.
    private func statements(
        _ watch: inout PathWatch, seconds: ClosedRange<Int64>, isSending: Bool = true, isAsking: Bool = false, done: (Int64) -> UInt32 = { _ in 0 }
    ) -> Int64? {
        seconds.first { second in
            let position = StreamPosition(chunk: isSending ? UInt32(second) : 1, packet: 0)
            return watch.judge(position, isAsking: isAsking, chunksDone: done(second), at: .milliseconds(second * 1_000))
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

    /// A source that pauses sends nothing that could come.
    @Test func silenceOfTheSourceProvesNothing() {
        var watch = PathWatch()
        #expect(statements(&watch, seconds: 1...100, isSending: false) == nil)
        #expect(statements(&watch, seconds: 101...200, isSending: false, isAsking: true) == 105)
    }

    /// Few statements in a long time are no proof, as after a suspension.
    @Test func oneStatementIsNoProof() {
        var watch = PathWatch()
        let first = watch.judge(StreamPosition(chunk: 1, packet: 0), isAsking: true, chunksDone: 0, at: .milliseconds(1_000))
        let second = watch.judge(StreamPosition(chunk: 2, packet: 0), isAsking: true, chunksDone: 0, at: .milliseconds(1_000_000))
        #expect(!first && !second)
    }
}
