import DequeModule

/// Control packets that wait to be sent. What single peers are told waits apart, so that no flood of questions pushes out what the
/// group must hear. At the limit the oldest is dropped, an answer before a HEARTBEAT or an NCF: control repeats.
struct ControlQueue: Sendable {
    private var group: Deque<Packet> = []
    private var peers: Deque<(Packet, SocketAddress)> = []
    private let limit: Int

    init(configuration: Configuration) { limit = configuration.memory.maximumControlQueue }

    var isEmpty: Bool { group.isEmpty && peers.isEmpty }
    var groupCount: Int { group.count }
    var peerCount: Int { peers.count }

    mutating func append(_ packet: Packet, to destination: Destination) {
        switch destination {
        case .group:
            if group.count >= limit { group.removeFirst() }
            group.append(packet)
        case .peer(let address):
            if peers.count >= limit { peers.remove(at: peers.firstIndex { Self.isAnswer($0.0) } ?? 0) }
            peers.append((packet, address))
        }
    }

    /// Whether it tells somebody what was asked, who will ask again; strangers ask as often as they like.
    private static func isAnswer(_ packet: Packet) -> Bool {
        switch packet {
        case .announce, .attached, .acknowledgement, .report: true
        default: false
        }
    }

    /// The group's go first.
    mutating func next() -> (packet: Packet, destination: Destination)? {
        if let packet = group.popFirst() { return (packet, .group) }
        return peers.popFirst().map { ($0, .peer($1)) }
    }
}
