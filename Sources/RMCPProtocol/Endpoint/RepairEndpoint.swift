/// Where a repair node is in the network.
public struct RepairPlace: Sendable {
    /// The group from which sessions come, and in which the region is advertised.
    public var group: SocketAddress
    /// The group in which the node repairs, or relays.
    public var region: SocketAddress
    /// A relay's parent, which is asked what there is; nil at other repair nodes.
    public var upstream: SocketAddress?

    public init(group: SocketAddress, region: SocketAddress, upstream: SocketAddress? = nil) {
        self.group = group
        self.region = region
        self.upstream = upstream
    }

    /// A relay has a parent that its user has named; any other node repairs.
    public var mode: RepairEngine.Mode { upstream == nil ? .repair : .relay }
}

/// A repair node's dealings with datagrams of all sessions and of none: towards parents it is a receiver, and
/// towards children it answers who asks what there is and says where it repairs. Sessions are served as long as there is
/// room for others; then the one that was longest of no use to anybody gives way.
///
/// What comes to the sockets towards parents goes to `handle(above:)`, what comes to the socket of the region to
/// `handle(below:)`, both unless the driver has an engine for the tag. What is for an engine that `awaitsParent` comes
/// here, too, since a relay's parent shows by its ANNOUNCE.
public struct RepairEndpoint: Sendable {
    /// How often a repair node advertises its region, and a relay asks what there is: a receiver that joins waits no
    /// longer than the sender's shortest wait for receivers.
    public static let advertisementInterval = Interval.milliseconds(500)

    /// Meaning of a datagram from above.
    public enum Above: Sendable {
        /// The datagram is of the session with this tag, which is under way: its engine's, if there is one already.
        case session(UInt32)
        /// The datagram is of a relay's session that has nobody above, and says who may be: for `RepairEngine.handleAnnounce`, and then
        /// like any other.
        case parent(UInt32, transmitter: UInt32)
        /// A session that has not been seen: make an engine for it. `superseding` and `evicting` are over, and give way.
        case begin(SessionOffer, superseding: SessionID?, evicting: SessionID?)
        /// Said once for each session.
        case refuse(Announce, SessionRefusal)
        /// Another repair node serves in this group: listen to it.
        case join(SocketAddress)
        /// Datagram of a session that is known, over, refused before or put off, or of none; or the node is stopping.
        case ignore
    }

    /// Meaning of a datagram from below.
    public enum Below: Sendable {
        /// The datagram is of the session with this tag, which is under way: its engine's, if there is one already.
        case session(UInt32)
        /// Somebody asks what there is: tell of the session with this tag.
        case announce(UInt32)
        /// Datagram of no session here that asks for nothing; or there is no session to tell of.
        case ignore
    }

    /// Datagrams of the endpoint itself.
    public enum Outgoing: Sendable {
        /// To the group, from the region's socket.
        case advertisement([UInt8], to: SocketAddress)
        /// To the parent of a relay, from the socket towards parents.
        case solicitation([UInt8], to: SocketAddress)
    }

    public let place: RepairPlace
    /// Nil at a node without a key.
    private let signer: (any MessageSigner)?
    /// Milliseconds since 1970: the time in the last advertisement.
    private var advertisedTime: UInt64 = 0
    private var receiver: ReceiverEndpoint
    private let sessionLimit: Int
    /// Ephemeral id, for datagrams of no session.
    private let identity: UInt32
    private var nextAdvertisement: Instant
    private var owesAdvertisement = false
    private var owesSolicitation = false
    /// Index of the session that was last told of to somebody who asked.
    private var turn = 0
    private var isStopping = false

    /// - Parameters:
    ///   - policy: whom the node believes.
    ///   - signer: the node's own key; nil where it does not sign its advertisements.
    ///   - sessionLimit: sessions at one time, at least 2.
    ///   - silence: a sender that has not been heard for this long is taken for dead when another one offers the same.
    ///   - identity: ephemeral, not 0.
    public init(
        place: RepairPlace, policy: TrustPolicy, signer: (any MessageSigner)? = nil, verifier: any MessageVerifier, sessionLimit: Int, silence: Interval,
        identity: UInt32, at now: Instant
    ) {
        self.place = place
        self.signer = signer
        self.sessionLimit = sessionLimit
        self.identity = identity
        nextAdvertisement = now
        receiver = ReceiverEndpoint(
            directory: SessionDirectory(policy: policy, verifier: verifier, sessionLimit: sessionLimit, silence: silence),
            group: place.upstream == nil ? place.group : nil)
    }

    /// Sessions, as of `ReceiverEndpoint`.
    public var directory: SessionDirectory {
        _read { yield receiver.directory }
        _modify { yield &receiver.directory }
    }
    /// Regions of other nodes, as of `ReceiverEndpoint`; none at a relay, which joins nothing.
    public var regions: RegionTable {
        _read { yield receiver.regions }
        _modify { yield &receiver.regions }
    }

    // MARK: Above

    /// Takes a datagram from above for which the driver has no engine, or one that `awaitsParent`.
    /// - Parameter activity: how a session that is under way stands.
    public mutating func handle(
        above datagram: RawSpan, from source: SocketAddress, at now: Instant, activity: (SessionID) -> SessionActivity
    ) -> Above {
        let others = directory.active
        let answer = receiver.handle(
            datagram, from: source, at: now, lastHeard: { activity($0).lastHeard }, canMakeRoom: { Self.longestIdle(of: others, activity) != nil })
        switch answer {
        case .ignore: return .ignore
        case .join(let region): return .join(region)
        case .refuse(let announce, let reason): return .refuse(announce, reason)
        case .session(let tag):
            guard let transmitter = parent(in: datagram, from: source, ofTag: tag, at: now, activity) else { return .session(tag) }
            return .parent(tag, transmitter: transmitter)
        case .begin(let offer, let superseded):
            guard !isStopping else {
                directory.end(offer.announce.session, mayReturn: true)
                return .ignore
            }
            // One place stays free for whoever comes next, where one can: a session is refused where all are of use.
            let isCrowded = directory.active.count >= sessionLimit
            let staying = others.filter { $0.session != superseded }
            // Sessions that are only announced give way first: else whoever repeats ANNOUNCEs would have the node give up what it holds.
            let evicted =
                isCrowded
                ? Self.longestIdle(of: staying.filter { activity($0.session).isAnnouncedOnly }, activity) ?? Self.longestIdle(of: staying, activity) : nil
            if let evicted { directory.end(evicted, mayReturn: true) }
            return .begin(offer, superseding: superseded, evicting: evicted)
        }
    }

    /// Transmitter that announces a relay's session that has nobody above; nil when it is not that, or not authentic.
    private mutating func parent(
        in datagram: RawSpan, from source: SocketAddress, ofTag tag: UInt32, at now: Instant, _ activity: (SessionID) -> SessionActivity
    ) -> UInt32? {
        guard place.mode == .relay, PacketHeader.kind(of: datagram) == .announce, let known = directory.announce(ofTag: tag),
            activity(known.session).lastHeard == nil, let (header, packet) = try? Packet.parse(datagram),
            case .announce(let announce, let signature) = packet, announce.key == known.key
        else { return nil }
        // A sender that has settled on shorter datagrams since then has signed another ANNOUNCE.
        let origin = VerificationBudget.Origin(source: source, transmitter: header.transmitter)
        let isAuthentic = announce == known || announce.isSigned && directory.verify(announce, signature, origin, at: now)
        return isAuthentic ? header.transmitter : nil
    }

    // MARK: Below

    /// Takes a datagram that came to the region's socket and for which the driver has no engine.
    public mutating func handle(below datagram: RawSpan) -> Below {
        let header: PacketHeader
        do throws(WireError) { header = try PacketHeader(of: datagram) } catch {
            directory.note(error)
            return .ignore
        }
        if directory.isUnderWay(header.sessionTag) { return .session(header.sessionTag) }
        guard header.kind == .solicitation, header.sessionTag == 0, !directory.active.isEmpty,
            case .solicitation? = try? Packet.parse(datagram).1
        else { return .ignore }
        // One session is told with each question, in turn, so that the answer is no longer than the question.
        turn = (turn + 1) % directory.active.count
        return .announce(directory.active[turn].session.tag)
    }

    // MARK: Sessions that give way

    /// Gives up a session that is of no use to anybody just now, since others need its room in the cache.
    /// - Returns: the one that was longest so, which is over; nil when there is none.
    public mutating func makeRoomInCache(activity: (SessionID) -> SessionActivity) -> SessionID? {
        guard let oldest = Self.longestIdle(of: directory.active, activity) else { return nil }
        // It would be fetched anew from whoever else offers it.
        directory.end(oldest, mayReturn: false)
        return oldest
    }

    private static func longestIdle(of sessions: [Announce], _ activity: (SessionID) -> SessionActivity) -> SessionID? {
        let idle = sessions.compactMap { entry in activity(entry.session).idleSince.map { (session: entry.session, since: $0) } }
        return idle.min { $0.since < $1.since }?.session
    }

    /// Sessions of a cache that are served from the start: of the first half as many as there is room for,
    /// those that are still believed and of which there is no newer version. Nobody should be offered an older one.
    /// - Parameters:
    ///   - kept: the last used first.
    ///   - latest: milliseconds since 1970; what a sender made whose clock is further ahead outdates nothing.
    public mutating func takeUp(
        _ kept: [(announce: Announce, signature: Signature)], notAfter latest: UInt64 = .max
    ) -> [(announce: Announce, signature: Signature)] {
        var served: [(announce: Announce, signature: Signature)] = []
        // Datagrams tell sessions apart by their tags: of two with the same one the last used is served.
        for entry in kept.prefix(sessionLimit / 2) where !directory.isUnderWay(entry.announce.session.tag) {
            guard directory.believes(entry.announce, entry.signature), !isOutdated(entry.announce, by: kept, notAfter: latest) else { continue }
            directory.adopt(entry.announce)
            directory.noteVersion(of: entry.announce, notAfter: latest)
            served.append(entry)
        }
        return served
    }

    private func isOutdated(_ announce: Announce, by kept: [(announce: Announce, signature: Signature)], notAfter latest: UInt64) -> Bool {
        kept.contains {
            BundleIdentity($0.announce) == BundleIdentity(announce) && $0.announce.version > announce.version && $0.announce.creationTime <= latest
        }
    }

    /// Nothing begins any more, and nothing is advertised.
    public mutating func stop() { isStopping = true }

    // MARK: What is said

    /// When `handleTimeout` is due.
    public func pollTimeout() -> Instant { isStopping ? .distantFuture : nextAdvertisement }

    /// Puts an advertisement, or a relay's SOLICITATION, up for `pollTransmit`. Does nothing before the time of `pollTimeout`.
    public mutating func handleTimeout(at now: Instant) {
        guard now >= pollTimeout() else { return }
        nextAdvertisement = now + Self.advertisementInterval
        owesAdvertisement = place.region != place.group
        owesSolicitation = place.upstream != nil
    }

    /// - Parameter time: milliseconds since 1970, by the host's clock.
    public mutating func pollTransmit(time: @autoclosure () -> UInt64 = 0) -> Outgoing? {
        if owesAdvertisement {
            owesAdvertisement = false
            // The time goes on where the clock goes back.
            advertisedTime = max(time(), advertisedTime + 1)
            let advertisement = Advertisement(region: place.region, time: advertisedTime, key: signer?.publicKey ?? .none)
            let packet = Packet.advertisement(advertisement, signer?.signature(for: advertisement.signedMessage) ?? .none)
            return .advertisement(packet.datagram(sessionTag: 0, transmitter: identity, isUnicast: false), to: place.group)
        }
        guard owesSolicitation, let upstream = place.upstream else { return nil }
        owesSolicitation = false
        return .solicitation(Packet.solicitation.datagram(sessionTag: 0, transmitter: identity), to: upstream)
    }
}
