/// A datagram's destination.
public enum Destination: Hashable, Sendable {
    /// The session's group.
    case group
    /// One address. The datagram has the unicast flag, and a number that is not in the group's sequence.
    case peer(SocketAddress)

    /// Without a comparison of addresses, which each packet's header would pay for.
    var isGroup: Bool { if case .group = self { true } else { false } }
}

/// A transmission that an engine wants put on the wire next.
public enum Transmit: Sendable {
    /// A control packet, complete.
    case datagram([UInt8], Destination)
    /// DATA packets of one chunk: the host writes the headers and gathers the payload from the chunk.
    case data(DataBatch)
}

/// Packets of one chunk that go out back to back, as one segmentation-offload send: all of one length, but for the
/// chunk's last packet, which can only stand at the end.
public struct DataBatch: Sendable {
    /// The kernel's own limit on segments in one send.
    public static let capacity = 64

    /// Chunk that all of them are of.
    public let chunk: UInt32
    /// Repair flag of all of them: somebody asked. Copies for relays are none.
    public let isRepair: Bool
    public let destination: Destination
    public let sessionTag: UInt32
    public let transmitter: UInt32
    /// Sequence number of the first packet; the others follow it.
    public let firstSequence: UInt32
    /// Bytes of the encoded chunk, and payload bytes of a packet that is not its last.
    public let encodedLength: UInt32
    public let payloadLength: UInt16
    /// Packets, at most `capacity`.
    public private(set) var count = 0
    private var packets = InlineArray<64, UInt16>(repeating: 0)
    /// Each follows the one before it: all first transmissions, which are told by the first of them.
    private var isContiguous = true
    private var first: UInt16 = 0

    init(
        chunk: UInt32, isRepair: Bool, destination: Destination, sessionTag: UInt32, transmitter: UInt32,
        firstSequence: UInt32, encodedLength: UInt32, payloadLength: UInt16
    ) {
        self.chunk = chunk
        self.isRepair = isRepair
        self.destination = destination
        self.sessionTag = sessionTag
        self.transmitter = transmitter
        self.firstSequence = firstSequence
        self.encodedLength = encodedLength
        self.payloadLength = payloadLength
    }

    /// The same packets once more, to somebody else.
    func redirected(to destination: Destination, firstSequence: UInt32) -> DataBatch {
        var copy = DataBatch(
            chunk: chunk, isRepair: isRepair, destination: destination, sessionTag: sessionTag, transmitter: transmitter,
            firstSequence: firstSequence, encodedLength: encodedLength, payloadLength: payloadLength)
        copy.packets = packets
        copy.isContiguous = isContiguous
        copy.first = first
        copy.count = count
        return copy
    }

    mutating func append(_ packet: Int) {
        precondition(count < Self.capacity, "batch is full")
        let packet = UInt16(truncatingIfNeeded: packet)
        if count == 0 { first = packet } else { isContiguous = isContiguous && packet == first &+ UInt16(count) }
        packets[count] = packet
        count += 1
    }

    /// The packet index of the batch's `index`-th packet (0..<count).
    public subscript(index: Int) -> UInt16 { isContiguous ? first &+ UInt16(truncatingIfNeeded: index) : scattered(index) }

    /// Out of line, because it copies the whole array to look at one of it.
    @inline(never)
    private func scattered(_ index: Int) -> UInt16 { packets[index] }

    /// Where the payload of the `index`-th packet lies in the encoded chunk.
    public func payloadRange(at index: Int) -> Range<Int> {
        let start = Int(self[index]) * Int(payloadLength)
        return start..<min(start + Int(payloadLength), Int(encodedLength))
    }

    /// Bytes of all its datagrams, headers included.
    public var byteCount: Int {
        guard count > 0 else { return 0 }
        return (count - 1) * (DataHeader.length + Int(payloadLength)) + DataHeader.length + payloadRange(at: count - 1).count
    }

    /// Headers in front of the `index`-th packet's payload.
    public func headers(at index: Int) -> (PacketHeader, DataHeader) {
        let header = PacketHeader(
            kind: .data, isUnicast: !destination.isGroup, sessionTag: sessionTag, transmitter: transmitter,
            sequence: firstSequence &+ UInt32(index))
        return (header, DataHeader(chunk: chunk, packet: self[index], isRepair: isRepair))
    }

    /// Writes the headers of the `index`-th packet into its first 24 bytes.
    public func writeHeader(at index: Int, into bytes: inout MutableRawSpan) {
        let (header, data) = headers(at: index)
        data.write(after: header, into: &bytes)
    }
}
