import TestSupport
import Testing

@testable import RMCPProtocol

/// Repair nodes that prove themselves, and those who take no others.
@Suite struct PlaceTests {
    private static let node = LaneSigner(key: 40)
    private static let stranger = LaneSigner(key: 41)
    private static let nodeID: UInt32 = 500
    private static let home = SocketAddress.ipv4(10, 0, 0, 5, port: 17_627)
    private static let elsewhere = SocketAddress.ipv4(10, 9, 9, 9, port: 9)
    /// What the parent of `LoneReceiver` says it is.
    private static let sender: UInt32 = 7

    private func place(_ serial: UInt32, statement: UInt32 = 1, key: PublicKey = node.publicKey, phase: SessionPhase = .streaming) -> NodePlace {
        NodePlace(
            key: key, serial: serial, statement: statement, child: 499, transmitter: Self.nodeID, phase: phase,
            pace: StatedPace(groupRoundTrip: 8_000, statusInterval: 40), place: TreePlace(path: [Self.sender], timeToLive: 8, watermark: 1 << 20))
    }

    private func receiver() -> LoneReceiver { LoneReceiver { $0.tree.trustedNodes = [Self.node.publicKey] } }

    /// A statement of the sender: what proves it.
    private func state(_ serial: UInt32, to receiver: inout LoneReceiver, as transmitter: UInt32 = sender) {
        let statement = Statement(
            serial: serial, transmitter: transmitter, sequence: 0, phase: .streaming, hasEnd: false, position: StreamPosition(chunk: 4, packet: 0),
            pageCount: 1, horizon: 20,
            pace: StatedPace(groupRoundTrip: 2_000, statusInterval: 10))
        receiver.take(.statement(statement, LoneReceiver.signer.signature(for: statement.signedMessage(session: receiver.announce.session))))
    }

    private func say(
        _ place: NodePlace, to receiver: inout LoneReceiver, by signer: LaneSigner = node, from source: SocketAddress = home, timeToLive: UInt8? = 8,
        toGroup: Bool? = nil
    ) {
        let isToGroup = toGroup ?? (timeToLive != nil)
        let signature = signer.signature(for: place.signedMessage(session: receiver.announce.session, cookie: 0))
        let bytes = datagram(
            .place(place, signature), isUnicast: !isToGroup, tag: receiver.announce.session.tag, transmitter: place.transmitter, sequence: 0)
        let arrival = Arrival(source: source, toGroup: isToGroup, timeToLive: timeToLive, at: receiver.now)
        _ = receiver.engine.handle(datagram: bytes.span.bytes, arrival: arrival, at: receiver.now)
    }

    private func beat(_ transmitter: UInt32, to receiver: inout LoneReceiver, from source: SocketAddress, path: [UInt32] = [sender]) {
        let heartbeat = Heartbeat.sample(statusInterval: 10, place: TreePlace(path: path, timeToLive: 8))
        let bytes = datagram(.heartbeat(heartbeat), tag: receiver.announce.session.tag, transmitter: transmitter, sequence: 0)
        _ = receiver.engine.handle(
            datagram: bytes.span.bytes, arrival: Arrival(source: source, timeToLive: 8, at: receiver.now), at: receiver.now)
    }

    private func candidate(_ receiver: LoneReceiver) -> ParentCandidate? { receiver.engine.link.candidates[Self.nodeID] }

    @Test func whoSignsNothingIsNoParent() {
        var receiver = receiver()
        state(1, to: &receiver)
        beat(Self.nodeID, to: &receiver, from: Self.home)
        beat(600, to: &receiver, from: Self.elsewhere, path: [])
        #expect(candidate(receiver) == nil && receiver.engine.link.candidates[600] == nil)
        say(place(1), to: &receiver)
        #expect(candidate(receiver)?.address == Self.home && candidate(receiver)?.place?.path == [Self.sender])
        #expect(receiver.engine.link.isAdmitted(candidate(receiver)!, at: receiver.now))
        // For three and a half seconds.
        #expect(!receiver.engine.link.isAdmitted(candidate(receiver)!, at: receiver.now + .milliseconds(3_500)))
    }

    @Test func onlyTrustedKeysAndGoodSignaturesCount() {
        var receiver = receiver()
        state(1, to: &receiver)
        say(place(1), to: &receiver, by: Self.stranger)
        #expect(candidate(receiver) == nil && receiver.engine.counters.forged == 1)
        for serial: UInt32 in 1...3 { say(place(serial, key: Self.stranger.publicKey), to: &receiver, by: Self.stranger) }
        var told: [PublicKey] = []
        while let event = receiver.engine.pollEvent() { if case .untrusted(let key) = event { told.append(key) } }
        #expect(candidate(receiver) == nil && told == [Self.stranger.publicKey], "\(told)")
        // Of another session, or for a parent.
        var other = place(1)
        let bytes = datagram(
            .place(other, Self.node.signature(for: other.signedMessage(session: receiver.announce.session, cookie: 9))),
            tag: receiver.announce.session.tag, transmitter: Self.nodeID, sequence: 0)
        _ = receiver.engine.handle(datagram: bytes.span.bytes, arrival: Arrival(source: Self.home, timeToLive: 8, at: receiver.now), at: receiver.now)
        other.transmitter = 501
        #expect(candidate(receiver) == nil && receiver.engine.counters.forged == 2)
    }

    /// A copy is as good as the original, and comes later.
    @Test func aCopyFromElsewhereMovesNothing() {
        var receiver = receiver()
        state(1, to: &receiver)
        say(place(1), to: &receiver)
        say(place(1), to: &receiver, from: Self.elsewhere)
        beat(Self.nodeID, to: &receiver, from: Self.elsewhere, path: [1, 2, 3])
        #expect(candidate(receiver)?.address == Self.home && candidate(receiver)?.place?.path == [Self.sender])
        // By unicast it may even come first.
        receiver.now = receiver.now + .milliseconds(500)
        say(place(2), to: &receiver, from: Self.elsewhere, timeToLive: nil)
        #expect(candidate(receiver)?.address == Self.home)
        // The node itself may move.
        say(place(3), to: &receiver, from: Self.elsewhere)
        #expect(candidate(receiver)?.address == Self.elsewhere)
        // To the group counts as that, also where the time to live is not known; how far away it is stays as it was known.
        let hops = candidate(receiver)?.hops
        say(place(4), to: &receiver, from: Self.home, timeToLive: nil, toGroup: true)
        #expect(candidate(receiver)?.address == Self.home && hops != nil && candidate(receiver)?.hops == hops)
        say(place(5), to: &receiver, from: Self.elsewhere)
        // A word that it has said before is not taken again.
        say(place(2), to: &receiver)
        #expect(candidate(receiver)?.address == Self.elsewhere)
    }

    /// Nobody knows a number of the sender's before the sender has signed it: a recording is old after six seconds.
    @Test func recordedPlacesAreOld() {
        var receiver = receiver()
        for second in 0..<8 as Range<UInt32> {
            state(second + 1, to: &receiver)
            receiver.now = receiver.now + .seconds(1)
        }
        say(place(1, statement: 2), to: &receiver)
        #expect(candidate(receiver) == nil)
        say(place(1, statement: 7), to: &receiver)
        #expect(candidate(receiver) != nil)
        // Nothing is newer when the sender has gone.
        var late = self.receiver()
        state(8, to: &late)
        late.now = late.now + .seconds(20)
        say(place(1, statement: 0), to: &late)
        #expect(candidate(late) != nil)
    }

    @Test func aNodeMayLeaveByItsSignedWord() {
        var receiver = receiver()
        state(1, to: &receiver)
        say(place(1), to: &receiver)
        say(place(2, phase: .leaving), to: &receiver)
        #expect(receiver.engine.link.candidates.hasLeft(Self.nodeID, at: receiver.now))
    }

    /// The source of an ANNOUNCE need not be its sender: it is asked and told nothing before that is clear.
    @Test func nobodyIsToldBeforeTheSenderIsKnown() {
        var receiver = receiver()
        receiver.takeHeartbeat(chunk: 0, pages: 0)
        let before = receiver.run(for: .seconds(3)) { $0.takeHeartbeat(chunk: 4, pages: 1) }
        #expect(before.reports.isEmpty && before.requests.isEmpty)
        state(1, to: &receiver)
        let after = receiver.run(for: .seconds(1)) { $0.takeHeartbeat(chunk: 4, pages: 1) }
        #expect(!after.reports.isEmpty && !after.requests.isEmpty)
    }

    /// Another id says that it is the sender, without the option, too.
    @Test(arguments: [true, false]) func theSenderIsWhoSignsAsTheSender(isLimited: Bool) {
        var receiver = isLimited ? receiver() : LoneReceiver()
        if !isLimited {
            beat(600, to: &receiver, from: Self.elsewhere, path: [])
            #expect(receiver.engine.link.candidates.isRoot(600))
        }
        state(1, to: &receiver)
        beat(600, to: &receiver, from: Self.elsewhere, path: [])
        #expect(!receiver.engine.link.candidates.isRoot(600))
    }

    // MARK: Below a parent

    private func sender(trusting keys: Set<PublicKey>?) -> SenderEngine {
        var configuration = Configuration()
        configuration.tree.trustedNodes = keys
        return SenderEngine(
            configuration: configuration, announce: .sample("sums", contentLength: 80_000, key: LoneReceiver.signer.publicKey), signer: LoneReceiver.signer,
            digest: LaneDigest(), verifier: LaneVerifier(), seed: 1, at: .zero)
    }

    private func sum(_ cookie: UInt64) -> Packet {
        var histogram = StatusHistogram(LeafStatus(state: .receiving, progress: 1, network: nil))
        histogram.states[Int(ReceiverState.receiving.rawValue)] = 10
        histogram.tree.repairNodes = 1
        return .status(StatusReport(echo: .none, longestDatagram: 1_400, cookie: cookie, histogram: histogram))
    }

    private func tell(_ sender: inout SenderEngine, _ packet: Packet, as child: UInt32 = 499, from source: SocketAddress = home, at now: Instant) {
        let sent = datagram(packet, isUnicast: true, tag: sender.session.tag, transmitter: child)
        sender.handle(datagram: sent.span.bytes, from: source, at: now)
    }

    private func proof(
        _ serial: UInt32, for sender: SenderEngine, cookie: UInt64? = nil, path: [UInt32]? = nil, signer: LaneSigner = node
    ) -> Packet {
        var place = place(serial, key: signer.publicKey)
        place.place.path = path ?? [sender.transmitterID]
        let cookie = cookie ?? sender.cookie(for: Self.home)
        return .place(place, signer.signature(for: place.signedMessage(session: sender.session, cookie: cookie)))
    }

    @Test func sumsOfTrustedNodesAreCounted() {
        var sender = sender(trusting: [Self.node.publicKey])
        let cookie = sender.cookie(for: Self.home)
        let now = Instant.milliseconds(5)
        tell(&sender, sum(cookie), at: now)
        #expect(sender.receivers.population == 0 && sender.counters.unproven == 1)
        tell(&sender, proof(1, for: sender), at: now)
        tell(&sender, sum(cookie), at: now)
        #expect(sender.receivers.population == 10)
        // It has to show again and again who it is; an old word shows nothing.
        let later = now + sender.childTimeout
        tell(&sender, proof(1, for: sender), at: later)
        let before = sender.counters.statusesReceived
        tell(&sender, sum(cookie), at: later)
        #expect(sender.counters.statusesReceived == before)
        tell(&sender, proof(2, for: sender), at: later)
        tell(&sender, sum(cookie), at: later)
        #expect(sender.counters.statusesReceived == before + 1)
    }

    /// The cookie is not on the wire: who has copied the node's word has another one, and who has lured the node has another id.
    @Test func aCopiedProofIsNone() {
        var sender = sender(trusting: [Self.node.publicKey])
        let now = Instant.milliseconds(5)
        let cookie = sender.cookie(for: Self.elsewhere)
        tell(&sender, proof(1, for: sender), from: Self.elsewhere, at: now)
        tell(&sender, proof(1, for: sender, cookie: 0), from: Self.elsewhere, at: now)
        tell(&sender, proof(1, for: sender, cookie: cookie, path: [8]), from: Self.elsewhere, at: now)
        tell(&sender, proof(1, for: sender, cookie: cookie), as: 498, from: Self.elsewhere, at: now)
        tell(&sender, proof(1, for: sender, cookie: cookie, signer: Self.stranger), from: Self.elsewhere, at: now)
        for child: UInt32 in [498, 499] { tell(&sender, sum(cookie), as: child, from: Self.elsewhere, at: now) }
        #expect(sender.receivers.population == 0 && sender.childCount == 0)
    }

    @Test func anUntrustedNodeIsTold() {
        var sender = sender(trusting: [Self.node.publicKey])
        let now = Instant.milliseconds(5)
        tell(&sender, proof(1, for: sender, signer: Self.stranger), at: now)
        var answers: [AttachAnswer] = []
        while let transmit = sender.pollTransmit(at: now) {
            if case .datagram(let bytes, .peer(Self.home)) = transmit, case .attached(let answer)? = try? parse(bytes).1 { answers.append(answer) }
        }
        #expect(answers == [AttachAnswer(nonce: sender.cookie(for: Self.home), verdict: .untrusted, cookie: 0)])
        // Its receivers, and itself as one, come to whoever asks.
        var anybody = self.sender(trusting: nil)
        tell(&anybody, sum(anybody.cookie(for: Self.home)), at: now)
        #expect(anybody.receivers.population == 10)
    }

    // MARK: At the node

    @Test func aNodeSaysWhoItIsToItsRegionAndToItsParent() throws {
        var node = RepairHarness(signer: Self.node)
        node.hearAll()
        node.run(.seconds(3))
        let places = node.passedOn.compactMap { if case .place(let place, let signature) = $0.packet { (place, signature, $0.to) } else { nil } }
        let serials = Set(places.map(\.0.serial))
        #expect(places.count > serials.count, "newcomers hear the last one again")
        #expect((3...5).contains(serials.count) && places.allSatisfy { $0.2 == .group && $0.0.place.path == [RepairHarness.senderID] }, "\(serials)")
        let session = RepairHarness.announce.session
        #expect(places.allSatisfy { LaneVerifier().isValid($0.1, for: $0.0.signedMessage(session: session, cookie: 0), by: Self.node.publicKey) })
        // The parent is told before anything else that the node, which it has taken, says.
        let said = node.said.map(\.packet)
        let first = try #require(said.firstIndex { if case .place = $0 { true } else { false } })
        let status = try #require(said.firstIndex { if case .status = $0 { true } else { false } })
        #expect(first < status)
        let proofs = said.compactMap { if case .place(let place, let signature) = $0 { (place, signature) } else { nil } }
        #expect((3...4).contains(proofs.count), "\(proofs.count)")
        #expect(proofs.allSatisfy { LaneVerifier().isValid($0.1, for: $0.0.signedMessage(session: session, cookie: 9), by: Self.node.publicKey) })
    }
}
