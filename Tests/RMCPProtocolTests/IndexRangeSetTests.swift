import Testing

@testable import RMCPProtocol

@Suite struct IndexRangeSetTests {
    /// The only ranges that hold exactly `model`, sorted, neither overlapping nor touching.
    private func canonical(_ model: Set<UInt32>) -> [Range<UInt32>] {
        var result: [Range<UInt32>] = []
        for value in model.sorted() {
            if let last = result.last, last.upperBound == value {
                result[result.count - 1] = last.lowerBound..<value + 1
            } else {
                result.append(value..<value + 1)
            }
        }
        return result
    }

    @Test(arguments: [21, 22, 23] as [UInt64]) func followsAModelThroughRandomOperations(seed: UInt64) {
        var random = RandomSource(seed: seed)
        var set = IndexRangeSet()
        var model: Set<UInt32> = []
        for _ in 0..<3_000 {
            let start = UInt32(random.int(0...200))
            let range = start..<start + UInt32(random.int(0...25))
            switch random.int(0...99) {
            case 0..<30:
                set.insert(range)
                model.formUnion(range)
            case 30..<50:
                set.insert(start)
                model.insert(start)
            case 50..<80:
                set.remove(range)
                model.subtract(range)
            case 80..<99:
                set.remove(start)
                model.remove(start)
            default:
                set.removeAll()
                model.removeAll()
            }
            #expect(set.ranges == canonical(model))
            #expect(set.count == model.count && set.isEmpty == model.isEmpty && set.first == model.min())
            let probe = UInt32(random.int(0...240))
            #expect(set.contains(probe) == model.contains(probe))
            #expect(set.first(from: probe) == model.filter { $0 >= probe }.min())
        }
    }

    @Test func touchingRangesAreJoined() {
        var set = IndexRangeSet(10..<20)
        set.insert(30..<40)
        set.insert(20..<30)
        #expect(set.ranges == [10..<40])
        set.remove(15..<35)
        #expect(set.ranges == [10..<15, 35..<40])
        set.insert(0..<100)
        #expect(set.ranges == [0..<100])
        #expect(IndexRangeSet(5..<5).isEmpty)
    }

    /// Equal sets are equal however they were made.
    @Test func equalityIsThatOfTheMembers() {
        var piecewise = IndexRangeSet()
        for value: UInt32 in [4, 2, 3, 7, 1] { piecewise.insert(value) }
        piecewise.remove(7)
        #expect(piecewise == IndexRangeSet(1..<5))
    }
}
