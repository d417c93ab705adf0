import RMCPProtocol

/// Questions to the repair nodes right below, as a watcher asks them: what each holds, and what it has repaired. Asking changes nothing
/// there. So many nodes are asked, and so often, that it costs 60 kb/s at most.
struct NodeInquiry {
    /// Nodes that are asked.
    static let limit = 32
    private static let interval = Interval.seconds(5)
    /// Repairs that a node has made in the end are asked for in the end.
    private static let lastInterval = Interval.seconds(1)

    private let session: SessionID
    private let identity: UInt32
    private var next: Instant
    private var asked: [SocketAddress: (nonce: UInt64, report: WatchReport?)] = [:]

    /// - Parameter identity: an id that is nobody's in the session.
    init(session: SessionID, identity: UInt32, at now: Instant) {
        self.session = session
        self.identity = identity
        next = now
    }

    /// Begins to ask all nodes again.
    /// - Parameter isEnd: true when everything has been sent once.
    /// - Returns: false before it is time to.
    mutating func begin(isEnd: Bool, at now: Instant) -> Bool {
        let interval = isEnd ? Self.lastInterval : Self.interval
        if isEnd { next = min(next, now + interval) }
        guard now >= next else { return false }
        next = now + interval
        return true
    }

    /// A question for the node at `address`, as a datagram.
    mutating func question(to address: SocketAddress) -> [UInt8]? {
        guard asked[address] != nil || asked.count < Self.limit else { return nil }
        let nonce = UInt64.random(in: 0...(.max))
        asked[address] = (nonce, asked[address]?.report)
        return Packet.query(WatchQuery(nonce: nonce)).datagram(sessionTag: session.tag, transmitter: identity)
    }

    /// Takes in an answer.
    /// - Returns: false for whatever is none, which is somebody else's.
    mutating func take(_ datagram: RawSpan, from source: SocketAddress) -> Bool {
        guard !asked.isEmpty, PacketHeader.kind(of: datagram) == .report else { return false }
        guard let question = asked[source], case .report(let report)? = try? Packet.parse(datagram).1, report.session == session,
            report.nonce == question.nonce
        else { return false }
        asked[source]?.report = report
        return true
    }

    /// Words of the node, the last; nil while it has said nothing.
    func report(of address: SocketAddress) -> WatchReport? { asked[address]?.report }
}
