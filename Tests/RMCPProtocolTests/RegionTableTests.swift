import Testing

@testable import RMCPProtocol

@Suite struct RegionTableTests {
    private let group = SocketAddress.ipv4(239, 255, 76, 110, port: 17_710)
    private let start = Instant.zero + .seconds(100)

    private func region(_ number: UInt8) -> SocketAddress { .ipv4(239, 255, 77, number, port: 17_710) }

    private func full() -> RegionTable {
        var table = RegionTable(group: group)
        for number in 1...4 as ClosedRange<UInt8> {
            #expect(table.noteAdvertised(region(number), at: start) == true)
            table.noteJoined(region(number))
        }
        return table
    }

    @Test func aRegionIsJoinedOnce() {
        var table = RegionTable(group: group)
        #expect(table.noteAdvertised(region(1), at: start) == true)
        #expect(table.noteAdvertised(region(1), at: start) == false, "it is being joined")
        #expect(table.joined.isEmpty && !table.hearsRepairNodes(at: start))
        table.noteJoined(region(1))
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
        #expect(table.noteAdvertised(SocketAddress(family: .ipv6, high: 0xFF15 << 48, low: 1, port: 17_710), at: start) == false)
        var deaf = RegionTable(group: nil)
        #expect(deaf.noteAdvertised(region(1), at: start) == false)
    }

    @Test func aRegionThatNobodyAdvertisesIsLeft() {
        var table = full()
        #expect(table.nextSilence == start + .seconds(10))
        for number in [1, 2, 4] as [UInt8] { #expect(table.noteAdvertised(region(number), at: start + .seconds(9)) == false) }
        #expect(table.takeSilent(at: start + .milliseconds(9_999)).isEmpty)
        #expect(table.noteAdvertised(region(5), at: start + .milliseconds(9_999)) == false, "all places are taken")
        #expect(table.takeSilent(at: start + .seconds(10)) == [region(3)])
        #expect(table.joined == [1, 2, 4].map { region($0) })
        #expect(table.noteAdvertised(region(3), at: start + .seconds(10)) == true, "it is back")
        table.noteJoined(region(3))
        #expect(table.takeSilent(at: start + .seconds(30)) == [1, 2, 4, 3].map { region($0) })
        #expect(table.joined.isEmpty && table.nextSilence == nil)
    }

    @Test func oneThatCannotBeJoinedHasNoPlaceAndIsLeftAlone() {
        var table = RegionTable(group: group)
        #expect(table.noteAdvertised(region(5), at: start) == true)
        table.noteFailed(region(5), at: start)
        #expect(table.joined.isEmpty && table.nextSilence == nil)
        #expect(table.noteAdvertised(region(5), at: start + .milliseconds(9_999)) == false)
        #expect(table.noteAdvertised(region(5), at: start + .seconds(10)) == true)
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
        let later = start + .seconds(9)
        for number in (1...200 as ClosedRange<UInt8>).reversed() { #expect(full.noteAdvertised(region(number), at: later) == false) }
        #expect(full.takeSilent(at: later + .seconds(9)).isEmpty && full.joined.count == RegionTable.limit)
    }

    /// A host at `address`, such as 239.1.2.3, that receivers of `group` would listen to.
    private static func isRegion(_ address: SocketAddress, of group: SocketAddress) -> Bool {
        var table = RegionTable(group: group)
        return table.noteAdvertised(address, at: .zero)
    }

    private static func v6(_ high: UInt64, _ low: UInt64, port: UInt16 = 9) -> SocketAddress {
        SocketAddress(family: .ipv6, high: high << 48, low: low, port: port)
    }

    @Test(
        arguments: [
            (.ipv4(239, 255, 76, 28, port: 9), .ipv4(239, 255, 76, 27, port: 9), true),
            (.ipv4(239, 254, 0, 1, port: 9), .ipv4(239, 255, 76, 27, port: 9), true),
            (.ipv4(239, 255, 76, 28, port: 8), .ipv4(239, 255, 76, 27, port: 9), false),
            (.ipv4(239, 192, 0, 1, port: 9), .ipv4(239, 255, 76, 27, port: 9), false),
            (.ipv4(239, 255, 0, 1, port: 9), .ipv4(239, 192, 0, 1, port: 9), true), (.ipv4(239, 1, 0, 1, port: 9), .ipv4(239, 192, 0, 1, port: 9), true),
            (.ipv4(233, 1, 0, 1, port: 9), .ipv4(239, 255, 76, 27, port: 9), false), (.ipv4(239, 255, 0, 1, port: 9), .ipv4(233, 1, 0, 1, port: 9), false),
            (.ipv4(232, 1, 0, 1, port: 9), .ipv4(233, 1, 0, 1, port: 9), false), (.ipv4(225, 1, 0, 1, port: 9), .ipv4(233, 1, 0, 1, port: 9), true),
            (.ipv4(224, 0, 0, 5, port: 9), .ipv4(239, 255, 76, 27, port: 9), false), (.ipv4(224, 0, 0, 5, port: 9), .ipv4(224, 0, 0, 120, port: 9), true),
            (.ipv4(224, 0, 1, 5, port: 9), .ipv4(224, 0, 0, 120, port: 9), false), (.ipv4(10, 0, 0, 1, port: 9), .ipv4(239, 255, 76, 27, port: 9), false),
            (v6(0xFF15, 2), v6(0xFF15, 1), true), (v6(0xFF05, 2), v6(0xFF15, 1), true), (v6(0xFF1E, 2), v6(0xFF15, 1), false),
            (v6(0xFF12, 2), v6(0xFF15, 1), false),
            (v6(0xFF15, 2, port: 8), v6(0xFF15, 1), false), (v6(0xFE80, 2), v6(0xFF15, 1), false),
        ] as [(SocketAddress, SocketAddress, Bool)])
    func onlyItsOwnPortAndScope(_ address: SocketAddress, _ group: SocketAddress, _ isRegion: Bool) {
        #expect(Self.isRegion(address, of: group) == isRegion, "\(address.text) of \(group.text)")
    }
}
