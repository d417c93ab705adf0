/// Builds a datagram: big-endian, in the order of the calls. Control packets only; the headers of DATA are written in
/// place by `DataHeader`, without an allocation.
public struct ByteWriter: Sendable {
    public private(set) var bytes: [UInt8] = []

    /// Reserves room for `capacity` bytes. It grows beyond that, at the cost of an allocation.
    public init(capacity: Int = 1_400) { bytes.reserveCapacity(capacity) }

    public var count: Int { bytes.count }

    private mutating func write<Value: FixedWidthInteger>(_ value: Value) {
        unsafe withUnsafeBytes(of: value.bigEndian) { unsafe bytes.append(contentsOf: $0) }
    }

    public mutating func writeUInt8(_ value: UInt8) { bytes.append(value) }
    public mutating func writeUInt16(_ value: UInt16) {
        bytes.append(UInt8(truncatingIfNeeded: value >> 8))
        bytes.append(UInt8(truncatingIfNeeded: value))
    }
    public mutating func writeUInt32(_ value: UInt32) { write(value) }
    public mutating func writeUInt64(_ value: UInt64) { write(value) }

    public mutating func writeBytes32(_ value: Bytes32) {
        write(value.a)
        write(value.b)
        write(value.c)
        write(value.d)
    }

    public mutating func writeDigest(_ value: Digest) { writeBytes32(value.value) }
    /// Appends 64 bytes: R, then S (RFC 8032, 5.1.6).
    public mutating func writeSignature(_ value: Signature) {
        writeBytes32(value.r)
        writeBytes32(value.s)
    }
    public mutating func writeSessionID(_ value: SessionID) {
        write(value.high)
        write(value.low)
    }
    /// Appends the bytes as they are, without their number.
    public mutating func writeArray(_ value: [UInt8]) { bytes.append(contentsOf: value) }
    public mutating func writeArray(_ value: ArraySlice<UInt8>) { bytes.append(contentsOf: value) }

    /// Zeros up to `length` bytes in all; nothing if it is longer already.
    public mutating func pad(to length: Int) {
        if length > bytes.count { bytes.append(contentsOf: repeatElement(0, count: length - bytes.count)) }
    }

    /// Overwrites a 16-bit field whose value was not known when it was written.
    public mutating func patchUInt16(_ value: UInt16, at offset: Int) {
        bytes[offset] = UInt8(truncatingIfNeeded: value >> 8)
        bytes[offset + 1] = UInt8(truncatingIfNeeded: value)
    }
}
