import TestSupport
import Testing

@testable import RMCPProtocol

/// Who may be sent a stream at an address: whoever has heard what was sent there, and nobody in its name.
@Suite struct CookieTests {
    private let home = SocketAddress.ipv4(10, 0, 0, 7, port: 5_000)
    private let elsewhere = SocketAddress.ipv4(10, 0, 0, 8, port: 5_000)
    private let now = Instant.milliseconds(5)

    private func sender(_ change: (inout Configuration) -> Void = { _ in }) -> SenderEngine {
        SessionHarness(signer: LaneSigner(key: 5), receivers: 1, change: change).sender
    }

    private func tell(_ sender: inout SenderEngine, _ packet: Packet, child: UInt32 = 1_000, from source: SocketAddress) {
        let sent = datagram(packet, isUnicast: true, tag: sender.session.tag, transmitter: child)
        sender.handle(datagram: sent.span.bytes, from: source, at: now)
    }

    private func answers(_ sender: inout SenderEngine, to address: SocketAddress) -> [Packet] {
        var result: [Packet] = []
        while let transmit = sender.pollTransmit(at: now) {
            guard case .datagram(let bytes, .peer(address)) = transmit, let packet = try? parse(bytes).1 else { continue }
            result.append(packet)
        }
        return result
    }

    private func attach(
        _ sender: inout SenderEngine, child: UInt32 = 1_000, from source: SocketAddress, wantsStream: Bool = false
    ) -> AttachAnswer? {
        tell(&sender, .attach(AttachRequest(nonce: 77, wantsStream: wantsStream)), child: child, from: source)
        for case .attached(let answer) in answers(&sender, to: source) { return answer }
        return nil
    }

    private func report(
        _ cookie: UInt64, state: ReceiverState = .receiving, isDeaf: Bool = false, wantsStream: Bool = false
    ) -> Packet {
        .status(
            StatusReport(
                echo: .none, longestDatagram: 1_400, isDeaf: isDeaf, wantsStream: wantsStream, cookie: cookie,
                histogram: StatusHistogram(LeafStatus(state: state, progress: 0, network: nil))))
    }

    @Test func aCookieIsTheAddresssOwn() throws {
        var sender = sender()
        let first = try #require(attach(&sender, from: home))
        #expect(first.verdict == .accepted && first.nonce == 77 && first.cookie != 0)
        // Nothing is kept for those who only ask; asking again brings the same.
        #expect(sender.childCount == 0)
        #expect(attach(&sender, child: 2_000, from: home)?.cookie == first.cookie)
        var addresses = [elsewhere, SocketAddress.ipv4(10, 0, 0, 7, port: 5_001)]
        addresses.append(SocketAddress(family: .ipv6, high: home.high, low: home.low, port: home.port))
        for address in addresses { #expect(attach(&sender, from: address)?.cookie != first.cookie) }
        // Another session's parent gives another one: it cannot be made by who knows how.
        let other = SenderEngine(
            configuration: sender.configuration, announce: sender.announce, signer: LaneSigner(key: 5), digest: LaneDigest(), seed: 8, at: now)
        #expect(other.cookie(for: home) != first.cookie)
    }

    /// Ids that stand in every header tell of the seed to who tries all that are possible: no number that comes of it may be the secret.
    @Test func noCookieFollowsFromTheIDs() {
        let (seed, host) = (UInt64(7), home)
        func sender(_ secret: CookieSecret) -> SenderEngine {
            SenderEngine(
                configuration: Configuration(), announce: .sample("image", contentLength: 0), signer: LaneSigner(key: 5), digest: LaneDigest(), seed: seed,
                secret: secret, at: now)
        }
        func node(_ secret: CookieSecret, above: UInt64) -> RepairEngine {
            RepairEngine(
                identity: 500, announce: RepairHarness.announce, signature: .none, mode: .repair, configuration: Configuration(), verifier: LaneVerifier(),
                digest: LaneDigest(), seed: seed, upstream: RandomSource(seed: above), secret: secret, at: now)
        }
        func expect(_ first: SenderEngine, _ second: SenderEngine) {
            #expect(first.transmitterID == second.transmitterID && first.nextSequence == second.nextSequence)
            #expect(first.cookie(for: host) != second.cookie(for: host))
            var random = RandomSource(seed: seed)
            for _ in 0..<1_000 {
                var guess = random
                _ = random.next()
                let cookies = AddressCookies(secret: CookieSecret(using: &guess), digest: LaneDigest())
                #expect(cookies.cookie(for: host) != first.cookie(for: host))
            }
        }
        expect(sender(CookieSecret(of: 1)), sender(CookieSecret(of: 2)))
        expect(node(CookieSecret(of: 1), above: 1).downstream, node(CookieSecret(of: 2), above: 2).downstream)
    }

    @Test(arguments: [true, false]) func onlyWhoShowsItsOwnCookieIsServed(wantsStream: Bool) throws {
        var sender = sender()
        let cookie = try #require(attach(&sender, from: home)).cookie
        func report(_ cookie: UInt64) -> Packet { self.report(cookie, isDeaf: !wantsStream, wantsStream: wantsStream) }
        for wrong in [0, 1, cookie ^ 2, .max] {
            tell(&sender, report(wrong), from: home)
            #expect(sender.unicastChildren.isEmpty, "with \(wrong)")
        }
        // Somebody else's cookie, in the name of another address.
        tell(&sender, report(cookie), from: elsewhere)
        #expect(sender.unicastChildren.isEmpty && sender.children.address(of: ChildName(1_000, at: home)) == nil)
        tell(&sender, report(cookie), from: home)
        #expect(sender.unicastChildren.map(\.address) == [home] && sender.unicastChildren.first?.isRelay == wantsStream)
        #expect(sender.children.address(of: ChildName(1_000, at: home)) == home)
        // It hears the group again, or is done.
        tell(&sender, self.report(cookie), from: home)
        #expect(sender.unicastChildren.isEmpty)
        tell(&sender, report(cookie), from: home)
        #expect(sender.unicastChildren.count == 1)
        tell(&sender, self.report(cookie, state: .complete, isDeaf: !wantsStream, wantsStream: wantsStream), from: home)
        #expect(sender.unicastChildren.isEmpty)
    }

    /// A child whose address has changed shows a cookie that is not its new address's. It is told, and nobody else is.
    @Test func aChildThatHasMovedIsToldSo() throws {
        var sender = sender()
        let cookie = try #require(attach(&sender, from: home)).cookie
        // Who shows none is not told anything.
        tell(&sender, report(0), from: elsewhere)
        #expect(answers(&sender, to: elsewhere).isEmpty && sender.childCount == 0)
        tell(&sender, report(cookie), from: home)
        tell(&sender, report(cookie), from: elsewhere)
        #expect(answers(&sender, to: elsewhere) == [.attached(AttachAnswer(nonce: cookie, verdict: .moved, cookie: 0))])
        #expect(sender.children.address(of: ChildName(1_000, at: home)) == home)
        let other = try #require(attach(&sender, from: elsewhere)).cookie
        tell(&sender, report(other), from: elsewhere)
        #expect(sender.children.address(of: ChildName(1_000, at: elsewhere)) == elsewhere && sender.childCount == 1)
    }

    @Test func whoFindsNoRoomIsToldSo() throws {
        var sender = sender { $0.memory.maximumChildren = 1 }
        tell(&sender, report(sender.cookie(for: home)), child: 1_000, from: home)
        let refused = try #require(attach(&sender, child: 2_000, from: elsewhere))
        #expect(refused.verdict == .full && refused.cookie == 0)
        // Who is in may still prove its address.
        #expect(attach(&sender, child: 1_000, from: home)?.verdict == .accepted)
    }

    @Test func onlySoManyStreamsAreGiven() throws {
        var sender = sender { $0.unicast.maximumUnicastChildren = 1 }
        let cookie = try #require(attach(&sender, from: home, wantsStream: true)).cookie
        tell(&sender, report(cookie, wantsStream: true), from: home)
        let refused = try #require(attach(&sender, child: 2_000, from: elsewhere, wantsStream: true))
        #expect(refused.verdict == .noUnicast && refused.cookie == 0)
        // Not that it would help to have a cookie.
        let other = try #require(attach(&sender, child: 2_000, from: elsewhere))
        #expect(other.verdict == .accepted)
        tell(&sender, report(other.cookie, wantsStream: true), child: 2_000, from: elsewhere)
        #expect(sender.unicastChildren.map(\.name) == [ChildName(1_000, at: home)])
        #expect(attach(&sender, from: home, wantsStream: true)?.verdict == .accepted)
    }

    @Test func onlyTheChildTakesItselfOffTheBooks() throws {
        var sender = sender()
        let cookie = try #require(attach(&sender, from: home)).cookie
        tell(&sender, report(cookie, isDeaf: true), from: home)
        for (wrong, source) in [(0, elsewhere), (cookie, elsewhere), (0, home), (cookie ^ 2, home)] as [(UInt64, SocketAddress)] {
            tell(&sender, .detach(cookie: wrong), from: source)
            #expect(sender.childCount == 1 && answers(&sender, to: source).isEmpty)
        }
        tell(&sender, .detach(cookie: cookie), from: home)
        #expect(sender.childCount == 0 && sender.unicastChildren.isEmpty)
        #expect(answers(&sender, to: home) == [.acknowledgement(sequence: 0x090A_0B0C)])
        // Its confirmation was lost: it asks again.
        tell(&sender, .detach(cookie: cookie), from: home)
        #expect(answers(&sender, to: home) == [.acknowledgement(sequence: 0x090A_0B0C)])
    }

    /// Whoever has an address of its own has a cookie: another child's id does not go with it.
    @Test func aCookieOfOnesOwnTakesNobodyElseOffTheBooks() throws {
        var sender = sender()
        let cookie = try #require(attach(&sender, from: home)).cookie
        let forged = try #require(attach(&sender, from: elsewhere)).cookie
        tell(&sender, report(cookie), from: home)
        tell(&sender, .detach(cookie: forged), from: elsewhere)
        #expect(sender.childCount == 1 && answers(&sender, to: elsewhere).isEmpty)
    }

    @Test func aSolicitationIsAnsweredWhereItCameFrom() throws {
        var sender = sender()
        sender.handle(datagram: datagram(.solicitation, isUnicast: true, tag: 0, transmitter: 0).span.bytes, from: home, at: now)
        guard case .announce(let announce, _)? = answers(&sender, to: home).first else { throw WireError.unknownKind }
        #expect(announce == sender.announce)
    }
}
