/// The pace at which the sender's children say something: what a HEARTBEAT in its name says of these is believed near to it.
public struct StatedPace: Hashable, Sendable {
    /// The sender's group round trip, microseconds.
    public var groupRoundTrip: UInt32
    /// Milliseconds from one STATUS of a child to the next.
    public var statusInterval: UInt16

    public init(groupRoundTrip: UInt32, statusInterval: UInt16) {
        self.groupRoundTrip = groupRoundTrip
        self.statusInterval = statusInterval
    }
}

/// A signed word of the sender, now and then, of where its session stands. HEARTBEATs say so too, and anybody can forge them: between two
/// statements such a claim is believed as far as the last one allows, and no longer than to the next one.
///
/// Repair nodes repeat it as it was signed. It does for positions what PGM's SPM does for windows (RFC 3208, 6.1).
public struct Statement: Hashable, Sendable {
    /// One more for each statement of the session: an older one than is known says nothing.
    public var serial: UInt32
    /// The sender's ephemeral id, by which a child tells the sender's own datagrams from a repair node's.
    public var transmitter: UInt32
    /// Sequence number that the sender's next datagram to the group had.
    public var sequence: UInt32
    /// Phase of the session at the sender. One of `.leaving` or `.aborted` is believed at once, if the sender itself says it.
    public var phase: SessionPhase
    /// True once END has been sent.
    public var hasEnd: Bool
    /// Everything before this has been sent once.
    public var position: StreamPosition
    /// Pages sent so far.
    public var pageCount: UInt32
    /// No packet of this chunk, or of one behind it, is sent for the first time before the next statement.
    public var horizon: UInt32
    /// Pace of the sender's children, by which HEARTBEATs in its name are bounded.
    public var pace: StatedPace

    private static let endFlag: UInt8 = 1

    public init(
        serial: UInt32, transmitter: UInt32, sequence: UInt32, phase: SessionPhase, hasEnd: Bool, position: StreamPosition, pageCount: UInt32,
        horizon: UInt32, pace: StatedPace
    ) {
        self.serial = serial
        self.transmitter = transmitter
        self.sequence = sequence
        self.phase = phase
        self.hasEnd = hasEnd
        self.position = position
        self.pageCount = pageCount
        self.horizon = horizon
        self.pace = pace
    }

    func writeBody(to writer: inout ByteWriter) {
        writer.writeUInt32(serial)
        writer.writeUInt32(transmitter)
        writer.writeUInt32(sequence)
        writer.writeUInt8(phase.rawValue)
        writer.writeUInt8(hasEnd ? Self.endFlag : 0)
        writer.writeUInt32(position.chunk)
        writer.writeUInt16(position.packet)
        writer.writeUInt32(pageCount)
        writer.writeUInt32(horizon)
        writer.writeUInt32(pace.groupRoundTrip)
        writer.writeUInt16(pace.statusInterval)
        writer.writeUInt16(0)
    }

    func write(signature: Signature, to writer: inout ByteWriter) {
        writeBody(to: &writer)
        writer.writeSignature(signature)
    }

    init(reading reader: inout ByteReader) throws(WireError) {
        serial = try reader.readUInt32()
        transmitter = try reader.readUInt32()
        sequence = try reader.readUInt32()
        guard let phase = SessionPhase(rawValue: try reader.readUInt8()) else { throw .invalidField("phase") }
        self.phase = phase
        hasEnd = try reader.readUInt8() & Self.endFlag != 0
        position = StreamPosition(chunk: try reader.readUInt32(), packet: try reader.readUInt16())
        pageCount = try reader.readUInt32()
        horizon = try reader.readUInt32()
        pace = StatedPace(groupRoundTrip: try reader.readUInt32(), statusInterval: try reader.readUInt16())
        _ = try reader.readUInt16()
        guard position.chunk <= Limits.maximumChunks, pageCount <= Limits.maximumChunks, horizon <= Limits.maximumChunks else {
            throw .invalidField("position")
        }
    }

    /// Bytes that the signature covers: domain, session and body. The reserved bytes are zero in it.
    public func signedMessage(session: SessionID) -> [UInt8] {
        SignedDomain.message(SignedDomain.statement, session) { writeBody(to: &$0) }
    }
}
