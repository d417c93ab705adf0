/// A set of packet indices of one chunk, as a bitmap. It keeps its storage when it is emptied, so that an assembly slot
/// allocates once.
public struct PacketSet: Hashable, Sendable {
    private var words: [UInt64]
    public private(set) var count = 0

    /// An empty set with room for indices below `capacity`; it grows when a larger one is inserted.
    public init(capacity: Int = 0) { words = Array(repeating: 0, count: (capacity + 63) / 64) }

    public init(_ range: Range<Int>) {
        self.init(capacity: range.upperBound)
        insert(range)
    }

    public var isEmpty: Bool { count == 0 }

    public func contains(_ index: Int) -> Bool {
        let word = index >> 6
        return word < words.count && words[word] & (1 << UInt64(index & 63)) != 0
    }

    /// True when `index` was not in the set.
    @discardableResult
    public mutating func insert(_ index: Int) -> Bool {
        let word = index >> 6
        grow(toWords: word + 1)
        let bit: UInt64 = 1 << UInt64(index & 63)
        guard words[word] & bit == 0 else { return false }
        words[word] |= bit
        count += 1
        return true
    }

    @discardableResult
    public mutating func remove(_ index: Int) -> Bool {
        guard contains(index) else { return false }
        words[index >> 6] &= ~(1 << UInt64(index & 63))
        count -= 1
        return true
    }

    public mutating func insert(_ range: Range<Int>) {
        guard !range.isEmpty else { return }
        grow(toWords: (range.upperBound + 63) / 64)
        for word in (range.lowerBound >> 6)...((range.upperBound - 1) >> 6) {
            let mask = Self.mask(of: range, inWord: word)
            count += (mask & ~words[word]).nonzeroBitCount
            words[word] |= mask
        }
    }

    public mutating func formUnion(_ other: PacketSet) {
        grow(toWords: other.words.count)
        for word in other.words.indices {
            count += (other.words[word] & ~words[word]).nonzeroBitCount
            words[word] |= other.words[word]
        }
    }

    public mutating func subtract(_ other: PacketSet) {
        for word in 0..<min(words.count, other.words.count) {
            count -= (words[word] & other.words[word]).nonzeroBitCount
            words[word] &= ~other.words[word]
        }
    }

    public mutating func removeAll() {
        for word in words.indices { words[word] = 0 }
        count = 0
    }

    /// What of `range` is not in this set.
    public func missing(in range: Range<Int>) -> PacketSet {
        var result = PacketSet(capacity: range.upperBound)
        guard !range.isEmpty else { return result }
        for word in (range.lowerBound >> 6)...((range.upperBound - 1) >> 6) {
            let present = word < words.count ? words[word] : 0
            result.words[word] = Self.mask(of: range, inWord: word) & ~present
            result.count += result.words[word].nonzeroBitCount
        }
        return result
    }

    /// Whether every index below `bound` is in the set.
    public func containsAll(below bound: Int) -> Bool {
        guard bound > 0 else { return true }
        guard count >= bound else { return false }
        let whole = bound >> 6
        for word in 0..<whole where words[word] != ~0 { return false }
        let rest: UInt64 = (1 << UInt64(bound & 63)) - 1
        return rest == 0 || (whole < words.count && words[whole] & rest == rest)
    }

    /// The smallest index in the set that is `lowerBound` or more.
    public func first(from lowerBound: Int = 0) -> Int? {
        var word = lowerBound >> 6
        guard word < words.count else { return nil }
        var bits = words[word] & (~0 << UInt64(lowerBound & 63))
        while bits == 0 {
            word += 1
            guard word < words.count else { return nil }
            bits = words[word]
        }
        return word << 6 + bits.trailingZeroBitCount
    }

    public var last: Int? {
        guard let word = words.lastIndex(where: { $0 != 0 }) else { return nil }
        return word << 6 + 63 - words[word].leadingZeroBitCount
    }

    /// The maximal runs of consecutive indices, in order.
    public func forEachRun(_ body: (Range<Int>) -> Void) {
        var position = first()
        while let start = position {
            var end = start + 1
            while contains(end) { end += 1 }
            body(start..<end)
            position = first(from: end)
        }
    }

    private mutating func grow(toWords needed: Int) {
        if needed > words.count { words.append(contentsOf: repeatElement(0, count: needed - words.count)) }
    }

    private static func mask(of range: Range<Int>, inWord word: Int) -> UInt64 {
        let low = max(range.lowerBound - word << 6, 0)
        let high = min(range.upperBound - word << 6, 64)
        guard low < high else { return 0 }
        return (high == 64 ? ~0 : (1 << UInt64(high)) - 1) & (~0 << UInt64(low))
    }

    public static func == (left: PacketSet, right: PacketSet) -> Bool {
        guard left.count == right.count else { return false }
        return zip(left.words, right.words).allSatisfy { $0 == $1 }
    }

    public func hash(into hasher: inout Hasher) { forEachRun { hasher.combine($0) } }
}
