import RMCPProtocol

/// What travels: control packets as they are, DATA as headers with fingerprints for payload. Whatever it is, it waits at
/// thousands of nodes at once, and is one object.
enum Payload {
    case control(ControlDatagram)
    /// The packets of a batch whose bit is set in `mask`.
    case train(Train, mask: UInt64)
    /// One damaged or forged DATA packet: its real bytes, and the fingerprint that its payload now has.
    case packet([UInt8], fingerprint: UInt64)

    /// A control packet.
    static func bytes(_ bytes: [UInt8]) -> Payload { .control(ControlDatagram(bytes)) }

    static func batch(_ batch: DataBatch, record: ChunkRecord) -> Payload {
        .train(Train(batch: batch, record: record), mask: batch.count == 64 ? ~0 : (1 << UInt64(batch.count)) - 1)
    }

    /// Bytes with the headers of IP and UDP for each datagram.
    var size: (bytes: Int, datagrams: Int) {
        switch self {
        case .control(let datagram): (datagram.bytes.count + DatagramOverhead.bytes, 1)
        case .packet(let bytes, _): (bytes.count + DatagramOverhead.bytes, 1)
        case .train(let train, let mask): train.size(of: mask)
        }
    }
}

extension Payload {
    /// True where nothing is missing of `other`, of which this is what is left.
    func isWhole(_ other: Payload) -> Bool {
        if case .train(_, let mask) = self, case .train(_, let all) = other { return mask == all }
        return true
    }
}

/// One payload that comes to many receivers at one instant: one event, whatever their number.
final class GroupArrival {
    let payload: Payload
    let arrival: Arrival
    /// In the order in which it was sent down their links.
    var members: ContiguousArray<UInt32> = []

    init(_ payload: Payload, _ arrival: Arrival) {
        self.payload = payload
        self.arrival = arrival
    }
}

/// Gathers receivers whose links bring all of one payload at the same instant.
struct Gathering {
    private var group: GroupArrival?

    /// - Returns: a group that begins with this receiver and has yet to be told of; those who join it come with it.
    mutating func add(_ receiver: Int, _ payload: Payload, _ arrival: Arrival, at time: Instant) -> GroupArrival? {
        if let group, group.arrival.at == time {
            group.members.append(UInt32(receiver))
            return nil
        }
        let group = GroupArrival(payload, arrival.moved(to: time))
        group.members.append(UInt32(receiver))
        self.group = group
        return group
    }
}

/// A control packet, read once for all who get it: what parses is the same for everybody.
final class ControlDatagram {
    let bytes: [UInt8]
    /// Nil when it is malformed.
    let packet: (header: PacketHeader, body: Packet)?

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        packet = unsafe try? Packet.parse(bytes.span.bytes)
    }
}

/// A batch of DATA, with the record that says what its payload is.
final class Train {
    let batch: DataBatch
    let record: ChunkRecord
    private let wholeSize: Int

    init(batch: DataBatch, record: ChunkRecord) {
        self.batch = batch
        self.record = record
        wholeSize = batch.byteCount + DatagramOverhead.bytes * batch.count
    }

    func size(of mask: UInt64) -> (bytes: Int, datagrams: Int) {
        let count = mask.nonzeroBitCount
        if count == batch.count { return (wholeSize, count) }
        return (count * (DataHeader.length + Int(batch.payloadLength) + DatagramOverhead.bytes), count)
    }

    /// Hands the packets to `body`, one after another: headers, bytes of payload, fingerprint.
    func forEachPacket(of mask: UInt64, _ body: (PacketHeader, DataHeader, Int, UInt64) -> Void) {
        var rest = mask
        while rest != 0 {
            let index = rest.trailingZeroBitCount
            rest &= rest - 1
            let (header, data) = batch.headers(at: index)
            body(header, data, batch.payloadRange(at: index).count, SimulatedContent.fingerprint(of: record, packet: Int(data.packet)))
        }
    }

    /// One packet as real bytes, for damaging.
    func materialise(packet index: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: DataHeader.length + batch.payloadRange(at: index).count)
        var span = bytes.mutableSpan
        var raw = unsafe span.mutableBytes
        batch.writeHeader(at: index, into: &raw)
        return bytes
    }
}
