/// A receiver says that it takes no part in a session, and why. It is no child: the parent counts it, and nothing else.
public struct RefusalNotice: Hashable, Sendable {
    /// The parent's answer to an ATTACH. Who shows none, or another address's, is not counted.
    public var cookie: UInt64
    /// Reason, of which the parent keeps the last that a receiver has told.
    public var reason: RefusalReason

    public init(cookie: UInt64, reason: RefusalReason) {
        self.cookie = cookie
        self.reason = reason
    }

    func write(to writer: inout ByteWriter) {
        writer.writeUInt64(cookie)
        writer.writeUInt8(reason.rawValue)
    }

    init(reading reader: inout ByteReader) throws(WireError) {
        cookie = try reader.readUInt64()
        guard let reason = RefusalReason(rawValue: try reader.readUInt8()) else { throw .invalidField("refusal") }
        self.reason = reason
    }
}
