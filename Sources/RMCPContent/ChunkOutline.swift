import CBLAKE3
public import RMCPProtocol

/// Outlines of chunks: made, verified, and held against bytes of which some are wrong (docs/protocol.md, "OUTLINE").
public enum ChunkOutline {
    /// Another payload that came for a place in a chunk: one of the two is true.
    public struct Alternate: Sendable {
        /// Place in the encoded chunk where it would lie.
        public var offset: Int
        /// The other payload. It may reach into more than one subtree.
        public var bytes: [UInt8]

        public init(offset: Int, bytes: [UInt8]) {
            self.offset = offset
            self.bytes = bytes
        }
    }

    private static let leafLength = 1_024
    /// Choices that are tried for a subtree: six places with two payloads each.
    private static let mostChoices = 64

    /// All parts of a chunk's outline, in order.
    /// - Parameter encoded: as many bytes as the shape says.
    public static func parts(of encoded: RawSpan, chunk: UInt32, _ shape: OutlineShape) -> [OutlinePart] {
        let values = (0..<shape.subtreeCount).map { value(of: encoded, shape.bytes(ofSubtree: $0), shape) }
        return (0..<shape.partCount).map { part in
            let run = shape.subtrees(ofPart: part)
            return OutlinePart(
                chunk: chunk, part: UInt8(part), values: Array(values[run]), siblings: siblings(of: run, in: 0..<shape.subtreeCount, values))
        }
    }

    /// Root that a part's values and siblings give when they are folded up.
    static func root(ofPart part: Int, _ values: [Digest], _ siblings: [Digest], _ shape: OutlineShape) -> Digest {
        let run = shape.subtrees(ofPart: part)
        var siblings = siblings[...]
        return fold(0..<shape.subtreeCount, isRoot: true) { node in
            if !node.overlaps(run) { return siblings.popFirst() ?? .zero }
            return node.count == 1 ? values[node.lowerBound - run.lowerBound] : nil
        }
    }

    /// Replaces what is wrong by alternates where these are right.
    /// - Parameters:
    ///   - encoded: the chunk's bytes as they came, at least as many as the shape says.
    ///   - values: of all subtrees, in order.
    /// - Returns: subtrees that are wrong still.
    public static func mend(
        _ encoded: inout MutableRawSpan, values: [Digest], _ shape: OutlineShape, with alternates: [Alternate]
    ) -> IndexRangeSet {
        var wrong = IndexRangeSet()
        for subtree in 0..<min(shape.subtreeCount, values.count) {
            let bytes = shape.bytes(ofSubtree: subtree)
            if value(of: encoded.bytes, bytes, shape) == values[subtree] { continue }
            let others = alternates.filter { $0.offset < bytes.upperBound && $0.offset + $0.bytes.count > bytes.lowerBound }
            if others.isEmpty || !mend(&encoded, bytes, to: values[subtree], shape, with: others) { wrong.insert(UInt32(subtree)) }
        }
        return wrong
    }

    /// Tries the alternates of one subtree, each with and without the others; leaves the bytes as they were when none is right.
    private static func mend(
        _ encoded: inout MutableRawSpan, _ bytes: Range<Int>, to value: Digest, _ shape: OutlineShape, with others: [Alternate]
    ) -> Bool {
        let first = (0..<bytes.count).map { unsafe encoded.bytes.unsafeLoad(fromByteOffset: bytes.lowerBound + $0, as: UInt8.self) }
        for choice in 1..<min(mostChoices, 1 << min(others.count, mostChoices.trailingZeroBitCount)) {
            var tried = first
            for (index, other) in others.enumerated() where choice & 1 << index != 0 {
                let part = max(other.offset, bytes.lowerBound)..<min(other.offset + other.bytes.count, bytes.upperBound)
                tried.replaceSubrange(
                    part.lowerBound - bytes.lowerBound..<part.upperBound - bytes.lowerBound,
                    with: other.bytes[part.lowerBound - other.offset..<part.upperBound - other.offset])
            }
            let isRight = unsafe self.value(of: tried.span.bytes, 0..<tried.count, shape, leaf: bytes.lowerBound / leafLength) == value
            guard isRight else { continue }
            for (index, byte) in tried.enumerated() { encoded.storeBytes(of: byte, toByteOffset: bytes.lowerBound + index, as: UInt8.self) }
            return true
        }
        return false
    }

    private static func value(of encoded: RawSpan, _ bytes: Range<Int>, _ shape: OutlineShape, leaf: Int? = nil) -> Digest {
        let part = encoded.extracting(bytes)
        return unsafe part.withUnsafeBytes { source in
            unsafe BLAKE3Digest.output {
                unsafe rmcp_blake3_subtree(source.baseAddress.unsafelyUnwrapped, source.count, UInt64(leaf ?? bytes.lowerBound / leafLength), $0)
            }
        }
    }

    /// The value of a node: what `known` says of it, or that of its halves.
    private static func fold(_ node: Range<Int>, isRoot: Bool, _ known: (Range<Int>) -> Digest?) -> Digest {
        if let value = known(node) { return value }
        let middle = OutlineShape.split(node)
        let left = fold(node.lowerBound..<middle, isRoot: false, known)
        let right = fold(middle..<node.upperBound, isRoot: false, known)
        return BLAKE3Digest.parent(of: left, right, isRoot: isRoot)
    }

    /// Values of the nodes beside the way from a run up to the root of `node`, in the order of the bytes that they stand for.
    private static func siblings(of run: Range<Int>, in node: Range<Int>, _ values: [Digest]) -> [Digest] {
        if node == run { return [] }
        guard node.overlaps(run) else { return [fold(node, isRoot: false) { $0.count == 1 ? values[$0.lowerBound] : nil }] }
        let middle = OutlineShape.split(node)
        return siblings(of: run, in: node.lowerBound..<middle, values) + siblings(of: run, in: middle..<node.upperBound, values)
    }
}
