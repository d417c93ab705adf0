/// A signed word of a repair node, once a second, of where in the tree it stands: by this it proves itself to children and parents that
/// take no others.
///
/// HEARTBEATs say so too, and anybody can forge them. What makes a recorded one old is the sender's last STATEMENT that the node has
/// heard: nobody knows that number before the sender has signed it.
public struct NodePlace: Hashable, Sendable {
    /// The node's own.
    public var key: PublicKey
    /// One more for each of the session.
    public var serial: UInt32
    /// Serial of the sender's last STATEMENT that the node has heard; 0 for none.
    public var statement: UInt32
    /// Ephemeral id as a child.
    public var child: UInt32
    /// Ephemeral id as a parent.
    public var transmitter: UInt32
    /// Phase in its HEARTBEATs. Children that trust the key believe `.leaving` and `.aborted` at once.
    public var phase: SessionPhase
    /// As a parent.
    public var pace: StatedPace
    /// Place in the tree, of depth 1...16; depth 0 is malformed. Its time to live is 0 in what goes to the node's own parent.
    public var place: TreePlace

    public init(
        key: PublicKey, serial: UInt32, statement: UInt32, child: UInt32, transmitter: UInt32, phase: SessionPhase, pace: StatedPace, place: TreePlace
    ) {
        self.key = key
        self.serial = serial
        self.statement = statement
        self.child = child
        self.transmitter = transmitter
        self.phase = phase
        self.pace = pace
        self.place = place
    }

    private func writeBody(to writer: inout ByteWriter) {
        writer.writeBytes32(key.value)
        writer.writeUInt32(serial)
        writer.writeUInt32(statement)
        writer.writeUInt32(child)
        writer.writeUInt32(transmitter)
        writer.writeUInt8(phase.rawValue)
        writer.writeUInt8(0)
        writer.writeUInt16(pace.statusInterval)
        writer.writeUInt32(pace.groupRoundTrip)
        place.write(to: &writer)
    }

    func write(signature: Signature, to writer: inout ByteWriter) {
        writeBody(to: &writer)
        writer.writeSignature(signature)
    }

    init(reading reader: inout ByteReader) throws(WireError) {
        key = PublicKey(try reader.readBytes32())
        serial = try reader.readUInt32()
        statement = try reader.readUInt32()
        child = try reader.readUInt32()
        transmitter = try reader.readUInt32()
        guard let phase = SessionPhase(rawValue: try reader.readUInt8()) else { throw .invalidField("phase") }
        self.phase = phase
        try reader.skip(1)
        let statusInterval = try reader.readUInt16()
        pace = StatedPace(groupRoundTrip: try reader.readUInt32(), statusInterval: statusInterval)
        place = try TreePlace(reading: &reader)
        guard place.depth > 0 else { throw .invalidField("depth") }
    }

    /// Bytes that the signature covers: domain, session, body and cookie. The reserved bytes are zero in it.
    /// - Parameter cookie: what the node shows to its parent, which is not on the wire: who has copied this and is elsewhere has another.
    ///   0 in what goes to children.
    public func signedMessage(session: SessionID, cookie: UInt64) -> [UInt8] {
        SignedDomain.message(SignedDomain.place, session) {
            writeBody(to: &$0)
            $0.writeUInt64(cookie)
        }
    }
}
