/// A part of a chunk's outline: whoever holds the chunk can make it, and nobody can forge it.
public struct OutlinePart: Hashable, Sendable {
    /// Index of the chunk, below `Limits.maximumChunks`; from there on it is malformed.
    public var chunk: UInt32
    /// Index of the part, below `OutlineShape.partCount`.
    public var part: UInt8
    /// Chaining values of the part's subtrees, in order.
    public var values: [Digest]
    /// And of the siblings on the way up to the root, in the order of the bytes that they stand for.
    public var siblings: [Digest]

    public init(chunk: UInt32, part: UInt8, values: [Digest], siblings: [Digest]) {
        self.chunk = chunk
        self.part = part
        self.values = values
        self.siblings = siblings
    }

    /// Whether it has as many values as the shape says.
    public func fits(_ shape: OutlineShape) -> Bool {
        Int(part) < shape.partCount && values.count == shape.subtrees(ofPart: Int(part)).count
            && siblings.count == shape.siblingCount(ofPart: Int(part))
    }

    /// Whether it says the truth of an encoded chunk with this digest.
    public func isTrue(of encodedDigest: Digest, _ shape: OutlineShape, by digest: any MessageDigest) -> Bool {
        fits(shape) && digest.isTrue(part: Int(part), values: values, siblings: siblings, shape, root: encodedDigest)
    }

    func write(to writer: inout ByteWriter) {
        writer.writeUInt32(chunk)
        writer.writeUInt8(part)
        writer.writeUInt8(UInt8(values.count))
        writer.writeUInt8(UInt8(siblings.count))
        writer.writeUInt8(0)
        for value in values { writer.writeDigest(value) }
        for value in siblings { writer.writeDigest(value) }
    }

    init(reading reader: inout ByteReader) throws(WireError) {
        chunk = try reader.readUInt32()
        guard chunk < Limits.maximumChunks else { throw .invalidField("chunk index") }
        part = try reader.readUInt8()
        let (valueCount, siblingCount) = (try reader.readUInt8(), try reader.readUInt8())
        guard valueCount > 0 else { throw .invalidField("values") }
        try reader.skip(1)
        values = try Self.readValues(Int(valueCount), from: &reader)
        siblings = try Self.readValues(Int(siblingCount), from: &reader)
    }

    private static func readValues(_ count: Int, from reader: inout ByteReader) throws(WireError) -> [Digest] {
        guard reader.remaining >= count * Bytes32.length else { throw .truncated }
        var values: [Digest] = []
        values.reserveCapacity(count)
        for _ in 0..<count { values.append(try reader.readDigest()) }
        return values
    }
}
