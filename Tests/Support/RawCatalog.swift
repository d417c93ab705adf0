import RMCPProtocol

/// A tree's catalog written by hand, with whatever lies: what is not said otherwise is true of what was added.
public struct RawCatalog {
    public var magic = Array("RMCPTREE".utf8)
    public var version: UInt16 = 1
    /// 1: owners, 2: attributes.
    public var flags: UInt16 = 0
    /// Number that stands in place of that of the entries that were added.
    public var entries: UInt32?
    public var catalogLength: UInt64?
    public var packedLength: UInt64?
    public var bodyChunks: UInt32?
    public var allocatedLength: UInt64 = 0
    public var ownerCount: UInt32?
    public var nameCount: UInt32?
    public var setCount: UInt32?
    public var reserved: UInt64 = 0
    public var owners: [[UInt8]] = []
    public var names: [[UInt8]] = []
    public var sets: [[UInt8]] = []
    /// Bytes behind everything.
    public var rest: [UInt8] = []

    private var body = ByteWriter()
    private var count: UInt32 = 0
    private var packed: UInt64 = 0
    private var bodies: UInt64 = 0
    private let chunkLength: UInt32

    public static let none = UInt32.max

    public init(chunkLength: UInt32 = 1_000) { self.chunkLength = chunkLength }

    /// A catalog with a root that has begun.
    public static func tree(chunkLength: UInt32 = 1_000) -> RawCatalog {
        var catalog = RawCatalog(chunkLength: chunkLength)
        catalog.directory([])
        return catalog
    }

    // MARK: Entries

    /// An entry up to its name.
    public mutating func begin(kind: UInt8, _ name: [UInt8], length: UInt8? = nil) {
        count += 1
        body.writeUInt8(kind)
        body.writeUInt8(length ?? UInt8(name.count))
        body.writeArray(name)
    }

    public mutating func metadata(
        mode: UInt16 = 0o644, owner: UInt32 = none, seconds: Int64 = 1_700_000_000, nanoseconds: UInt32 = 5, attributes: UInt32 = none
    ) {
        body.writeUInt16(mode)
        body.writeUInt32(owner)
        body.writeUInt64(UInt64(bitPattern: seconds))
        body.writeUInt32(nanoseconds)
        body.writeUInt32(attributes)
    }

    public mutating func directory(_ name: [UInt8], mode: UInt16 = 0o755) {
        begin(kind: 1, name)
        metadata(mode: mode)
    }

    public mutating func end() { body.writeUInt8(0) }

    public mutating func file(_ name: [UInt8], size: UInt64 = 0, flags: UInt8 = 0, mode: UInt16 = 0o644, owner: UInt32 = none, attributes: UInt32 = none) {
        begin(kind: 2, name)
        metadata(mode: mode, owner: owner, attributes: attributes)
        body.writeUInt64(size)
        body.writeUInt8(flags)
        packed &+= size % UInt64(chunkLength)
        bodies &+= size / UInt64(chunkLength)
    }

    public mutating func symbolicLink(_ name: [UInt8], target: [UInt8], mode: UInt16 = 0o777, attributes: UInt32 = none) {
        begin(kind: 3, name)
        metadata(mode: mode, attributes: attributes)
        body.writeUInt16(UInt16(target.count))
        body.writeArray(target)
    }

    public mutating func hardLink(_ name: [UInt8], to entry: UInt32) {
        begin(kind: 4, name)
        body.writeUInt32(entry)
    }

    public mutating func fifo(_ name: [UInt8]) {
        begin(kind: 5, name)
        metadata()
    }

    public mutating func raw(_ bytes: [UInt8]) { body.writeArray(bytes) }

    // MARK: Tables

    public mutating func owner(_ user: UInt32, _ group: UInt32, userName: UInt32 = none, groupName: UInt32 = none) {
        var writer = ByteWriter()
        for number in [user, group, userName, groupName] { writer.writeUInt32(number) }
        owners.append(writer.bytes)
    }

    public mutating func name(_ name: [UInt8]) { names.append([UInt8(name.count)] + name) }

    public mutating func set(_ attributes: [(name: [UInt8], value: [UInt8])]) {
        var writer = ByteWriter()
        writer.writeUInt16(UInt16(attributes.count))
        for (name, value) in attributes {
            writer.writeUInt8(UInt8(name.count))
            writer.writeArray(name)
            writer.writeUInt16(UInt16(value.count))
            writer.writeArray(value)
        }
        sets.append(writer.bytes)
    }

    // MARK: The whole

    /// Bytes of the content, by what was added.
    public var contentLength: UInt64 {
        let start = UInt64(bytes.count) &+ packed
        guard bodies > 0 else { return start }
        let chunk = UInt64(chunkLength)
        return (start &+ chunk - 1) / chunk &* chunk &+ bodies &* chunk
    }

    public var bytes: [UInt8] {
        let tables = Array((owners + names + sets).joined())
        let content = body.bytes + tables + rest
        var writer = ByteWriter()
        writer.writeArray(magic)
        writer.writeUInt16(version)
        writer.writeUInt16(flags)
        writer.writeUInt32(entries ?? count)
        writer.writeUInt64(catalogLength ?? UInt64(64 + content.count))
        writer.writeUInt64(packedLength ?? packed)
        writer.writeUInt32(bodyChunks ?? UInt32(truncatingIfNeeded: bodies))
        writer.writeUInt64(allocatedLength)
        writer.writeUInt32(ownerCount ?? UInt32(owners.count))
        writer.writeUInt32(nameCount ?? UInt32(names.count))
        writer.writeUInt32(setCount ?? UInt32(sets.count))
        writer.writeUInt64(reserved)
        return writer.bytes + content
    }
}
