/// Part of an ANNOUNCE for a group alone, as it travels: a salt from which, with the group's key, the session's keys are
/// derived, and the bundle's details, sealed. Of one length whatever the name is.
public struct SealedDetails: Hashable, Sendable {
    /// Bytes of the details before they are sealed.
    static let plainLength = 32 + Announce.maximumNameLength
    /// Bytes of the sealed details: as many, and an authentication tag.
    public static let sealedLength = plainLength + 16
    /// Bytes of all, the salt included.
    static let length = 32 + sealedLength

    /// Random, drawn for each session.
    public var salt: Bytes32
    /// `sealedLength` bytes.
    public var bytes: [UInt8]

    public init(salt: Bytes32, bytes: [UInt8]) {
        self.salt = salt
        self.bytes = bytes
    }

    init(reading reader: inout ByteReader) throws(WireError) {
        salt = try reader.readBytes32()
        bytes = try reader.readArray(count: Self.sealedLength)
    }

    func write(to writer: inout ByteWriter) {
        writer.writeBytes32(salt)
        writer.writeArray(bytes)
    }
}

/// Opens what ANNOUNCEs seal. Injected, as all cryptography is.
public protocol DetailsOpener: Sendable {
    /// The details; nil when they were sealed with another key, or are not what was sealed.
    func unseal(_ details: SealedDetails, of session: SessionID) -> [UInt8]?
}

extension Announce {
    /// Readers of the details of an ANNOUNCE.
    public enum Secrecy: Hashable, Sendable {
        /// Everybody.
        case none
        /// A group, and not this node.
        case sealed(SealedDetails)
        /// A group, and this node is of it.
        case opened(SealedDetails)

        /// Details as they travel; nil where nothing is sealed.
        public var details: SealedDetails? {
            switch self {
            case .none: nil
            case .sealed(let details), .opened(let details): details
            }
        }
    }

    /// The same as it is on the wire: what was opened is sealed again.
    public var asSent: Announce {
        guard let details = secrecy.details else { return self }
        var result = self
        result.contentLength = nil
        result.allocatedLength = 0
        result.mode = nil
        result.modificationTime = nil
        result.name = Self.sealedName
        result.secrecy = .sealed(details)
        return result
    }

    /// Details for sealing: flags, mode, lengths, time, and the name, padded.
    public var plainDetails: [UInt8] {
        var writer = ByteWriter(capacity: SealedDetails.plainLength)
        let nameBytes = nameBytes
        writer.writeUInt8((modificationTime == nil ? 0 : Self.saysModificationTime) | (mode == nil ? 0 : Self.saysMode))
        writer.writeUInt8(UInt8(nameBytes.count))
        writer.writeUInt16(mode ?? 0)
        writer.writeUInt64(contentLength ?? .max)
        writer.writeUInt64(allocatedLength)
        writer.writeUInt64(UInt64(bitPattern: modificationTime?.seconds ?? 0))
        writer.writeUInt32(modificationTime?.nanoseconds ?? 0)
        writer.writeArray(nameBytes)
        writer.pad(to: SealedDetails.plainLength)
        return writer.bytes
    }

    /// The same with its details in the clear, by whoever can open them; nil when nobody here can, or when they are not
    /// well formed.
    public func opened(by opener: any DetailsOpener) -> Announce? {
        guard let details = secrecy.details, let plain = opener.unseal(details, of: session) else { return nil }
        var reader = unsafe ByteReader(plain.span.bytes)
        var result = self
        do throws(WireError) { try result.readDetails(&reader) } catch { return nil }
        result.secrecy = .opened(details)
        return result
    }

    private mutating func readDetails(_ reader: inout ByteReader) throws(WireError) {
        let flags = try reader.readUInt8()
        guard flags & ~(Self.saysModificationTime | Self.saysMode) == 0 else { throw .invalidField("flags") }
        let nameLength = Int(try reader.readUInt8())
        let mode = try reader.readUInt16()
        guard mode <= (flags & Self.saysMode != 0 ? 0o777 : 0) else { throw .invalidField("mode") }
        self.mode = flags & Self.saysMode != 0 ? mode : nil
        let length = try reader.readUInt64()
        contentLength = length == .max ? nil : length
        allocatedLength = try reader.readUInt64()
        modificationTime = try Self.readTime(&reader, isSaid: flags & Self.saysModificationTime != 0)
        let nameBytes = try reader.readArray(count: nameLength)
        guard let name = String(validating: nameBytes, as: UTF8.self), nameLength > 0 else { throw .invalidField("name") }
        self.name = name
        try validate()
    }
}
