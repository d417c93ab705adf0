/// A set of packet indices of one chunk, as a bitmap. It keeps its storage when it is emptied, so that an assembly slot
/// allocates once.
public struct PacketSet: Hashable, Sendable {
    private var words: [UInt64]
    /// Members. Kept as they come and go, so that it costs nothing to ask.
    public private(set) var count = 0

    /// An empty set with room for indices below `capacity`; it grows when a larger one is inserted.
    public init(capacity: Int = 0) { words = Array(repeating: 0, count: (capacity + 63) / 64) }

    /// Makes a set of all indices of a range, none of them below 0.
    public init(_ range: Range<Int>) {
        self.init(capacity: range.upperBound)
        insert(range)
    }

    public var isEmpty: Bool { count == 0 }

    /// Looks for an index, 0 or more. One beyond the room is not in the set.
    public func contains(_ index: Int) -> Bool {
        let word = index >> 6
        return word < words.count && words[word] & (1 << UInt64(index & 63)) != 0
    }

    /// True when `index` was not in the set.
    @discardableResult
    @inline(__always)
    public mutating func insert(_ index: Int) -> Bool {
        let word = index >> 6
        grow(toWords: word + 1)
        let bit: UInt64 = 1 << UInt64(index & 63)
        guard words[word] & bit == 0 else { return false }
        words[word] |= bit
        count += 1
        return true
    }

    /// Takes an index away; false when it was not in the set.
    @discardableResult
    public mutating func remove(_ index: Int) -> Bool {
        guard contains(index) else { return false }
        words[index >> 6] &= ~(1 << UInt64(index & 63))
        count -= 1
        return true
    }

    /// Adds all indices of a range, none of them below 0. The set grows to the last of them, however few there are.
    public mutating func insert(_ range: Range<Int>) {
        guard !range.isEmpty else { return }
        grow(toWords: (range.upperBound + 63) / 64)
        for word in (range.lowerBound >> 6)...((range.upperBound - 1) >> 6) {
            let mask = Self.mask(of: range, inWord: word)
            count += (mask & ~words[word]).nonzeroBitCount
            words[word] |= mask
        }
    }

    /// Adds all members of another set, and grows to its room.
    public mutating func formUnion(_ other: PacketSet) {
        grow(toWords: other.words.count)
        for word in other.words.indices {
            count += (other.words[word] & ~words[word]).nonzeroBitCount
            words[word] |= other.words[word]
        }
    }

    /// Takes away what another set has, and keeps its memory.
    public mutating func subtract(_ other: PacketSet) {
        // Nothing to take is nothing to make a copy for.
        guard count > 0, other.count > 0 else { return }
        for word in 0..<min(words.count, other.words.count) {
            count -= (words[word] & other.words[word]).nonzeroBitCount
            words[word] &= ~other.words[word]
        }
    }

    /// Keeps the lowest `limit` of them.
    mutating func keepFirst(_ limit: Int) {
        guard count > limit else { return }
        var left = max(0, limit)
        count = left
        for word in words.indices {
            var surplus = words[word].nonzeroBitCount - left
            left = max(0, -surplus)
            while surplus > 0 {
                words[word] &= ~(1 << UInt64(words[word].bitWidth - 1 - words[word].leadingZeroBitCount))
                surplus -= 1
            }
        }
    }

    /// Empties the set and keeps its memory.
    public mutating func removeAll() {
        for word in words.indices { words[word] = 0 }
        count = 0
    }

    /// What of `range` is not in this set.
    public func missing(in range: Range<Int>) -> PacketSet {
        var result = PacketSet(capacity: range.upperBound)
        guard !range.isEmpty else { return result }
        let first = range.lowerBound >> 6
        let last = (range.upperBound - 1) >> 6
        for word in first...last { result.words[word] = word < words.count ? ~words[word] : ~0 }
        result.words[first] &= Self.mask(of: range, inWord: first)
        result.words[last] &= Self.mask(of: range, inWord: last)
        for word in first...last { result.count += result.words[word].nonzeroBitCount }
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

    /// Largest member; nil for an empty set.
    public var last: Int? {
        guard let word = words.lastIndex(where: { $0 != 0 }) else { return nil }
        return word << 6 + 63 - words[word].leadingZeroBitCount
    }

    public func isSuperset(of other: PacketSet) -> Bool {
        guard count >= other.count else { return false }
        for word in other.words.indices {
            guard other.words[word] & ~(word < words.count ? words[word] : 0) == 0 else { return false }
        }
        return true
    }

    /// The smallest index that is `lowerBound` or more and not in the set.
    private func firstAbsent(from lowerBound: Int) -> Int {
        var word = lowerBound >> 6
        guard word < words.count else { return lowerBound }
        var bits = ~words[word] & (~0 << UInt64(lowerBound & 63))
        while bits == 0 {
            word += 1
            guard word < words.count else { return word << 6 }
            bits = ~words[word]
        }
        return word << 6 + bits.trailingZeroBitCount
    }

    /// The maximal runs of consecutive indices, in order.
    public func forEachRun(_ body: (Range<Int>) -> Void) {
        var position = first()
        while let start = position {
            let end = firstAbsent(from: start)
            body(start..<end)
            position = first(from: end)
        }
    }

    /// How many maximal runs there are: each begins where an index is in the set and the one before it is not.
    var runCount: Int {
        var runs = 0
        var previous: UInt64 = 0
        for word in words {
            runs += (word & ~(word << 1 | previous)).nonzeroBitCount
            previous = word >> 63
        }
        return runs
    }

    // MARK: Bitmaps on the wire

    /// Which of the eight indices from `start` on are in the set, the first of them as the highest bit.
    func bitmapByte(from start: Int) -> UInt8 {
        let word = start >> 6
        let shift = UInt64(start & 63)
        var bits = word < words.count ? words[word] >> shift : 0
        if shift > 56, word + 1 < words.count { bits |= words[word + 1] << (64 - shift) }
        return Self.reversed(UInt8(truncatingIfNeeded: bits))
    }

    /// The other way round.
    mutating func insert(bitmapByte byte: UInt8, from start: Int) {
        guard byte != 0 else { return }
        let bits = UInt64(Self.reversed(byte))
        let word = start >> 6
        let shift = UInt64(start & 63)
        merge(bits << shift, intoWord: word)
        if shift > 56 { merge(bits >> (64 - shift), intoWord: word + 1) }
    }

    private mutating func merge(_ bits: UInt64, intoWord word: Int) {
        guard bits != 0 else { return }
        grow(toWords: word + 1)
        count += (bits & ~words[word]).nonzeroBitCount
        words[word] |= bits
    }

    private static func reversed(_ byte: UInt8) -> UInt8 {
        let halves = byte << 4 | byte >> 4
        let quarters = (halves & 0x33) << 2 | (halves >> 2) & 0x33
        return (quarters & 0x55) << 1 | (quarters >> 1) & 0x55
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
