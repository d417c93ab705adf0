import TestSupport
import Testing

@testable import RMCPProtocol

/// What a host says of slots and chunks that it was not given: of another session, twice over, or too late. None of it may be
/// taken for true, and none of it may trap.
@Suite struct HostClaimsTests {
    /// A receiver with a chunk at its host, which has not answered yet.
    private func waiting() -> (session: SessionHarness, slot: Int, chunk: UInt32)? {
        var session = SessionHarness(signer: NoSigner(), receivers: 1)
        session.receivers[0].holdsAssembled = true
        let isWaiting = session.run { !$0.receivers[0].heldBack.isEmpty }
        guard isWaiting, let first = session.receivers[0].heldBack.first else { return nil }
        return (session, first.slot, first.chunk)
    }

    @Test func onlyTheSlotAndChunkThatTheHostWasGivenCount() throws {
        var (session, slot, chunk) = try #require(waiting())
        let now = session.now
        let done = session.receivers[0].engine.chunksDone
        let stray: [StorageEvent] = [
            .stored(slot: slot, chunk: chunk + 1), .stored(slot: slot + 1, chunk: chunk), .stored(slot: -1, chunk: chunk),
            .stored(slot: .max, chunk: chunk), .stored(slot: 95, chunk: 30), .stored(slot: 96, chunk: .max),
            .rejected(slot: slot, chunk: chunk + 1), .rejected(slot: -7, chunk: chunk), .rejected(slot: 95, chunk: chunk),
            .rejected(slot: .max, chunk: .max), .unavailable(slot: -1), .unavailable(slot: 95), .unavailable(slot: .max),
            .storedZeros(0..<Limits.maximumChunks), .storedZeros(0..<UInt32.max), .kept(chunk: chunk), .kept(chunk: .max), .absent(chunk: chunk),
            .damaged(chunk: chunk), .damaged(chunk: .max), .committed,
        ]
        for event in stray {
            let isTaken = session.receivers[0].engine.take(event, at: now)
            #expect(!isTaken, "\(event)")
            #expect(session.receivers[0].engine.chunksDone == done && session.receivers[0].engine.slots[slot].isWithHost, "\(event)")
        }
        #expect(session.receivers[0].engine.counters.strayResults == UInt64(stray.count))
        let isTaken = session.receivers[0].engine.take(.stored(slot: slot, chunk: chunk), at: now)
        let isTakenAgain = session.receivers[0].engine.take(.stored(slot: slot, chunk: chunk), at: now)
        #expect(isTaken && !isTakenAgain && session.receivers[0].engine.chunksDone == done + 1)
    }

    /// The session goes on, and ends with all bytes where they belong, whatever was said of it.
    @Test(arguments: 1...20 as ClosedRange<UInt64>) func aSessionSurvivesAnothersResults(seed: UInt64) {
        var random = RandomSource(seed: seed)
        var session = SessionHarness(signer: NoSigner(), receivers: 2, isResumable: seed % 2 == 0)
        var isOver = false
        for _ in 0..<20_000 where !isOver {
            session.advance()
            if random.chance(0.1) {
                let (slot, chunk) = (random.int(-2...97), UInt32(random.int(0...45)))
                // Its own chunks' results are the harness's to give; of those with the host none is under way here.
                let claims: [StorageEvent] = [
                    .stored(slot: slot, chunk: chunk), .rejected(slot: slot, chunk: chunk), .storedZeros(chunk..<chunk + 9), .kept(chunk: chunk),
                    .absent(chunk: chunk), .committed,
                ]
                session.receivers[0].engine.handle(claims[random.int(0...claims.count - 1)], at: session.now)
            }
            isOver = session.outcome != nil && session.receivers.allSatisfy { $0.outcome != nil }
        }
        #expect(isOver && session.outcome?.kind == .complete && session.isWhole)
    }

    /// Datagrams that waited for a thread and are read at once are no queue, however full the socket was; what stays while it is read is one.
    @Test func batchesThatWaitToBeReadAreNoPressure() {
        var reporter = StatusReporter(sharing: SharedConfiguration(Configuration()), at: .zero)
        func pressure(of shares: [Double]) -> [UInt8] {
            shares.indices.map { index in
                reporter.note(socketShare: shares[index], at: .milliseconds(Int64(index)))
                return reporter.takePressure(queueingDelay: .zero, storageShare: 0).bucket
            }
        }
        #expect(pressure(of: [0.9, 0.6, 0, 0.9, 0.5, 0, 0.9]).allSatisfy { $0 == 0 })
        reporter.note(socketShare: 0, at: .milliseconds(7))
        #expect(pressure(of: [0.9, 0.9, 0.9, 0.3, 0.5, 0]) == [0, 0, 7, 0, 4, 0])
        reporter.note(socketShare: 0.9, at: .milliseconds(10))
        #expect(reporter.urgentTime(storageShare: 0) == nil)
        reporter.note(socketShare: 0.9, at: .milliseconds(12))
        #expect(reporter.urgentTime(storageShare: 0) != nil)
        #expect(reporter.isPressed(storageShare: 0))
    }

    @Test func numbersThatAreNoneAreNone() {
        var session = SessionHarness(signer: NoSigner(), receivers: 1)
        for share in [Double.nan, .infinity, -.infinity, -1, 1e300] { session.receivers[0].engine.handle(.backlog(share: share), at: session.now) }
        for _ in 0..<2 { session.receivers[0].engine.handle(.overflow(datagrams: .max), at: session.now) }
        // What is no failure is none to end with.
        session.receivers[0].engine.handle(.failed(.complete), at: session.now)
        #expect(session.receivers[0].engine.state == .failedStorage)
    }

    /// What was lost while the bundle is being put in place is not there.
    @Test func aBundleThatLostAChunkIsNotComplete() {
        var session = SessionHarness(signer: NoSigner(), receivers: 1)
        session.receivers[0].flushesLong = true
        #expect(session.run { $0.receivers[0].engine.state == .finishing })
        session.receivers[0].engine.handle(.damaged(chunk: 3), at: session.now)
        session.receivers[0].engine.handle(.committed, at: session.now)
        #expect(session.run { $0.receivers[0].outcome != nil })
        #expect(session.receivers[0].outcome == .failedStorage)
    }

    // MARK: The sender's and the repair node's host

    @Test func aSourceSaysOnlyWhatItWasAsked() {
        var sender = SessionHarness(signer: NoSigner(), receivers: 1).sender
        let now = Instant.milliseconds(1)
        sender.handle(.fetched(chunk: 7), at: now)
        sender.handle(.fetched(chunk: .max), at: now)
        #expect(!sender.window.resident.contains(7) && sender.window.resident.count == 0)
        // The host is told that it need not hold them.
        var released: [UInt32] = []
        while let event = sender.pollEvent() { if case .release(let chunk) = event { released.append(chunk) } }
        #expect(released == [7, .max])
        sender.handle(.hole(chunks: -1, contentLength: 8_000), at: now)
        sender.handle(.hole(chunks: .min, contentLength: 8_000), at: now)
        #expect(sender.chunkCount == 0)
        sender.handle(.hole(chunks: .max, contentLength: 8_000), at: now)
        #expect(sender.chunkCount == Limits.maximumChunks)
        sender.handle(.hole(chunks: 1, contentLength: 8_000), at: now)
        sender.handle(.encoded(.zero(contentLength: 8_000)), at: now)
        #expect(sender.chunkCount == Limits.maximumChunks)
    }

    @Test func aRepairNodeHoldsOnlyWhatItHadGivenItsHost() {
        var node = RepairHarness()
        node.beat()
        let now = node.now
        // Nothing is known yet of any chunk.
        let claims: [CacheEvent] = [
            .stored(slot: 0, chunk: 0), .stored(slot: 400, chunk: 2), .stored(slot: -1, chunk: .max), .passed(slot: 3, chunk: 1), .kept(chunk: 2),
            .kept(chunk: .max), .rejected(slot: 9, chunk: 1), .unavailable(slot: 12), .fetched(chunk: 1), .fetched(chunk: .max), .damaged(chunk: 3),
            .absent(chunk: 0),
        ]
        for claim in claims { node.engine.handle(claim, at: now) }
        node.engine.restore(chunk: 2, at: now)
        #expect(node.engine.downstream.heldCount == 0)
        // Records are known, and none of the chunks is with the host.
        for page: UInt32 in 0..<2 { node.hearPage(page) }
        for claim in claims { node.engine.handle(claim, at: now) }
        #expect(node.engine.downstream.heldCount == 0)
        node.hearAll()
        #expect(node.engine.isComplete)
        // A chunk beyond the end makes nothing whole.
        for claim in claims where claim != .damaged(chunk: 3) { node.engine.handle(claim, at: now) }
        #expect(node.engine.isComplete && node.engine.downstream.heldCount == RepairHarness.chunkCount)
    }
}
