import DequeModule

/// Datagrams that a receiver has to send, and their destinations, in order.
struct Outbox: Sendable {
    private struct Outgoing: Sendable {
        var packet: Packet
        var destination: SocketAddress
    }

    private var queue: Deque<Outgoing> = []
    /// Sequence of the next datagram, from a random number on: a node that has not heard a STATUS or DETACH cannot acknowledge it.
    private var nextSequence: UInt32
    private let transmitter: UInt32
    private let sessionTag: UInt32

    init(from transmitter: UInt32, in session: SessionID, firstSequence: UInt32) {
        self.transmitter = transmitter
        sessionTag = session.tag
        nextSequence = firstSequence
    }

    var isEmpty: Bool { queue.isEmpty }
    var count: Int { queue.count }
    /// The number of what is added next.
    var upcomingSequence: UInt32 { nextSequence &+ UInt32(queue.count) }

    mutating func add(_ packet: Packet, to destination: SocketAddress) { queue.append(Outgoing(packet: packet, destination: destination)) }

    /// Bytes that hold the longest of each.
    private static let capacityOfNAK = 1_400
    /// Bytes: room for a STATUS of one receiver, and for what is shorter.
    private static let capacity = 128

    /// The next datagram, and the unicast address that it goes to.
    mutating func next() -> (bytes: [UInt8], destination: SocketAddress)? {
        guard let next = queue.popFirst() else { return nil }
        let capacity = if case .nak = next.packet { Self.capacityOfNAK } else { Self.capacity }
        var writer = ByteWriter(capacity: capacity)
        PacketHeader(kind: PacketKind(of: next.packet), isUnicast: true, sessionTag: sessionTag, transmitter: transmitter, sequence: nextSequence)
            .write(to: &writer)
        nextSequence &+= 1
        writer.write(next.packet)
        return (writer.bytes, next.destination)
    }
}
