/// Why a datagram was not understood. It is counted, as foreign or as malformed, and never a crash.
public enum WireError: Error, Sendable, Hashable {
    /// The datagram ends before its last field. Counted as malformed.
    case truncated
    /// The first two bytes are not "RM": another protocol's. Counted as foreign.
    case foreignMagic
    /// Another version of the protocol than 2. Counted as foreign.
    case foreignVersion
    /// No kind of packet has this number: 0, or 21 and above. Counted as malformed.
    case unknownKind
    /// A field holds a value that no implementation sends; the name says which.
    case invalidField(StaticName)

    /// The datagram is another protocol's, or another version's, and not a damaged one of this.
    var isForeign: Bool { self == .foreignMagic || self == .foreignVersion }

    /// A field's name, hashable where `StaticString` is not.
    public struct StaticName: Hashable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
        public let description: String
        public init(stringLiteral value: String) { description = value }
    }
}

/// The one reader of bytes that came from outside: big-endian, bounds-checked, and unable to outlive the datagram.
public struct ByteReader: ~Escapable {
    private let bytes: RawSpan
    /// Bytes that were read, or skipped.
    public private(set) var offset = 0

    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) { self.bytes = bytes }

    public var remaining: Int { bytes.byteCount - offset }
    /// Bytes of the whole datagram, those that were read among them.
    public var byteCount: Int { bytes.byteCount }

    // Inlined, since each would be a call of its own from another file: the headers of every datagram are read by them.
    @inline(__always)
    private mutating func read<Value: FixedWidthInteger & BitwiseCopyable>(_: Value.Type) throws(WireError) -> Value {
        let size = MemoryLayout<Value>.size
        guard remaining >= size else { throw .truncated }
        // In bounds by the line above; the load is unaligned because fields are packed.
        let value = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: Value.self)
        offset += size
        return Value(bigEndian: value)
    }

    /// Reads one byte. Throws `.truncated` at the end, as the others do where fewer are left than they need, and reads nothing then.
    @inline(__always)
    public mutating func readUInt8() throws(WireError) -> UInt8 { try read(UInt8.self) }
    @inline(__always)
    public mutating func readUInt16() throws(WireError) -> UInt16 { try read(UInt16.self) }
    @inline(__always)
    public mutating func readUInt32() throws(WireError) -> UInt32 { try read(UInt32.self) }
    @inline(__always)
    public mutating func readUInt64() throws(WireError) -> UInt64 { try read(UInt64.self) }

    /// Reads 32 bytes. Throws `.truncated` where fewer are left; some of them may have been read then.
    public mutating func readBytes32() throws(WireError) -> Bytes32 {
        Bytes32(try readUInt64(), try readUInt64(), try readUInt64(), try readUInt64())
    }

    public mutating func readDigest() throws(WireError) -> Digest { Digest(try readBytes32()) }
    /// Reads 64 bytes: R, then S (RFC 8032, 5.1.6).
    public mutating func readSignature() throws(WireError) -> Signature {
        Signature(r: try readBytes32(), s: try readBytes32())
    }

    /// Passes over `count` bytes. Throws `.truncated`, and stays where it is, where fewer are left, or for a number below 0.
    public mutating func skip(_ count: Int) throws(WireError) {
        guard count >= 0, remaining >= count else { throw .truncated }
        offset += count
    }

    /// Copies: for names and signed pages, not for payload.
    public mutating func readArray(count: Int) throws(WireError) -> [UInt8] {
        let start = offset
        try skip(count)
        return array(in: start..<offset)
    }

    /// What was read (or not) between two offsets, for checking a signature over it.
    public func array(in range: Range<Int>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(range.count)
        for index in range { result.append(bytes.unsafeByte(at: index)) }
        return result
    }
}

extension RawSpan {
    /// Bounds-checked load of one byte.
    fileprivate func unsafeByte(at index: Int) -> UInt8 {
        unsafe unsafeLoad(fromByteOffset: index, as: UInt8.self)
    }
}
