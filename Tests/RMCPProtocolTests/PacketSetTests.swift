import Testing

@testable import RMCPProtocol

/// The bitmap against `Set<Int>`, which cannot get word boundaries wrong.
@Suite struct PacketSetTests {
    private static let bound = 300

    private func expect(_ set: PacketSet, _ model: Set<Int>, sourceLocation: SourceLocation = #_sourceLocation) {
        let sorted = model.sorted()
        #expect(set.count == model.count, sourceLocation: sourceLocation)
        #expect(set.isEmpty == model.isEmpty, sourceLocation: sourceLocation)
        #expect(set.last == sorted.last, sourceLocation: sourceLocation)
        var runs: [Range<Int>] = []
        set.forEachRun { runs.append($0) }
        #expect(runs.flatMap { Array($0) } == sorted, sourceLocation: sourceLocation)
        // Runs are maximal: none starts where the one before stops.
        #expect(zip(runs, runs.dropFirst()).allSatisfy { $0.upperBound < $1.lowerBound }, sourceLocation: sourceLocation)
    }

    private func randomSet(_ random: inout RandomSource) -> (PacketSet, Set<Int>) {
        var set = PacketSet(capacity: random.int(0...Self.bound))
        var model: Set<Int> = []
        for _ in 0..<random.int(0...60) {
            let index = random.int(0...Self.bound)
            set.insert(index)
            model.insert(index)
        }
        return (set, model)
    }

    @Test func followsAModelThroughRandomOperations() {
        var random = RandomSource(seed: 11)
        var set = PacketSet()
        var model: Set<Int> = []
        for _ in 0..<4_000 {
            let index = random.int(0...Self.bound)
            switch random.int(0...19) {
            case 0...6: #expect(set.insert(index) == model.insert(index).inserted)
            case 7...13: #expect(set.remove(index) == (model.remove(index) != nil))
            case 14...15:
                let range = index..<index + random.int(0...140)
                set.insert(range)
                model.formUnion(range)
            case 16:
                let (other, otherModel) = randomSet(&random)
                set.formUnion(other)
                model.formUnion(otherModel)
            case 17...18:
                let (other, otherModel) = randomSet(&random)
                set.subtract(other)
                model.subtract(otherModel)
            default:
                set.removeAll()
                model.removeAll()
            }
            expect(set, model)
            let probe = random.int(0...600)
            #expect(set.contains(probe) == model.contains(probe))
            #expect(set.first(from: probe) == model.filter { $0 >= probe }.min())
            let range = probe..<probe + random.int(0...200)
            expect(set.missing(in: range), Set(range).subtracting(model))
            let (other, otherModel) = randomSet(&random)
            #expect(set.isSuperset(of: other) == model.isSuperset(of: otherModel))
            var runs: [Range<Int>] = []
            set.forEachRun { runs.append($0) }
            #expect(runs.count == set.runCount)
            #expect(runs.flatMap { Array($0) } == model.sorted())
            #expect(zip(runs, runs.dropFirst()).allSatisfy { $0.upperBound < $1.lowerBound })
        }
    }

    @Test func rangesAreExactAtWordBoundaries() {
        for low in [0, 1, 62, 63, 64, 65, 127, 128] {
            for length in [0, 1, 2, 63, 64, 65, 128, 129] { expect(PacketSet(low..<low + length), Set(low..<low + length)) }
        }
    }

    @Test func aBitmapIsWhatItsBytesSay() {
        var random = RandomSource(seed: 13)
        for _ in 0..<500 {
            let (set, model) = randomSet(&random)
            let start = random.int(0...200)
            var copy = PacketSet()
            for byte in 0..<60 {
                let bits = set.bitmapByte(from: start + byte * 8)
                for bit in 0..<8 { #expect((bits & (0x80 >> UInt8(bit)) != 0) == model.contains(start + byte * 8 + bit)) }
                copy.insert(bitmapByte: bits, from: start + byte * 8)
                copy.insert(bitmapByte: bits, from: start + byte * 8)
            }
            expect(copy, model.filter { (start..<start + 480).contains($0) })
        }
    }

    /// Equality must not see how much room a set has: an emptied assembly slot keeps its words.
    @Test func equalityAndHashIgnoreCapacity() {
        var random = RandomSource(seed: 12)
        for _ in 0..<200 {
            let (left, leftModel) = randomSet(&random)
            var right = PacketSet(capacity: 2_000)
            right.insert(1_999)
            right.remove(1_999)
            for index in leftModel { right.insert(index) }
            #expect(left == right && right == left)
            #expect(left.hashValue == right.hashValue)
            right.insert(1_500)
            #expect(left != right && right != left)
            if let first = leftModel.first {
                // As many members, one of them elsewhere.
                right.remove(first)
                #expect(left.count == right.count && left != right && right != left)
            }
        }
    }
}
