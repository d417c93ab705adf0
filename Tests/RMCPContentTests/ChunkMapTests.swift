import RMCPContent
import RMCPProtocol
import Testing

/// Where chunks lie, and that they cover their content without a gap.
@Suite struct ChunkMapTests {
    private let map = ChunkMap(chunkLength: 1_000)

    @Test(arguments: [0, 1, 999, 1_000, 1_001, 5_000, 5_017] as [UInt64]) func chunksCoverTheContentWithoutGaps(length: UInt64) throws {
        let count = UInt32(map.chunkCount(for: length))
        let extents = map.extents(of: 0..<count, contentLength: length)
        #expect(extents.count == Int(count) && extents.reduce(0) { $0 + $1.length } == length)
        var end: UInt64 = 0
        for (chunk, extent) in extents.enumerated() {
            #expect(extent.offset == end && extent.length > 0 && map.offset(of: UInt32(chunk)) == end && extent.length <= 1_000)
            end = extent.end
        }
        #expect(map.extent(of: count, in: length) == nil)
        #expect(map.wholeChunks(within: length) == length / 1_000)
    }

    @Test func aRecordSaysHowLongAChunkIs() {
        #expect(map.extent(of: 3, .zero(contentLength: 17)) == ContentExtent(offset: 3_000, length: 17))
    }

    @Test func theLargestBundleHasPlaces() {
        let map = ChunkMap(chunkLength: Limits.maximumChunkLength)
        let last = Limits.maximumChunks - 1
        #expect(map.offset(of: last) == UInt64(last) << 23 && map.chunkCount(for: .max) == 1 << 41)
        #expect(map.extent(of: last, in: .max)?.length == UInt64(Limits.maximumChunkLength))
    }
}
