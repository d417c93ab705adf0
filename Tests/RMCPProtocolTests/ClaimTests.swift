import TestSupport
import Testing

@testable import RMCPProtocol

/// Unsigned claims about what was sent, held against what the sender signs.
@Suite struct ClaimTests {
    private func statement(
        _ serial: UInt32, chunk: UInt32, pages: UInt32 = 0, hasEnd: Bool = false, horizon: UInt32, phase: SessionPhase = .streaming
    ) -> Statement {
        Statement(
            serial: serial, transmitter: 7, sequence: 1, phase: phase, hasEnd: hasEnd, position: StreamPosition(chunk: chunk, packet: 0), pageCount: pages,
            horizon: horizon, pace: StatedPace(groupRoundTrip: 20_000, statusInterval: 100))
    }

    private func take(_ statement: Statement, by receiver: inout LoneReceiver, signer: LaneSigner = LoneReceiver.signer) {
        receiver.now = receiver.now + .milliseconds(100)
        receiver.take(.statement(statement, signer.signature(for: statement.signedMessage(session: receiver.announce.session))))
    }

    @Test func aStatementTakesBackWhatWasClaimed() {
        var receiver = LoneReceiver()
        take(statement(1, chunk: 2, horizon: 20), by: &receiver)
        #expect(receiver.engine.knownFront == StreamPosition(chunk: 2, packet: 0))
        receiver.takeHeartbeat(chunk: 1_000_000, pages: 900_000, hasEnd: true)
        // The front goes as far as the sender has let anybody go.
        #expect(receiver.engine.knownFront == StreamPosition(chunk: 20, packet: 0))
        #expect(receiver.engine.ledger.sentPages == 18 && receiver.engine.ledger.lacksEnd)
        #expect(receiver.engine.slots.usedCount == 18)
        take(statement(2, chunk: 3, pages: 1, horizon: 21), by: &receiver)
        #expect(receiver.engine.knownFront == StreamPosition(chunk: 3, packet: 0))
        #expect(receiver.engine.ledger.sentPages == 1 && !receiver.engine.ledger.lacksEnd)
        // Chunks of which nothing came are not waited for.
        #expect(receiver.engine.slots.usedCount == 1)
    }

    /// A liar is not believed again, nor is anybody else, for some time; the stream goes on.
    @Test func aLieIsRemembered() {
        var receiver = LoneReceiver()
        take(statement(1, chunk: 2, horizon: 20), by: &receiver)
        receiver.takeHeartbeat(chunk: 10, pages: 0)
        take(statement(2, chunk: 3, horizon: 20), by: &receiver)
        receiver.takeHeartbeat(chunk: 10, pages: 5, hasEnd: true)
        #expect(receiver.engine.knownFront == StreamPosition(chunk: 3, packet: 0))
        #expect(receiver.engine.ledger.sentPages == 0 && !receiver.engine.ledger.lacksEnd)
        take(statement(3, chunk: 9, pages: 2, horizon: 30), by: &receiver)
        #expect(receiver.engine.knownFront == StreamPosition(chunk: 9, packet: 0) && receiver.engine.ledger.sentPages == 2)
        receiver.now = receiver.now + .seconds(11)
        receiver.takeHeartbeat(chunk: 12, pages: 3)
        #expect(receiver.engine.knownFront == StreamPosition(chunk: 12, packet: 0) && receiver.engine.ledger.sentPages == 3)
    }

    @Test func onlyTheSenderStates() {
        var receiver = LoneReceiver()
        take(statement(1, chunk: 5, horizon: 20), by: &receiver, signer: LaneSigner(key: 6))
        #expect(receiver.engine.knownFront == nil && receiver.engine.counters.forged == 1)
        take(statement(2, chunk: 5, horizon: 20), by: &receiver)
        // One from before says nothing.
        take(statement(1, chunk: 2, horizon: 9), by: &receiver)
        #expect(receiver.engine.knownFront == StreamPosition(chunk: 5, packet: 0))
        // A statement that a repair node repeats was true when it was said: it bounds, and tells nothing of the front.
        var repeated = statement(3, chunk: 4, horizon: 25)
        repeated.transmitter = 8
        take(repeated, by: &receiver)
        #expect(receiver.engine.knownFront == StreamPosition(chunk: 5, packet: 0) && receiver.engine.limits.chunks == 25)
    }

    /// Anybody could say it where nothing is signed.
    @Test func anUnsignedSessionHasNoStatements() {
        var session = SessionHarness(signer: NoSigner(), receivers: 1) { $0.rate.fixedRate = 1_000_000 }
        session.isRecording = true
        #expect(session.run { $0.receivers[0].engine.chunksDone > 4 })
        #expect(session.recorded[.statement] == nil)
        var forged = statement(.max, chunk: 0, horizon: 0, phase: .leaving)
        forged.transmitter = session.sender.transmitterID
        session.receivers[0].take(session.forged(.statement(forged, .none)), at: session.now)
        let isDone = session.run { $0.outcome != nil && $0.receivers[0].outcome != nil }
        #expect(isDone && session.isWhole && session.outcome?.kind == .complete)
    }

    /// Forged statements cost eleven verifications at once, and fifty a second.
    @Test func verificationsAreBounded() {
        var receiver = LoneReceiver()
        receiver.now = receiver.now + .seconds(10)
        for serial in UInt32(1)..<10_000 {
            let forged = statement(serial, chunk: 5, horizon: 20)
            receiver.take(.statement(forged, .none))
        }
        #expect(receiver.engine.counters.forged <= 11)
        receiver.now = receiver.now + .milliseconds(20)
        receiver.take(
            .statement(
                statement(1, chunk: 5, horizon: 20),
                LoneReceiver.signer.signature(for: statement(1, chunk: 5, horizon: 20).signedMessage(session: receiver.announce.session))))
        #expect(receiver.engine.knownFront == StreamPosition(chunk: 5, packet: 0))
    }

    /// The table is signed: once END is here, nobody makes a receiver ask for pages that it does not count.
    @Test func endBoundsThePages() {
        var receiver = LoneReceiver()
        receiver.takePage(0, chunks: 0..<2)
        receiver.takeEnd(chunks: 4, pages: 2)
        receiver.takeHeartbeat(chunk: 511, pages: 7, hasEnd: true)
        #expect(receiver.engine.ledger.sentPages == 2 && receiver.engine.knownFront == StreamPosition(chunk: 4, packet: 0))
        let asked = receiver.run(for: .seconds(2)).requests
        #expect(!asked.isEmpty && asked.allSatisfy { request in request.pages.allSatisfy { $0.upperBound <= 2 } })
    }

    /// No packet of a chunk that the sender has not come to is taken.
    @Test func nothingIsPutTogetherBeyondTheHorizon() {
        var receiver = LoneReceiver()
        take(statement(1, chunk: 2, horizon: 20), by: &receiver)
        for chunk in [UInt32(19), 20, 1_000] {
            let header = DataHeader(chunk: chunk, packet: 0, isRepair: true)
            let bytes = datagram(.data(header, payloadOffset: 24), tag: receiver.announce.session.tag, transmitter: 7, payload: [1])
            let placement = receiver.engine.handle(
                datagram: bytes.span.bytes, arrival: Arrival(source: LoneReceiver.source, at: receiver.now), at: receiver.now)
            #expect((placement != nil) == (chunk == 19))
        }
    }

    /// A parent that signs that it leaves need not be silent first.
    @Test func aSignedEndIsBelievedAtOnce() {
        var receiver = LoneReceiver()
        receiver.takeHeartbeat(chunk: 0, pages: 0)
        take(statement(1, chunk: 2, horizon: 20, phase: .leaving), by: &receiver)
        _ = receiver.run(for: .milliseconds(10))
        #expect(receiver.engine.state == .failedSender)
    }

    // MARK: The sender

    /// Statements of the sender, as they go by.
    private final class Signed {
        var last: Statement?
        var count = 0
        var isCovered = true

        func note(_ packet: Packet, sequence: UInt32) {
            switch packet {
            case .statement(let statement, _):
                let isNews = statement.serial == (last?.serial ?? 0) + 1 && statement.position >= last?.position ?? .start
                isCovered = isCovered && isNews && statement.sequence <= sequence
                last = statement
                count += 1
            case .data(let data, _) where !data.isRepair: isCovered = isCovered && data.chunk < last?.horizon ?? 0
            default: break
            }
        }
    }

    /// No packet is sent for the first time that the last statement does not cover.
    @Test func theSenderSignsBeforeItGoesOn() {
        var session = SessionHarness(signer: LoneReceiver.signer, receivers: 1, chunks: 200) { $0.packets.firstSequence = 0 }
        let signed = Signed()
        session.delivers = { _, bytes in
            if let (header, packet) = try? parse(bytes) { signed.note(packet, sequence: header.sequence) }
            return true
        }
        let isDone = session.run { $0.outcome != nil }
        #expect(isDone && session.outcome?.kind == .complete && session.isWhole)
        // Statements come by the clock, at each change of phase, and each time that the stream has come to the horizon.
        #expect(signed.isCovered && signed.count >= 6 && signed.last?.hasEnd == true)
    }

    /// The reach of a statement doubles for a stream that has used up the one before.
    @Test func theHorizonFollowsTheStream() {
        var schedule = StatementSchedule(session: SessionID(high: 1, low: 2), signer: LoneReceiver.signer)
        func sign(_ chunk: UInt32, isDue: Bool, _ schedule: inout StatementSchedule) -> UInt32 {
            _ = schedule.sign(
                StreamPosition(chunk: chunk, packet: 0), pages: 0, hasEnd: false, phase: .streaming, transmitter: 7, sequence: 1,
                pace: StatedPace(groupRoundTrip: 1, statusInterval: 1), isDue: isDue)
            return schedule.last?.statement.horizon ?? 0
        }
        #expect(!schedule.covers(0))
        #expect(sign(0, isDue: true, &schedule) == 64 && schedule.covers(63) && !schedule.covers(64))
        #expect(sign(64, isDue: false, &schedule) == 64 + 128)
        #expect(sign(192, isDue: false, &schedule) == 192 + 256)
        // The horizon comes nearer again as the stream slows down, down to the least.
        #expect(sign(212, isDue: true, &schedule) == 212 + 80)
        #expect(sign(213, isDue: true, &schedule) == 213 + 64)
        #expect(sign(Limits.maximumChunks - 1, isDue: true, &schedule) == Limits.maximumChunks)
    }
}
