/// Where a session stands, as its sender says.
public enum SessionPhase: UInt8, Sendable, Hashable, CaseIterable {
    /// Receivers may join; nothing is sent yet.
    case waiting = 0
    /// First transmissions are under way.
    case streaming = 1
    /// Everything has been sent once; repairs and late joiners are served.
    case draining = 2
    /// Everybody known is done; the sender stays for latecomers.
    case lingering = 3
    /// The sender goes away: who is not complete by now will not be.
    case leaving = 4
    /// The sender gives up: its source failed or it was interrupted.
    case aborted = 5
}

/// A place in the stream of first transmissions: everything before it has been sent once.
public struct StreamPosition: Comparable, Hashable, Sendable {
    /// Index of the first chunk that has not been sent whole; the number of chunks once all have been. At most `Limits.maximumChunks`.
    public var chunk: UInt32
    /// Index of the first packet of that chunk that has not been sent; 0 behind the last chunk.
    public var packet: UInt16

    public init(chunk: UInt32, packet: UInt16) {
        self.chunk = chunk
        self.packet = packet
    }

    /// Position before anything has been sent. In a HEARTBEAT it says nothing of the front.
    public static let start = StreamPosition(chunk: 0, packet: 0)

    public static func < (left: StreamPosition, right: StreamPosition) -> Bool {
        (left.chunk, left.packet) < (right.chunk, right.packet)
    }
}

/// What a parent tells its region at intervals: what there is to have, and how to talk to it.
public struct Heartbeat: Hashable, Sendable {
    /// Phase of the session at this parent. Anybody can say `.leaving` or `.aborted`: it is believed after a second without contradiction, or
    /// when a STATEMENT says so (docs/protocol.md, "Parent leaving").
    public var phase: SessionPhase
    /// The parent's clock in microseconds, echoed by the children so that the parent can measure round trips.
    public var timestamp: UInt64
    /// Group round-trip time in microseconds (RFC 5401, 3.2.3: GRTT).
    public var groupRoundTrip: UInt32
    /// How often a child may send a STATUS, milliseconds, 1 or more.
    public var statusInterval: UInt32
    /// How far apart the NAKs of a child repair node must be, milliseconds; 0 for as they come.
    public var nakInterval: UInt16
    /// Receivers that ever joined this parent, by which NAK backoff is scaled.
    public var population: UInt32
    /// Everything before this has been sent once.
    public var position: StreamPosition
    /// Pages sent so far.
    public var pageCount: UInt32
    /// True once END has been sent.
    public var hasEnd: Bool
    /// Current rate in bits per second.
    public var rate: UInt64
    /// The loss bucket above which a child stops asking for live repairs and catches up afterwards.
    public var liveLossLimit: UInt8
    /// The pressure bucket above which a child does the same: it is overrun where most are not.
    public var livePressureLimit: UInt8
    /// Where in the tree the parent is.
    public var place: TreePlace

    public init(
        phase: SessionPhase, timestamp: UInt64, groupRoundTrip: UInt32, statusInterval: UInt32, population: UInt32,
        position: StreamPosition, pageCount: UInt32, hasEnd: Bool, rate: UInt64, liveLossLimit: UInt8,
        livePressureLimit: UInt8, nakInterval: UInt16 = 0, place: TreePlace = TreePlace()
    ) {
        self.phase = phase
        self.timestamp = timestamp
        self.groupRoundTrip = groupRoundTrip
        self.statusInterval = statusInterval
        self.population = population
        self.position = position
        self.pageCount = pageCount
        self.hasEnd = hasEnd
        self.rate = rate
        self.liveLossLimit = liveLossLimit
        self.livePressureLimit = livePressureLimit
        self.nakInterval = nakInterval
        self.place = place
    }

    func write(to writer: inout ByteWriter) {
        writer.writeUInt8(phase.rawValue)
        writer.writeUInt8(hasEnd ? 1 : 0)
        writer.writeUInt8(liveLossLimit)
        writer.writeUInt8(livePressureLimit)
        writer.writeUInt64(timestamp)
        writer.writeUInt32(groupRoundTrip)
        writer.writeUInt32(statusInterval)
        writer.writeUInt32(population)
        writer.writeUInt32(position.chunk)
        writer.writeUInt16(position.packet)
        writer.writeUInt32(pageCount)
        writer.writeUInt64(rate)
        writer.writeUInt16(nakInterval)
        place.write(to: &writer)
    }

    init(reading reader: inout ByteReader) throws(WireError) {
        guard let phase = SessionPhase(rawValue: try reader.readUInt8()) else { throw .invalidField("phase") }
        self.phase = phase
        hasEnd = try reader.readUInt8() & 1 != 0
        liveLossLimit = try reader.readUInt8()
        livePressureLimit = try reader.readUInt8()
        timestamp = try reader.readUInt64()
        groupRoundTrip = try reader.readUInt32()
        statusInterval = max(1, try reader.readUInt32())
        population = try reader.readUInt32()
        position = StreamPosition(chunk: try reader.readUInt32(), packet: try reader.readUInt16())
        pageCount = try reader.readUInt32()
        rate = try reader.readUInt64()
        nakInterval = try reader.readUInt16()
        place = try TreePlace(reading: &reader)
        guard position.chunk <= Limits.maximumChunks, pageCount <= Limits.maximumChunks else {
            throw .invalidField("position")
        }
    }
}

/// A child's echo of its parent's last heartbeat, from which the parent measures the round trip without either of
/// them knowing the other's clock.
public struct TimestampEcho: Hashable, Sendable {
    /// `Heartbeat.timestamp` as it came; 0 for none yet.
    public var timestamp: UInt64
    /// Microseconds between its arrival and this datagram.
    public var delay: UInt32

    public init(timestamp: UInt64, delay: UInt32) {
        self.timestamp = timestamp
        self.delay = delay
    }

    /// Echo of a child that has heard no HEARTBEAT of its parent yet: it measures nothing.
    public static let none = TimestampEcho(timestamp: 0, delay: 0)

    func write(to writer: inout ByteWriter) {
        writer.writeUInt64(timestamp)
        writer.writeUInt32(delay)
    }

    init(reading reader: inout ByteReader) throws(WireError) {
        timestamp = try reader.readUInt64()
        delay = try reader.readUInt32()
    }
}
