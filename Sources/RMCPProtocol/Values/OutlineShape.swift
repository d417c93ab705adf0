/// Shape of an encoded chunk's outline: the chunk's digest is the root of a tree (BLAKE3's), and the values of the subtrees of so many bytes tell which
/// of them are as they should be. The shape follows from what both ends know, and is not on the wire.
///
/// A datagram carries the values of a run of subtrees, and those of the siblings on the way from the run up to the root: so each is
/// verified alone against the record's digest, and a forged one spoils nothing (Bao's slices, with groups of leaves).
public struct OutlineShape: Hashable, Sendable {
    /// Bytes.
    public let encodedLength: Int
    /// Bytes of a subtree: a power of two, 4 KiB or more.
    public let subtreeLength: Int
    /// Values in a part, 1 or more: a power of two.
    public let runLength: Int

    /// Shorter subtrees cost more values than they save packets: a packet of 1,376 bytes touches one or two of these.
    private static let shortestSubtree = 4 << 10
    /// So an outline has at most 8 KiB, 1 % of the least chunk that needs so many.
    private static let mostSubtrees = 256
    /// The number of values is a byte on the wire.
    private static let longestRun = 128

    /// Nil for a chunk that is a single subtree: its digest says all that an outline could.
    public init?(encodedLength: UInt32, payloadLength: UInt16) {
        let length = Int(encodedLength)
        var subtree = Self.shortestSubtree
        while subtree * Self.mostSubtrees < length { subtree *= 2 }
        let count = (length + subtree - 1) / subtree
        guard count > 1 else { return nil }
        // The longest run that fits a datagram with its siblings.
        var run = 1
        while run < min(count, Self.longestRun), Self.valueCount(run: run * 2, of: count) * Bytes32.length <= Int(payloadLength) { run *= 2 }
        self.encodedLength = length
        subtreeLength = subtree
        runLength = run
    }

    /// Values in a part with the most siblings.
    private static func valueCount(run: Int, of count: Int) -> Int {
        let runs = (count + run - 1) / run
        // A tree of so many runs is as deep as their number has bits.
        return run + (runs > 1 ? Int.bitWidth - (runs - 1).leadingZeroBitCount : 0)
    }

    /// Subtrees of the chunk, 2...256; the last one may be shorter than the others.
    public var subtreeCount: Int { (encodedLength + subtreeLength - 1) / subtreeLength }
    /// Datagrams of the whole outline, 1...64: 4 values and 6 siblings fit the shortest datagram.
    public var partCount: Int { (subtreeCount + runLength - 1) / runLength }

    /// Subtrees whose values are in a part.
    public func subtrees(ofPart part: Int) -> Range<Int> { part * runLength..<min((part + 1) * runLength, subtreeCount) }

    /// Stretch of the encoded chunk that a subtree stands for, of those below `subtreeCount`.
    public func bytes(ofSubtree subtree: Int) -> Range<Int> { subtree * subtreeLength..<min((subtree + 1) * subtreeLength, encodedLength) }

    /// Siblings on the way from a part's run up to the root.
    public func siblingCount(ofPart part: Int) -> Int {
        let run = subtrees(ofPart: part)
        var node = 0..<subtreeCount
        var count = 0
        while node != run {
            let middle = Self.split(node)
            node = run.lowerBound < middle ? node.lowerBound..<middle : middle..<node.upperBound
            count += 1
        }
        return count
    }

    /// First subtree of a node's right half, of two or more subtrees: the left one has the largest power of two that leaves something
    /// (BLAKE3, 2.1).
    public static func split(_ node: Range<Int>) -> Int {
        node.lowerBound + (1 << (Int.bitWidth - 1 - (node.count - 1).leadingZeroBitCount))
    }

    /// Packets that have bytes of a run of subtrees.
    func packets(touching subtrees: Range<Int>, payloadLength: UInt16) -> Range<Int> {
        let start = subtrees.lowerBound * subtreeLength / Int(payloadLength)
        let end = min(subtrees.upperBound * subtreeLength, encodedLength)
        return start..<(end + Int(payloadLength) - 1) / Int(payloadLength)
    }
}
