import TestSupport
import Testing

@testable import RMCPProtocol

/// A node among datagrams of many sessions and of none.
@Suite struct EndpointTests {
    private let signer = LaneSigner(key: 1)
    private let group = SocketAddress.ipv4(239, 0, 0, 1, port: 17_627)
    private let region = SocketAddress.ipv4(239, 0, 0, 2, port: 17_627)
    private let sender = SocketAddress.ipv4(10, 0, 0, 1, port: 40_000)
    private let start = Instant.zero + .seconds(100)
    private var policy: TrustPolicy { TrustPolicy(trustedKeys: [signer.publicKey], allowsUnsigned: false) }

    private func session(_ tag: UInt32, _ number: UInt64 = 0) -> SessionID { SessionID(high: UInt64(tag) << 32, low: number) }

    private func announce(_ session: SessionID, name: String? = nil, created: UInt64 = 0) -> Announce {
        .sample(name ?? "n\(session.tag)", session: session, creationTime: created, contentLength: 5, key: signer.publicKey)
    }

    private func offer(_ announce: Announce) -> [UInt8] {
        datagram(.announce(announce, signer.signature(for: announce.signedMessage)), tag: announce.session.tag, transmitter: 77)
    }

    private func advertisement(_ region: SocketAddress) -> [UInt8] { datagram(.advertisement(Advertisement(region: region), .none), tag: 0) }

    // MARK: Receivers

    private func receiver(sessions: Int = 8) -> ReceiverEndpoint {
        ReceiverEndpoint(
            directory: SessionDirectory(policy: policy, verifier: LaneVerifier(), sessionLimit: sessions, silence: .seconds(1)), group: group)
    }

    private func handle(_ datagram: [UInt8], _ endpoint: inout ReceiverEndpoint, at now: Instant? = nil, heard: Instant? = nil) -> String {
        let answer = endpoint.handle(datagram.span.bytes, from: sender, at: now ?? start, lastHeard: { _ in heard ?? start })
        switch answer {
        case .session(let tag): return "session \(tag)"
        case .begin(let offer, let superseded): return "begin \(offer.announce.session.tag) of \(offer.transmitter), superseding \(superseded?.tag ?? 0)"
        case .refuse(let announce, let reason): return "refuse \(announce.session.tag): \(reason)"
        case .join(let region): return "join \(region)"
        case .ignore: return "ignore"
        }
    }

    @Test func aSessionBeginsOnceAndItsDatagramsAreItsOwn() {
        var endpoint = receiver()
        var random = RandomSource(seed: 5)
        #expect(handle(datagram(random.packet(of: .heartbeat), tag: 7), &endpoint) == "ignore")
        #expect(handle(offer(announce(session(7))), &endpoint) == "begin 7 of 77, superseding 0")
        for kind in [PacketKind.heartbeat, .page, .data, .end] { #expect(handle(datagram(random.packet(of: kind), tag: 7), &endpoint) == "session 7") }
        #expect(handle(offer(announce(session(7))), &endpoint) == "session 7")
        #expect(handle(offer(announce(session(7, 1))), &endpoint) == "refuse 7: tagInUse")
        endpoint.directory.end(session(7), mayReturn: false)
        #expect(handle(datagram(random.packet(of: .data), tag: 7), &endpoint) == "ignore")
        #expect(handle(offer(announce(session(7))), &endpoint) == "ignore")
    }

    /// ANNOUNCEs of the one who offered the session show what the path carries before there is an engine, and nothing else does.
    @Test func anOfferCountsTheAnnouncesOfItsSender() {
        let announced = announce(session(7))
        var offer = SessionOffer(announce: announced, signature: .none, source: sender, transmitter: 77)
        func note(
            _ length: Int, kind: Packet? = nil, tag: UInt32 = 7, by transmitter: UInt32 = 77, isUnicast: Bool = false, from source: SocketAddress? = nil,
            countsUnicast: Bool = false
        ) -> Int {
            let packet = kind ?? .announce(announced, .none)
            let short = datagram(packet, isUnicast: isUnicast, tag: tag, transmitter: transmitter)
            let sent = datagram(
                packet, isUnicast: isUnicast, tag: tag, transmitter: transmitter, payload: [UInt8](repeating: 0, count: length - short.count))
            offer.note(sent.span.bytes, from: source ?? sender, countsUnicast: countsUnicast)
            return offer.longestDatagram
        }
        #expect(note(500) == 500 && note(1_400) == 1_400 && note(600) == 1_400)
        var random = RandomSource(seed: 3)
        #expect(note(1_500, tag: 8) == 1_400 && note(1_500, by: 78) == 1_400 && note(1_500, isUnicast: true) == 1_400)
        #expect(note(1_500, from: .ipv4(10, 0, 0, 2, port: 40_000)) == 1_400 && note(1_500, kind: random.packet(of: .heartbeat)) == 1_400)
        offer.note([UInt8](repeating: 1, count: 1_500).span.bytes, from: sender)
        #expect(offer.longestDatagram == 1_400)
        #expect(note(1_500, isUnicast: true, countsUnicast: true) == 1_500)
    }

    @Test func aRestartedSendersSessionGivesWay() {
        var endpoint = receiver()
        #expect(handle(offer(announce(session(1), name: "image")), &endpoint).hasPrefix("begin 1"))
        let next = offer(announce(session(2), name: "image"))
        #expect(handle(next, &endpoint, at: start + .milliseconds(900)) == "ignore", "the old sender may be alive")
        #expect(handle(next, &endpoint, at: start + .milliseconds(1_000)) == "begin 2 of 77, superseding 1")
        #expect(endpoint.directory.active.map(\.session) == [session(2)])
    }

    @Test func anAdvertisedRegionIsJoined() {
        var endpoint = receiver()
        #expect(handle(advertisement(region), &endpoint) == "join \(region)")
        #expect(handle(advertisement(region), &endpoint) == "ignore")
        endpoint.regions.noteJoined(region)
        #expect(endpoint.regions.hearsRepairNodes(at: start))
        #expect(handle(advertisement(group), &endpoint) == "ignore")
        // Only what is of no session advertises.
        let other = SocketAddress.ipv4(239, 0, 0, 3, port: 17_627)
        #expect(handle(datagram(.advertisement(Advertisement(region: other), .none), tag: 9), &endpoint) == "ignore")
        #expect(endpoint.regions.joined == [region])
    }

    /// A region of a trusted node is joined by its signed word, and what it has said before is not taken again.
    @Test func onlyTrustedNodesRegionsAreJoined() {
        let (node, stranger) = (LaneSigner(key: 40), LaneSigner(key: 41))
        var policy = policy
        policy.trustedNodes = [node.publicKey]
        var endpoint = ReceiverEndpoint(
            directory: SessionDirectory(policy: policy, verifier: LaneVerifier(), sessionLimit: 4, silence: .seconds(1)), group: group)
        func say(_ time: UInt64, key: LaneSigner, signer: LaneSigner) -> String {
            let advertisement = Advertisement(region: region, time: time, key: key.publicKey)
            return handle(datagram(.advertisement(advertisement, signer.signature(for: advertisement.signedMessage)), tag: 0), &endpoint)
        }
        #expect(handle(advertisement(region), &endpoint) == "ignore")
        #expect(say(5, key: stranger, signer: stranger) == "ignore" && say(5, key: node, signer: stranger) == "ignore")
        #expect(say(5, key: node, signer: node) == "join \(region)")
        endpoint.regions.noteFailed(region, at: start - .seconds(20))
        #expect(say(5, key: node, signer: node) == "ignore" && say(4, key: node, signer: node) == "ignore")
        #expect(say(6, key: node, signer: node) == "join \(region)")
    }

    @Test func whatIsNoDatagramIsCounted() {
        var endpoint = receiver()
        #expect(handle([], &endpoint) == "ignore")
        #expect(handle([1, 2, 3], &endpoint) == "ignore")
        #expect(handle(Array(advertisement(region).dropLast()), &endpoint) == "ignore")
        #expect(handle([UInt8](repeating: 0, count: 40), &endpoint) == "ignore")
        #expect(endpoint.directory.malformed == 2 && endpoint.directory.foreign == 1)
    }

    // MARK: Repair nodes

    private func node(sessions: Int = 4, upstream: SocketAddress? = nil) -> RepairEndpoint {
        RepairEndpoint(
            place: RepairPlace(group: group, region: region, upstream: upstream), policy: policy, verifier: LaneVerifier(), sessionLimit: sessions,
            silence: .seconds(1), identity: 5, at: start)
    }

    private func handle(
        above datagram: [UInt8], _ endpoint: inout RepairEndpoint, at now: Instant? = nil, activity: (SessionID) -> SessionActivity = { _ in SessionActivity() }
    ) -> String {
        switch endpoint.handle(above: datagram.span.bytes, from: sender, at: now ?? start, activity: activity) {
        case .session(let tag): "session \(tag)"
        case .parent(let tag, let transmitter): "parent \(transmitter) of \(tag)"
        case .begin(let offer, let superseded, let evicted):
            "begin \(offer.announce.session.tag), superseding \(superseded?.tag ?? 0), evicting \(evicted?.tag ?? 0)"
        case .refuse(let announce, let reason): "refuse \(announce.session.tag): \(reason)"
        case .join(let region): "join \(region)"
        case .ignore: "ignore"
        }
    }

    private func handle(below datagram: [UInt8], _ endpoint: inout RepairEndpoint) -> String {
        switch endpoint.handle(below: datagram.span.bytes) {
        case .session(let tag): "session \(tag)"
        case .announce(let tag): "announce \(tag)"
        case .ignore: "ignore"
        }
    }

    private func begin(_ tags: ClosedRange<UInt32>, _ endpoint: inout RepairEndpoint) {
        for tag in tags { #expect(handle(above: offer(announce(session(tag))), &endpoint) == "begin \(tag), superseding 0, evicting 0") }
    }

    /// The last place is never taken for long: whoever comes next finds one.
    @Test func theLongestIdleGivesWay() {
        var endpoint = node()
        begin(1...3, &endpoint)
        let idle: (SessionID) -> SessionActivity = { [start] session in
            // The first is of use; the third has been idle for longest.
            session.tag == 1 ? SessionActivity(lastHeard: start) : SessionActivity(idleSince: start - .seconds(Double(session.tag)))
        }
        #expect(handle(above: offer(announce(session(4))), &endpoint, activity: idle) == "begin 4, superseding 0, evicting 3")
        #expect(endpoint.directory.active.map(\.session.tag) == [1, 2, 4])
        // It may return, as long as there is room.
        #expect(handle(above: offer(announce(session(3))), &endpoint) == "begin 3, superseding 0, evicting 0")
        #expect(handle(above: offer(announce(session(5))), &endpoint) == "refuse 5: tooManySessions")
        endpoint.directory.end(session(1), mayReturn: true)
        #expect(handle(above: offer(announce(session(5))), &endpoint, activity: idle) == "begin 5, superseding 0, evicting 4")
    }

    /// All places were taken by sessions of use, and one of them is of no use by now.
    @Test func oneThatBecomesIdleGivesWayToWhoFindsNoPlace() {
        var endpoint = node()
        begin(1...4, &endpoint)
        #expect(handle(above: offer(announce(session(5))), &endpoint) == "refuse 5: tooManySessions")
        let idle: (SessionID) -> SessionActivity = { [start] in $0.tag == 2 ? SessionActivity(idleSince: start) : SessionActivity(lastHeard: start) }
        #expect(handle(above: offer(announce(session(5))), &endpoint, activity: idle) == "begin 5, superseding 0, evicting 2")
        #expect(endpoint.directory.active.map(\.session.tag) == [1, 3, 4, 5])
        #expect(handle(above: offer(announce(session(6))), &endpoint, activity: idle) == "refuse 6: tooManySessions")
        // A session that is refused for another reason has nobody give way.
        var stranger = announce(session(7))
        stranger.key = LaneSigner(key: 9).publicKey
        let allIdle: (SessionID) -> SessionActivity = { [start] _ in SessionActivity(idleSince: start) }
        #expect(handle(above: offer(stranger), &endpoint, activity: allIdle).hasPrefix("refuse 7: untrusted"))
        #expect(endpoint.directory.active.count == 4)
    }

    /// Repeated ANNOUNCEs have no node give up what it holds.
    @Test func whatIsOnlyAnnouncedGivesWayFirst() {
        var endpoint = node()
        begin(1...4, &endpoint)
        let activity: (SessionID) -> SessionActivity = { [start] in
            SessionActivity(idleSince: start - .seconds($0.tag < 4 ? 100 : 1), isAnnouncedOnly: $0.tag >= 4)
        }
        #expect(handle(above: offer(announce(session(5))), &endpoint, activity: activity) == "begin 5, superseding 0, evicting 4")
        #expect(handle(above: offer(announce(session(6))), &endpoint, activity: activity) == "begin 6, superseding 0, evicting 5")
        #expect(endpoint.directory.active.map(\.session.tag) == [1, 2, 3, 6])
    }

    @Test func aSupersededSessionIsNotEvictedBesides() {
        var endpoint = node(sessions: 2)
        #expect(handle(above: offer(announce(session(1), name: "image")), &endpoint).hasPrefix("begin 1"))
        let silent: (SessionID) -> SessionActivity = { [start] _ in SessionActivity(lastHeard: start, idleSince: start) }
        let answer = handle(above: offer(announce(session(2), name: "image")), &endpoint, at: start + .seconds(1), activity: silent)
        #expect(answer == "begin 2, superseding 1, evicting 0")
    }

    @Test func whatGivesWayToOthersInTheCacheDoesNotReturn() {
        var endpoint = node()
        begin(1...2, &endpoint)
        let none = endpoint.makeRoomInCache { _ in SessionActivity() }
        #expect(none == nil)
        let given = endpoint.makeRoomInCache { [start] in SessionActivity(idleSince: $0.tag == 2 ? start : nil) }
        #expect(given == session(2))
        #expect(handle(above: offer(announce(session(2))), &endpoint) == "ignore")
    }

    @Test func whoAsksIsToldOfOneSessionInTurn() {
        var endpoint = node()
        let question = datagram(.solicitation, isUnicast: true, tag: 0)
        #expect(handle(below: question, &endpoint) == "ignore")
        begin(1...3, &endpoint)
        let six = (0..<6).map { _ in handle(below: question, &endpoint) }.sorted()
        #expect(six == [1, 1, 2, 2, 3, 3].map { "announce \($0)" })
        endpoint.directory.end(session(2), mayReturn: true)
        let four = (0..<4).map { _ in handle(below: question, &endpoint) }.sorted()
        #expect(four == [1, 1, 3, 3].map { "announce \($0)" })
    }

    @Test func whatComesFromBelowIsForItsSession() {
        var endpoint = node()
        begin(1...1, &endpoint)
        var random = RandomSource(seed: 5)
        for kind in [PacketKind.nak, .status, .attach, .detach] { #expect(handle(below: datagram(random.packet(of: kind), tag: 1), &endpoint) == "session 1") }
        #expect(handle(below: datagram(random.packet(of: .nak), tag: 2), &endpoint) == "ignore")
        // Sessions come from above alone, and so do regions.
        #expect(handle(below: offer(announce(session(3))), &endpoint) == "ignore")
        #expect(handle(below: advertisement(.ipv4(239, 0, 0, 3, port: 1)), &endpoint) == "ignore")
        #expect(handle(below: [1], &endpoint) == "ignore")
    }

    /// Whoever may say that it is a relay's parent has what the sender signed.
    @Test func aRelaysParentShowsByAnAuthenticAnnounce() {
        var relay = node(upstream: sender)
        begin(1...1, &relay)
        let known = announce(session(1))
        #expect(handle(above: offer(known), &relay) == "parent 77 of 1")
        var shorter = known
        shorter.payloadLength = 476
        #expect(handle(above: offer(shorter), &relay) == "parent 77 of 1")
        #expect(handle(above: datagram(.announce(shorter, signer.signature(for: known.signedMessage)), tag: 1), &relay) == "session 1")
        // Once it has a parent its engine takes everything.
        let heard: (SessionID) -> SessionActivity = { [start] _ in SessionActivity(lastHeard: start) }
        #expect(handle(above: offer(known), &relay, activity: heard) == "session 1")
        // Who is above any other node shows by a HEARTBEAT.
        var repair = node()
        begin(1...1, &repair)
        #expect(handle(above: offer(known), &repair) == "session 1")
    }

    private func said(_ endpoint: inout RepairEndpoint, at now: Instant) -> [String] {
        endpoint.handleTimeout(at: now)
        var said: [String] = []
        while let outgoing = endpoint.pollTransmit() {
            switch outgoing {
            case .advertisement(let bytes, let to):
                guard case .advertisement(let what, _)? = try? parse(bytes).1 else { continue }
                said.append("\(what.region) to \(to)")
            case .solicitation(let bytes, let to):
                guard case .solicitation? = try? parse(bytes).1 else { continue }
                said.append("question to \(to)")
            }
        }
        return said
    }

    @Test func aRegionIsAdvertisedTwiceASecond() {
        var endpoint = node()
        #expect(said(&endpoint, at: start) == ["\(region) to \(group)"])
        #expect(endpoint.pollTimeout() == start + .milliseconds(500))
        #expect(said(&endpoint, at: start + .milliseconds(499)) == [])
        #expect(said(&endpoint, at: start + .milliseconds(500)).count == 1)
        endpoint.stop()
        #expect(said(&endpoint, at: start + .seconds(9)) == [] && endpoint.pollTimeout() == .distantFuture)
        #expect(handle(above: offer(announce(session(1))), &endpoint) == "ignore", "nothing begins any more")
        #expect(endpoint.directory.active.isEmpty)
    }

    @Test func aRelayAsksItsParent() {
        var relay = node(upstream: sender)
        #expect(said(&relay, at: start) == ["\(region) to \(group)", "question to \(sender)"])
        // Where it relays into the group itself there is nothing to advertise, and it listens to no region.
        var plain = RepairEndpoint(
            place: RepairPlace(group: group, region: group, upstream: sender), policy: policy, verifier: LaneVerifier(), sessionLimit: 4,
            silence: .seconds(1), identity: 5, at: start)
        #expect(said(&plain, at: start) == ["question to \(sender)"])
        #expect(handle(above: advertisement(region), &plain) == "ignore")
    }

    @Test func aCachesSessionsAreTakenUpWhereTheyAreTheNewestAndBelieved() {
        func kept(_ tag: UInt32, name: String, created: UInt64, by key: LaneSigner? = nil) -> (announce: Announce, signature: Signature) {
            var announce = announce(session(tag), name: name, created: created)
            announce.key = (key ?? signer).publicKey
            return (announce, (key ?? signer).signature(for: announce.signedMessage))
        }
        var endpoint = node(sessions: 8)
        var forged = kept(4, name: "d", created: 1)
        forged.announce.name = "e"
        let all = [
            kept(1, name: "a", created: 1), kept(2, name: "b", created: 2), kept(3, name: "c", created: 3, by: LaneSigner(key: 9)), forged,
            kept(5, name: "a", created: 2), kept(6, name: "f", created: 1),
        ]
        // The newer "a" is beyond those that are taken up at once; the older one is not offered for all that.
        #expect(endpoint.takeUp(all).map(\.announce.session.tag) == [2])
        #expect(endpoint.directory.active.map(\.session.tag) == [2])
        #expect(
            handle(above: offer(announce(session(8), name: "b", created: 1)), &endpoint)
                == "refuse 8: \(SessionRefusal.rollback(newest: BundleVersion(time: 2)))")
    }

    /// A tag has one session, whatever two senders have drawn.
    @Test func ofTwoKeptSessionsOfOneTagTheLastUsedIsServed() {
        func kept(_ session: SessionID, name: String) -> (announce: Announce, signature: Signature) {
            let announce = announce(session, name: name, created: 1)
            return (announce, signer.signature(for: announce.signedMessage))
        }
        var endpoint = node(sessions: 8)
        let all = [kept(session(1, 7), name: "a"), kept(session(1, 8), name: "b"), kept(session(2), name: "c")]
        #expect(endpoint.takeUp(all).map(\.announce.name) == ["a", "c"])
        #expect(endpoint.directory.active.map(\.session) == [session(1, 7), session(2)])
    }
}
