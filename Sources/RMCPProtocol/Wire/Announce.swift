/// What kind of source a bundle was read from.
public enum BundleKind: UInt8, Sendable, Hashable {
    /// One regular file or block device: its size is known at the start.
    case file = 0
    /// A directory or several paths.
    case tree = 1
    /// Standard input: its size is known at END.
    case stream = 2
}

/// A moment as file systems keep it: from before 1970 until long after 2554, where 64 bits of nanoseconds end.
public struct FileTime: Hashable, Sendable {
    /// Bound of `nanoseconds`: what travels as a time is malformed from here on.
    public static let nanosecondsPerSecond: UInt32 = 1_000_000_000

    /// Seconds since 1970, before it below 0.
    public var seconds: Int64
    /// 0...999,999,999, later than `seconds` also where these are below 0.
    public var nanoseconds: UInt32

    /// Nanoseconds that are out of range are cut to it.
    public init(seconds: Int64, nanoseconds: UInt32) {
        self.seconds = seconds
        self.nanoseconds = min(nanoseconds, Self.nanosecondsPerSecond - 1)
    }
}

/// What the sender says about the bundle before the first chunk. Signed; repeated throughout the session.
public struct Announce: Hashable, Sendable {
    /// Bytes of UTF-8 that a name has at most; of a longer one the beginning is written.
    public static let maximumNameLength = 255
    /// Bytes of its fields but for the name, the key, the signature and the padding.
    static let fixedLength = 68

    /// Flags of the fields that are said: no value of theirs stands for none, since each occurs.
    static let saysModificationTime: UInt8 = 1
    static let saysMode: UInt8 = 2
    /// Says that what the other fields leave out is sealed, in place of the name.
    private static let isSealedFlag: UInt8 = 4

    /// Name of the session. A sender draws one whose tag is not 0; nothing checks that when it is read.
    public var session: SessionID
    /// Source of the bundle, by which a receiver knows how to store it. It is in the clear also where the details are sealed.
    public var kind: BundleKind
    /// Bytes of content in every chunk but the last.
    public var chunkLength: UInt32
    /// Payload bytes in every DATA packet of a chunk but the last.
    public var payloadLength: UInt16
    /// When the session was created, milliseconds since 1970 (the sender's clock).
    public var creationTime: UInt64
    /// Bytes of content; nil for a stream.
    public var contentLength: UInt64?
    /// Bytes that are not holes, as far as the sender's file system tells; at most `contentLength`. What a receiver
    /// needs room for; 0 where nobody knows, and for a tree, whose catalog says it.
    public var allocatedLength: UInt64
    /// Permission bits, 0...0o777: no setuid, setgid or sticky bit can be said. Nil where the source has none, and the
    /// receiver's custom decides; 0 is a file that nobody may read.
    public var mode: UInt16?
    /// Nil where the source has none.
    public var modificationTime: FileTime?
    /// The sender's epoch, in which the time stands.
    public var epoch: UInt32
    /// The bundle's name: UTF-8, 1...255 bytes. Whether it may be a file name is the receiver's to judge.
    public var name: String
    /// Key of the sender, by which its ANNOUNCE, pages, END and statements are verified; `.none` for a session that is not signed.
    public var key: PublicKey
    /// Whether name, lengths, mode and time are sealed for a group. Where they are and have not been opened, `name` is
    /// `sealedName`, and the others are nil or 0.
    public var secrecy = Secrecy.none

    /// Stands for a name that is sealed.
    public static let sealedName = "(sealed)"

    public init(
        session: SessionID, kind: BundleKind, chunkLength: UInt32, payloadLength: UInt16, creationTime: UInt64,
        contentLength: UInt64?, allocatedLength: UInt64, mode: UInt16?, modificationTime: FileTime?, epoch: UInt32 = 0, name: String,
        key: PublicKey
    ) {
        self.session = session
        self.kind = kind
        self.chunkLength = chunkLength
        self.payloadLength = payloadLength
        self.creationTime = creationTime
        self.contentLength = contentLength
        self.allocatedLength = allocatedLength
        self.mode = mode
        self.modificationTime = modificationTime
        self.epoch = epoch
        self.name = name
        self.key = key
    }

    /// The session has a key. In one that has none, signatures are zeros and are not looked at (docs/protocol.md, "Signatures").
    public var isSigned: Bool { key != .none }
    /// Version of the bundle: of two of one name and key the higher one is newer (docs/protocol.md, "Freshness"). It is
    /// remembered of signed sessions only.
    public var version: BundleVersion { BundleVersion(epoch: epoch, time: creationTime) }

    /// Packets that a chunk can have, at the most.
    var packetsOfChunk: Int { ChunkGeometry.packetCount(encodedLength: chunkLength, payloadLength: payloadLength) }

    /// The content is for a group, and so are the details, opened here or not (docs/protocol.md, "Sealed sessions").
    public var isSealed: Bool { secrecy != .none }
    /// Whether its details are known here.
    public var isOpen: Bool { if case .sealed = secrecy { false } else { true } }

    /// The fields in wire order, without the signature.
    private func writeBody(to writer: inout ByteWriter) {
        guard let details = secrecy.details else { return writeFields(to: &writer) }
        asSent.writeFields(details, to: &writer)
    }

    private func writeFields(_ details: SealedDetails? = nil, to writer: inout ByteWriter) {
        writer.writeSessionID(session)
        writer.writeUInt8(kind.rawValue)
        let said = (modificationTime == nil ? 0 : Self.saysModificationTime) | (mode == nil ? 0 : Self.saysMode)
        writer.writeUInt8(details == nil ? said : Self.isSealedFlag)
        writer.writeUInt16(payloadLength)
        writer.writeUInt32(chunkLength)
        writer.writeUInt64(creationTime)
        writer.writeUInt64(contentLength ?? .max)
        writer.writeUInt64(allocatedLength)
        writer.writeUInt64(UInt64(bitPattern: modificationTime?.seconds ?? 0))
        writer.writeUInt32(modificationTime?.nanoseconds ?? 0)
        writer.writeUInt16(mode ?? 0)
        writer.writeUInt32(epoch)
        if let details {
            writer.writeUInt16(UInt16(SealedDetails.length))
            details.write(to: &writer)
        } else {
            let nameBytes = nameBytes
            writer.writeUInt16(UInt16(nameBytes.count))
            writer.writeArray(nameBytes)
        }
        writer.writeBytes32(key.value)
    }

    /// The name as it is written: cut between characters where it is too long, or no receiver could read it.
    var nameBytes: [UInt8] {
        var name = name
        while name.utf8.count > Self.maximumNameLength { name.removeLast() }
        return Array(name.utf8)
    }

    /// What the signature covers.
    public var signedMessage: [UInt8] {
        var writer = ByteWriter(capacity: 512)
        writer.writeArray(SignedDomain.announce)
        writeBody(to: &writer)
        return writer.bytes
    }

    func write(signature: Signature, to writer: inout ByteWriter) {
        writeBody(to: &writer)
        writer.writeSignature(signature)
    }

    /// Bytes after the signature are padding and are ignored: a padded ANNOUNCE finds out whether a full-sized
    /// datagram reaches the receivers.
    init(reading reader: inout ByteReader) throws(WireError) {
        session = SessionID(high: try reader.readUInt64(), low: try reader.readUInt64())
        guard let kind = BundleKind(rawValue: try reader.readUInt8()) else { throw .invalidField("bundle kind") }
        self.kind = kind
        let flags = try reader.readUInt8()
        let isSealed = flags == Self.isSealedFlag
        guard isSealed || flags & ~(Self.saysModificationTime | Self.saysMode) == 0 else { throw .invalidField("flags") }
        payloadLength = try reader.readUInt16()
        chunkLength = try reader.readUInt32()
        creationTime = try reader.readUInt64()
        let length = try reader.readUInt64()
        contentLength = length == .max ? nil : length
        allocatedLength = try reader.readUInt64()
        modificationTime = try Self.readTime(&reader, isSaid: flags & Self.saysModificationTime != 0)
        let mode = try reader.readUInt16()
        guard mode <= (flags & Self.saysMode != 0 ? 0o777 : 0) else { throw .invalidField("mode") }
        self.mode = flags & Self.saysMode != 0 ? mode : nil
        epoch = try reader.readUInt32()
        let nameLength = Int(try reader.readUInt16())
        if isSealed {
            guard nameLength == SealedDetails.length else { throw .invalidField("name length") }
            guard contentLength == nil, allocatedLength == 0 else { throw .invalidField("content length") }
            secrecy = .sealed(try SealedDetails(reading: &reader))
            name = Self.sealedName
        } else {
            guard (1...Self.maximumNameLength).contains(nameLength) else { throw .invalidField("name length") }
            let nameBytes = try reader.readArray(count: nameLength)
            guard let name = String(validating: nameBytes, as: UTF8.self) else { throw .invalidField("name") }
            self.name = name
        }
        key = PublicKey(try reader.readBytes32())
        try validate()
    }

    static func readTime(_ reader: inout ByteReader, isSaid: Bool) throws(WireError) -> FileTime? {
        let seconds = Int64(bitPattern: try reader.readUInt64())
        let nanoseconds = try reader.readUInt32()
        guard isSaid else {
            guard seconds == 0, nanoseconds == 0 else { throw .invalidField("modification time") }
            return nil
        }
        guard nanoseconds < FileTime.nanosecondsPerSecond else { throw .invalidField("modification time") }
        return FileTime(seconds: seconds, nanoseconds: nanoseconds)
    }

    func validate() throws(WireError) {
        guard (Limits.minimumPayloadLength...Limits.maximumPayloadLength).contains(Int(payloadLength)) else {
            throw .invalidField("payload length")
        }
        guard chunkLength > 0, chunkLength <= Limits.maximumChunkLength else { throw .invalidField("chunk length") }
        guard ChunkGeometry.packetCount(encodedLength: chunkLength, payloadLength: payloadLength) <= Limits.maximumPacketsPerChunk
        else { throw .invalidField("packets per chunk") }
        guard let contentLength else { return }
        let chunks = contentLength / UInt64(chunkLength) + (contentLength % UInt64(chunkLength) == 0 ? 0 : 1)
        guard chunks <= UInt64(Limits.maximumChunks) else { throw .invalidField("content length") }
        guard allocatedLength <= contentLength else { throw .invalidField("allocated length") }
    }
}

/// What each signature starts with, so that none can be passed off as another kind of message.
enum SignedDomain {
    /// Bytes that the signature of a packet of a session covers: domain, session and body.
    static func message(_ domain: [UInt8], _ session: SessionID, writeBody: (inout ByteWriter) -> Void) -> [UInt8] {
        var writer = ByteWriter(capacity: messageCapacity)
        writer.writeArray(domain)
        writer.writeSessionID(session)
        writeBody(&writer)
        return writer.bytes
    }

    /// Bytes of a message that is no page's, at most.
    private static let messageCapacity = 256

    static let announce = Array("rmcp announce v2\n".utf8)
    static let page = Array("rmcp page v2\n".utf8)
    static let end = Array("rmcp end v2\n".utf8)
    static let statement = Array("rmcp statement v2\n".utf8)
    static let place = Array("rmcp place v2\n".utf8)
    static let advertisement = Array("rmcp advertisement v2\n".utf8)
}
