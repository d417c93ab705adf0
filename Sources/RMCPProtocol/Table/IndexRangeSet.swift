/// A set of 32-bit indices (chunks, pages) as sorted ranges that neither overlap nor touch. Its size is that of its
/// fragmentation, which the caller bounds.
public struct IndexRangeSet: Hashable, Sendable {
    /// Maximal ranges, in rising order; none is empty.
    public private(set) var ranges: [Range<UInt32>] = []

    public init() {}
    public init(_ range: Range<UInt32>) { if !range.isEmpty { ranges = [range] } }

    public var isEmpty: Bool { ranges.isEmpty }
    /// Members, and not ranges. Costs a look at each range.
    public var count: Int { ranges.reduce(0) { $0 + $1.count } }
    /// Smallest member; nil for an empty set.
    public var first: UInt32? { ranges.first?.lowerBound }

    /// Index of the first range that ends behind `value`.
    private func position(of value: UInt32) -> Int {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound <= value { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Looks for the range by halves, as `first(from:)` and `overlap(with:)` do.
    public func contains(_ value: UInt32) -> Bool {
        let index = position(of: value)
        return index < ranges.count && ranges[index].contains(value)
    }

    /// The smallest member that is `lowerBound` or more.
    public func first(from lowerBound: UInt32) -> UInt32? {
        let index = position(of: lowerBound)
        guard index < ranges.count else { return nil }
        return max(lowerBound, ranges[index].lowerBound)
    }

    /// The members in a row from the smallest that is `lowerBound` or more.
    func run(from lowerBound: UInt32) -> Range<UInt32>? {
        let index = position(of: lowerBound)
        guard index < ranges.count else { return nil }
        return max(lowerBound, ranges[index].lowerBound)..<ranges[index].upperBound
    }

    /// The members within `range`, or the first pieces of them.
    public func overlap(with range: Range<UInt32>, pieces limit: Int = .max) -> [Range<UInt32>] {
        ranges[position(of: range.lowerBound)...].prefix(limit).prefix { $0.lowerBound < range.upperBound }.map { $0.clamped(to: range) }
    }

    /// Adds one member, below 2^32 - 1: that one traps.
    public mutating func insert(_ value: UInt32) { insert(value..<value + 1) }

    /// Adds the members that are not there yet. Ranges that then touch become one.
    public mutating func insert(_ range: Range<UInt32>) {
        guard !range.isEmpty else { return }
        // A range that ends where this one starts is joined too.
        var low = position(of: range.lowerBound)
        if low > 0, ranges[low - 1].upperBound == range.lowerBound { low -= 1 }
        var high = low
        var merged = range
        while high < ranges.count, ranges[high].lowerBound <= range.upperBound {
            merged = min(merged.lowerBound, ranges[high].lowerBound)..<max(merged.upperBound, ranges[high].upperBound)
            high += 1
        }
        ranges.replaceSubrange(low..<high, with: CollectionOfOne(merged))
    }

    /// Takes one member away, if it is there; 2^32 - 1 traps.
    public mutating func remove(_ value: UInt32) { remove(value..<value + 1) }

    /// Takes the members away that are there. A range may be split by that, so that the set grows.
    public mutating func remove(_ range: Range<UInt32>) {
        guard !range.isEmpty else { return }
        let low = position(of: range.lowerBound)
        var high = low
        var kept: [Range<UInt32>] = []
        while high < ranges.count, ranges[high].lowerBound < range.upperBound {
            let old = ranges[high]
            if old.lowerBound < range.lowerBound { kept.append(old.lowerBound..<range.lowerBound) }
            if old.upperBound > range.upperBound { kept.append(range.upperBound..<old.upperBound) }
            high += 1
        }
        ranges.replaceSubrange(low..<high, with: kept)
    }

    /// Empties the set and keeps its memory.
    public mutating func removeAll() { ranges.removeAll(keepingCapacity: true) }
}
