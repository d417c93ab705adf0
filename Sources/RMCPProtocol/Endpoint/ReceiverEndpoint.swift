/// A receiver's dealings with datagrams of all sessions and of none: whose they are, which sessions begin, what gives way
/// to them, and which regions are listened to. It has neither engines nor sockets: whoever drives it has.
///
/// ```
///   datagram ──▶ engine of its tag? ──yes──▶ ReceiverEngine.handle
///                     │ no
///                     ▼
///              ReceiverEndpoint.handle ──▶ .begin, .refuse, .join, .session, .ignore
/// ```
///
/// A driver tells it when a session is over (`directory.end`) and what became of a region that was to be joined
/// (`regions.noteJoined`, `regions.noteFailed`).
public struct ReceiverEndpoint: Sendable {
    /// Meaning of a datagram, by which the driver goes on with it.
    public enum Answer: Sendable {
        /// The datagram is of the session with this tag, which is under way: its engine's, if there is one already.
        case session(UInt32)
        /// A session that has not been seen: make an engine for it. `superseding` is over, and gives way to it.
        case begin(SessionOffer, superseding: SessionID?)
        /// Said once for each session.
        case refuse(Announce, SessionRefusal)
        /// A repair node serves in this group: listen to it.
        case join(SocketAddress)
        /// Known, over, refused before, or no datagram of this protocol.
        case ignore
    }

    /// Sessions that are taken part in, were, and must not be.
    public var directory: SessionDirectory
    /// Groups that are listened to beside the one that the user named.
    public var regions: RegionTable
    /// Reporter to senders of sessions that are refused; nil at repair nodes. A driver sends what it says.
    public var refusals: RefusalReporter?

    /// - Parameter group: the one that is listened to; nil where nothing is expected by multicast.
    public init(directory: SessionDirectory, group: SocketAddress?, refusals: RefusalReporter? = nil) {
        self.directory = directory
        self.refusals = refusals
        regions = RegionTable(group: group)
    }

    /// Takes a datagram for which the driver has no engine.
    /// - Parameters:
    ///   - lastHeard: when the sender of a session that is under way was last heard; nil when never.
    ///   - canMakeRoom: as `SessionDirectory.judge`.
    ///   - identity: the id that this receiver would have in a session; nil draws one.
    public mutating func handle(
        _ datagram: RawSpan, from source: SocketAddress, at now: Instant, lastHeard: (SessionID) -> Instant?,
        canMakeRoom: () -> Bool = { false }, identity: (SessionID) -> UInt32? = { _ in nil }
    ) -> Answer {
        if let header = try? PacketHeader(of: datagram), let answer = answer(to: datagram, header, from: source, at: now) { return answer }
        switch directory.judge(datagram, from: source, at: now, lastHeard: lastHeard, canMakeRoom: canMakeRoom) {
        case .ignore: return .ignore
        case .refuse(let announce, let refusal, let isNew):
            if let reason = refusal.reason { refusals?.note(announce.session, reason, from: source, identity: identity(announce.session), at: now) }
            return isNew ? .refuse(announce, refusal) : .ignore
        case .accept(let announce, let superseded):
            guard let (header, packet) = try? Packet.parse(datagram), case .announce(_, let signature) = packet else { return .ignore }
            let offer = SessionOffer(announce: announce, signature: signature, source: source, transmitter: header.transmitter)
            return .begin(offer, superseding: superseded)
        }
    }

    /// Nil when the directory has to judge.
    private mutating func answer(to datagram: RawSpan, _ header: PacketHeader, from source: SocketAddress, at now: Instant) -> Answer? {
        switch header.kind {
        case .advertisement:
            guard header.sessionTag == 0, case .advertisement(let advertisement, let signature)? = try? Packet.parse(datagram).1
            else { return nil }
            let origin = VerificationBudget.Origin(source: source, transmitter: header.transmitter)
            guard directory.take(advertisement, signature, origin, at: now) else { return .ignore }
            return regions.noteAdvertised(advertisement.region, at: now) ? .join(advertisement.region) : .ignore
        case .announce:
            guard let known = directory.announce(ofTag: header.sessionTag), case .announce(let announce, _)? = try? Packet.parse(datagram).1,
                announce.session == known.session
            else { return nil }
            return .session(header.sessionTag)
        default:
            if directory.isUnderWay(header.sessionTag) { return .session(header.sessionTag) }
            return refusals?.handle(datagram, header, at: now) == true ? .ignore : nil
        }
    }
}
