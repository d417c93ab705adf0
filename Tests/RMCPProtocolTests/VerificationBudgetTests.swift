import Synchronization
import TestSupport
import Testing

@testable import RMCPProtocol

/// Counts what it is asked.
private final class CountingVerifier: MessageVerifier {
    private let asked = Atomic(0)
    var count: Int { asked.load(ordering: .relaxed) }

    func isValid(_ signature: Signature, for message: [UInt8], by key: PublicKey) -> Bool {
        asked.add(1, ordering: .relaxed)
        return LaneVerifier().isValid(signature, for: message, by: key)
    }
}

@Suite struct VerificationBudgetTests {
    private static let parent = SocketAddress.ipv4(10, 0, 0, 1, port: 4_000)
    private static let liar = SocketAddress.ipv4(10, 0, 0, 2, port: 4_000)
    private static let signer = LaneSigner(key: 5)
    private let verifier = CountingVerifier()
    private let announce = Announce.sample("budget", kind: .stream, contentLength: nil, key: signer.publicKey)

    private func receiver() -> ReceiverEngine {
        ReceiverEngine(
            identity: 1_000, configuration: Configuration(), announce: announce, source: Self.parent, transmitter: 7, isResumable: false,
            verifier: verifier, digest: LaneDigest(), seed: 3, at: .zero)
    }

    private func statement(_ serial: UInt32, signature: Signature? = nil) -> Packet {
        let statement = Statement(
            serial: serial, transmitter: 7, sequence: 0, phase: .streaming, hasEnd: false, position: .start, pageCount: 0, horizon: 10,
            pace: StatedPace(groupRoundTrip: 1_000, statusInterval: 100))
        return .statement(statement, signature ?? Self.signer.signature(for: statement.signedMessage(session: announce.session)))
    }

    private func say(_ packet: Packet, from source: SocketAddress, as transmitter: UInt32 = 7, to receiver: inout ReceiverEngine, at now: Instant) {
        let bytes = datagram(packet, tag: announce.session.tag, transmitter: transmitter, sequence: 0)
        _ = receiver.handle(datagram: bytes.span.bytes, arrival: Arrival(source: source, at: now), at: now)
    }

    /// A thousand forged statements in a tenth of a second, under as many ids as the liar likes and the sender's own: few are looked at,
    /// and the sender's is among them.
    @Test func aFloodHidesNothingOfTheSender() {
        var receiver = receiver()
        say(statement(1), from: Self.parent, to: &receiver, at: .milliseconds(1))
        #expect(verifier.count == 1)
        for number in 0..<1_000 as Range<UInt32> {
            let now = Instant.milliseconds(2 + Int64(number) / 10)
            say(statement(1_000 + number, signature: Signature.none), from: Self.liar, as: number % 2 == 0 ? 7 : number, to: &receiver, at: now)
        }
        #expect((2...40).contains(verifier.count))
        say(statement(2), from: Self.parent, to: &receiver, at: .milliseconds(103))
        #expect(receiver.limits.statement?.serial == 2)
    }

    /// Signed words may come as fast as they like.
    @Test func whatIsGoodIsNotHeldBack() {
        var receiver = receiver()
        for serial in 1...500 as ClosedRange<UInt32> { say(statement(serial), from: Self.parent, to: &receiver, at: .milliseconds(1)) }
        #expect(receiver.limits.statement?.serial == 500)
    }

    /// In the sender's own name and address, which anybody on the group can write: the sender's word is taken when the allowance refills.
    @Test func aFloodInTheSendersNameIsBounded() {
        var receiver = receiver()
        say(statement(1), from: Self.parent, to: &receiver, at: .milliseconds(1))
        for number in 0..<1_000 as Range<UInt32> {
            say(statement(1_000 + number, signature: Signature.none), from: Self.parent, to: &receiver, at: .milliseconds(2))
        }
        #expect(verifier.count <= 1 + 11 && receiver.counters.forged + receiver.counters.unverified == 1_000)
        say(statement(2), from: Self.parent, to: &receiver, at: .milliseconds(2 + 20))
        #expect(receiver.limits.statement?.serial == 2)
    }

    /// A forged page that says it has 4,096 holes is refused by its signature; what is wrong in it is found only if the signature is good.
    @Test func aPagesRecordsAreReadAfterItsSignature() {
        var receiver = receiver()
        let holes = TablePage(index: 0, firstChunk: 0, records: Array(repeating: .zero(contentLength: announce.chunkLength), count: 4_096))
        var body = holes.body
        // More holes than a page may have.
        body[body.count - 4] = 1
        say(.page(holes, body: body, .none), from: Self.liar, to: &receiver, at: .milliseconds(1))
        #expect(receiver.counters.forged == 1 && receiver.counters.malformed == 0)
        let signature = Self.signer.signature(for: TablePage.signedMessage(session: announce.session, body: body))
        say(.page(holes, body: body, signature), from: Self.parent, to: &receiver, at: .milliseconds(2))
        #expect(receiver.counters.forged == 1 && receiver.counters.malformed == 1)
        #expect(receiver.ledger.pageCount == 0)
    }

    /// Neither ANNOUNCEs in the name of a trusted key nor replays of what is here already take more than their share, and those of keys
    /// that nobody trusts take nothing.
    @Test func announcesHaveABudget() {
        var directory = SessionDirectory(
            policy: TrustPolicy(trustedKeys: [Self.signer.publicKey], allowsUnsigned: false), verifier: verifier, sessionLimit: 8,
            silence: .seconds(1))
        func judge(_ number: UInt64, by key: LaneSigner, isForged: Bool, from source: SocketAddress, at now: Instant) -> Bool {
            let offer = Announce.sample("n\(number)", session: SessionID(high: number << 32, low: 1), contentLength: 5, key: key.publicKey)
            let signature = isForged ? Signature.none : key.signature(for: offer.signedMessage)
            let bytes = datagram(.announce(offer, signature), tag: offer.session.tag, transmitter: UInt32(number), sequence: 0)
            let verdict = directory.judge(bytes.span.bytes, from: source, at: now, lastHeard: { _ in now })
            if case .accept = verdict { return true }
            return false
        }
        let stranger = LaneSigner(key: 6)
        for number in 1...100 as ClosedRange<UInt64> { #expect(!judge(number, by: stranger, isForged: false, from: Self.liar, at: .milliseconds(1))) }
        #expect(verifier.count == 0)
        for number in 1...1_000 as ClosedRange<UInt64> { #expect(!judge(number, by: Self.signer, isForged: true, from: Self.liar, at: .milliseconds(1))) }
        #expect((1...11).contains(verifier.count))
        #expect(judge(2_000, by: Self.signer, isForged: false, from: Self.parent, at: .milliseconds(1)))
    }
}
