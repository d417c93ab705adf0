import Testing

@testable import RMCPProtocol

@Suite struct ResidentChunksTests {
    private static let settings = MemorySettings()

    private func sent(_ chunks: Range<UInt32>, in resident: inout ResidentChunks) -> [UInt32] {
        var released: [UInt32] = []
        for chunk in chunks {
            resident.insert(chunk, at: .zero + .milliseconds(Int64(chunk)))
            while let gone = resident.evict(before: chunk + 1, unless: { _ in false }) { released.append(gone) }
        }
        return released
    }

    /// Memory that is used again and again is in the cache.
    @Test func fewAreHeldWhereNoneIsAskedForAgain() {
        var resident = ResidentChunks(configuration: Configuration())
        let released = sent(0..<500, in: &resident)
        #expect(resident.count <= Self.settings.maximumResidentChunks / 3)
        #expect(released == Array(0..<UInt32(500 - resident.count)), "the oldest goes first")
    }

    @Test func aFetchDoublesWhatIsHeldUpToTheLimit() {
        var resident = ResidentChunks(configuration: Configuration())
        _ = sent(0..<100, in: &resident)
        let before = resident.count
        resident.beginFetch(0)
        _ = sent(100..<300, in: &resident)
        resident.failFetch(0)
        _ = sent(300..<301, in: &resident)
        #expect(resident.count == 2 * before)
        for chunk in 1..<UInt32(20) {
            resident.beginFetch(chunk)
            resident.failFetch(chunk)
        }
        _ = sent(301..<900, in: &resident)
        #expect(resident.count == Self.settings.maximumResidentChunks)
    }
}
