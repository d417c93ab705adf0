/// Place of each file of a tree in the bundle's content.
///
/// ```
///   [ catalog | small files and tails, in catalog order | zeros up to a chunk ][ bodies: whole chunks, in catalog order ]
/// ```
/// A file's body is as many whole chunks as it has, from its beginning on; its tail is the rest. Nothing of this is written down: it
/// follows from the sizes, so that no two files can share a byte. Where no file has a body there is no padding.
public struct TreeLayout: Sendable {
    /// A stretch of the content that is one thing.
    public enum Piece: Sendable, Equatable {
        /// Bytes of the catalog.
        case catalog(Range<UInt64>)
        /// Bytes of a file, from `offset` in it on.
        case file(entry: Int, offset: UInt64, length: UInt64)
        /// Zeros that belong to nothing.
        case padding(length: UInt64)
    }

    /// Bytes of a chunk, above 0.
    public let chunkLength: UInt32
    /// Bytes of the catalog, which the content begins with.
    public let catalogLength: UInt64
    /// Bytes of the whole content.
    public let contentLength: UInt64
    private let packedLength: UInt64
    private let bodyStart: UInt64
    /// Bytes of tails before each entry, and behind the last.
    private let packedBefore: [UInt64]
    /// Chunks of bodies before each entry, and behind the last.
    private let chunksBefore: [UInt32]

    init(_ header: CatalogHeader, chunkLength: UInt32, packedBefore: [UInt64], chunksBefore: [UInt32]) {
        self.chunkLength = chunkLength
        catalogLength = UInt64(header.catalogLength)
        packedLength = header.packedLength
        contentLength = header.contentLength(chunkLength: chunkLength)
        bodyStart = contentLength - UInt64(header.bodyChunks) * UInt64(chunkLength)
        self.packedBefore = packedBefore
        self.chunksBefore = chunksBefore
    }

    static func roundedUp(_ value: UInt64, to unit: UInt64) -> UInt64 { (value + unit - 1) / unit * unit }

    /// Bytes of all files.
    public var filesLength: UInt64 { packedLength + (contentLength - bodyStart) }

    /// Stretch of the chunks that belong to one file each; empty behind the end where no file has a body.
    public var bodies: Range<UInt64> { bodyStart..<contentLength }

    // MARK: Of a file

    /// Bytes of the entry's content: 0 for what is no file.
    public func length(of entry: Int) -> UInt64 { bodyLength(of: entry) + (packedBefore[entry + 1] - packedBefore[entry]) }

    private func bodyLength(of entry: Int) -> UInt64 { UInt64(chunksBefore[entry + 1] - chunksBefore[entry]) * UInt64(chunkLength) }

    /// Stretch of the file's first bytes in the content, as many whole chunks as it has; empty for a file of less.
    public func body(of entry: Int) -> Range<UInt64> {
        let start = bodyStart + UInt64(chunksBefore[entry]) * UInt64(chunkLength)
        return start..<start + bodyLength(of: entry)
    }

    /// Stretch of the rest of the file in the content; empty for a file of whole chunks.
    public func tail(of entry: Int) -> Range<UInt64> { catalogLength + packedBefore[entry]..<catalogLength + packedBefore[entry + 1] }

    // MARK: Of a stretch

    /// Pieces of a stretch of the content in their order; what lies behind its end is left out.
    public func pieces(of range: Range<UInt64>) -> [Piece] {
        var pieces: [Piece] = []
        visit(range) { pieces.append($0) }
        return pieces
    }

    /// Likewise, without an array of them.
    public func visit<Failure: Error>(_ range: Range<UInt64>, _ body: (Piece) throws(Failure) -> Void) throws(Failure) {
        let end = min(range.upperBound, contentLength)
        let packedEnd = catalogLength + packedLength
        var position = range.lowerBound
        if position < min(end, catalogLength) {
            let stop = min(end, catalogLength)
            try body(.catalog(position..<stop))
            position = stop
        }
        if position < min(end, packedEnd) { try visitTails(&position, to: min(end, packedEnd), body) }
        if position < min(end, bodyStart) {
            let stop = min(end, bodyStart)
            try body(.padding(length: stop - position))
            position = stop
        }
        if position < end { try visitBodies(&position, to: end, body) }
    }

    private func visitTails<Failure: Error>(
        _ position: inout UInt64, to end: UInt64, _ body: (Piece) throws(Failure) -> Void
    ) throws(Failure) {
        var entry = Self.last(in: packedBefore, notAbove: position - catalogLength)
        while position < end {
            let tail = tail(of: entry)
            if !tail.isEmpty {
                let stop = min(end, tail.upperBound)
                try body(.file(entry: entry, offset: bodyLength(of: entry) + position - tail.lowerBound, length: stop - position))
                position = stop
            }
            entry += 1
        }
    }

    private func visitBodies<Failure: Error>(
        _ position: inout UInt64, to end: UInt64, _ body: (Piece) throws(Failure) -> Void
    ) throws(Failure) {
        var entry = Self.last(in: chunksBefore, notAbove: UInt32((position - bodyStart) / UInt64(chunkLength)))
        while position < end {
            let whole = self.body(of: entry)
            if !whole.isEmpty {
                let stop = min(end, whole.upperBound)
                try body(.file(entry: entry, offset: position - whole.lowerBound, length: stop - position))
                position = stop
            }
            entry += 1
        }
    }

    /// Last entry that nothing beyond `value` comes before: of several with the same sum the one that has bytes.
    private static func last<Sum: Comparable>(in sums: [Sum], notAbove value: Sum) -> Int {
        var (low, high) = (0, sums.count - 1)
        while high - low > 1 {
            let middle = (low + high) / 2
            if sums[middle] <= value { low = middle } else { high = middle }
        }
        return low
    }
}
