import Testing

@testable import RMCPProtocol

@Suite struct RegionTableTests {
    private let group = SocketAddress.ipv4(239, 255, 76, 110, port: 17_710)
    private let start = Instant.zero + .seconds(100)

    private func region(_ number: UInt8) -> SocketAddress { .ipv4(239, 255, 77, number, port: 17_711) }

    private func full() -> RegionTable {
        var table = RegionTable(group: group)
        for number in 1...4 as ClosedRange<UInt8> {
            #expect(table.noteAdvertised(region(number), at: start) == true)
            #expect(table.noteJoined(region(number)) == nil)
        }
        return table
    }

    @Test func aRegionIsJoinedOnce() {
        var table = RegionTable(group: group)
        #expect(table.noteAdvertised(region(1), at: start) == true)
        #expect(table.noteAdvertised(region(1), at: start) == false, "it is being joined")
        #expect(table.joined.isEmpty && !table.hearsRepairNodes(at: start))
        #expect(table.noteJoined(region(1)) == nil)
        #expect(table.joined == [region(1)])
        #expect(table.noteAdvertised(region(1), at: start + .seconds(1)) == false)
    }

    @Test func repairNodesAreHeardWhileTheyAdvertise() {
        var table = full()
        #expect(table.hearsRepairNodes(at: start + .milliseconds(1_999)))
        #expect(!table.hearsRepairNodes(at: start + .seconds(2)))
        _ = table.noteAdvertised(region(3), at: start + .seconds(60))
        #expect(table.hearsRepairNodes(at: start + .seconds(61)))
    }

    @Test func theGroupOtherFamiliesAndNobodyAreNoRegion() {
        var table = RegionTable(group: group)
        #expect(table.noteAdvertised(group, at: start) == false)
        #expect(table.noteAdvertised(SocketAddress(family: .ipv6, high: 0xFF15 << 48, low: 1, port: 1), at: start) == false)
        var deaf = RegionTable(group: nil)
        #expect(deaf.noteAdvertised(region(1), at: start) == false)
    }

    @Test func aSilentRegionGivesWayOnceItsSuccessorIsJoined() {
        var table = full()
        #expect(table.noteAdvertised(region(5), at: start + .seconds(30)) == false, "all four were advertised half a minute ago")
        let later = start + .milliseconds(30_001)
        for number in [1, 2, 4] as [UInt8] { #expect(table.noteAdvertised(region(number), at: later) == false) }
        #expect(table.noteAdvertised(region(5), at: later) == true)
        #expect(table.noteAdvertised(region(6), at: later) == false, "there is one place")
        #expect(table.joined.count == 4)
        #expect(table.noteJoined(region(5)) == region(3))
        #expect(table.joined == [1, 2, 4, 5].map { region($0) })
    }

    @Test func oneThatCannotBeJoinedTakesNobodysPlaceAndIsLeftAlone() {
        var table = full()
        let later = start + .seconds(31)
        #expect(table.noteAdvertised(region(5), at: later) == true)
        table.noteFailed(region(5), at: later)
        #expect(table.joined == [1, 2, 3, 4].map { region($0) })
        #expect(table.noteAdvertised(region(5), at: later + .milliseconds(9_999)) == false)
        #expect(table.noteAdvertised(region(5), at: later + .seconds(10)) == true)
    }

    @Test func aFloodOfRegionsIsBounded() {
        var table = RegionTable(group: group)
        var joining = 0
        for _ in 0..<3 { for number in 1...200 as ClosedRange<UInt8> where table.noteAdvertised(region(number), at: start) { joining += 1 } }
        #expect(joining == RegionTable.limit)
        for number in 1...200 as ClosedRange<UInt8> { table.noteFailed(region(number), at: start) }
        #expect(table.noteAdvertised(region(1), at: start) == true, "the oldest failures are forgotten")
        #expect(table.noteAdvertised(region(200), at: start) == false)
        // Known ones keep their places whatever comes before them.
        var full = full()
        let later = start + .seconds(30)
        for number in (1...200 as ClosedRange<UInt8>).reversed() { #expect(full.noteAdvertised(region(number), at: later) == false) }
        #expect(full.noteAdvertised(region(9), at: later + .seconds(1)) == false)
    }
}
