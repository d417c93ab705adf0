import Testing

@testable import RMCPProtocol

@Suite struct ParentTableTests {
    private func table(limit: Int = 8) -> ParentTable {
        var configuration = Configuration()
        configuration.tree.maximumParents = limit
        configuration.tree.parentTimeout = .seconds(1)
        return ParentTable(configuration: configuration)
    }

    private func address(_ id: UInt32) -> SocketAddress { .ipv4(10, 0, 0, UInt8(truncatingIfNeeded: id), port: 4_000) }

    /// Adds a parent and what its HEARTBEAT says: the sender where `depth` is 0.
    @discardableResult
    private func add(
        _ id: UInt32, to table: inout ParentTable, depth: Int = 1, hops: Int = 0, load: UInt32 = 0, at milliseconds: Int64 = 0
    ) -> Bool {
        guard table.add(id, at: address(id), now: .milliseconds(milliseconds)) else { return false }
        table.update(id) {
            $0.place = TreePlace(path: (0..<depth).map { 1_000 + UInt32($0) }, timeToLive: 8, load: load)
            $0.hops = hops
        }
        return true
    }

    private func best(_ table: ParentTable, at milliseconds: Int64 = 0, except: UInt32 = 0) -> UInt32? {
        table.best(at: .milliseconds(milliseconds)) { $0.transmitter != except }?.transmitter
    }

    @Test func theNearestIsTheBestAndARepairNodeBeforeTheSender() {
        var table = table()
        add(1, to: &table, depth: 0, hops: 2)
        #expect(best(table) == 1 && table.root?.transmitter == 1)
        // As far away as the sender.
        add(9, to: &table, hops: 2, load: 1_000)
        #expect(best(table) == 9)
        // Nearer, whatever its load and depth.
        add(8, to: &table, depth: 3, hops: 1, load: 100_000)
        #expect(best(table) == 8 && best(table, except: 8) == 9)
    }

    /// Loads are told apart by powers of four: 0...4, 5...28, 29...124, and so on.
    @Test func theLessLoadedIsTheBetterOfTwo() {
        var table = table()
        add(5, to: &table, load: 28)
        add(4, to: &table, load: 29)
        #expect(best(table) == 5)
        table.update(4) { $0.place?.load = 5 }
        // Among equals the id decides, so that all choose alike and runs can be replayed.
        #expect(best(table) == 4)
        table.update(4) { $0.place?.load = 125 }
        #expect(best(table) == 5)
        table.update(5) { $0.place?.load = .max }
        #expect(best(table) == 4)
    }

    @Test func aParentIsLeftOnlyForOneThatIsClearlyBetter() throws {
        var table = table()
        func isBetter(_ other: UInt32, than current: UInt32) throws -> Bool {
            ParentTable.isClearlyBetter(try #require(table[other]), than: try #require(table[current]))
        }
        add(1, to: &table, depth: 0, hops: 1)
        add(2, to: &table, hops: 1, load: 200)
        add(3, to: &table, hops: 0, load: 200)
        #expect(try isBetter(2, than: 1) && !isBetter(1, than: 2))
        #expect(try isBetter(3, than: 2) && !isBetter(2, than: 3))
        // Less loaded by one power of four is no reason, by two it is.
        add(4, to: &table, hops: 1, load: 100)
        add(5, to: &table, hops: 1, load: 12)
        #expect(try !isBetter(4, than: 2) && isBetter(5, than: 2))
        #expect(try !isBetter(5, than: 4) && !isBetter(4, than: 5) && !isBetter(2, than: 2))
        // A lower id alone never is.
        add(6, to: &table, hops: 1, load: 200)
        #expect(try !isBetter(2, than: 6))
    }

    @Test func forgedParentsDoNotPushOutLiveOnes() {
        var table = table(limit: 4)
        for id: UInt32 in 1...4 { add(id, to: &table, at: Int64(id)) }
        for forged: UInt32 in 100..<200 { #expect(!add(forged, to: &table, at: 900)) }
        #expect(table.candidates.map(\.transmitter) == [1, 2, 3, 4])
        // Who is known is known still, and keeps what is known of it.
        let isKnown = table.add(3, at: address(77), now: .milliseconds(900))
        #expect(isKnown)
        #expect(table[3]?.address == address(3) && table[3]?.place != nil)
    }

    @Test func theLongestSilentGivesWay() {
        var table = table(limit: 3)
        for id: UInt32 in 1...3 { add(id, to: &table) }
        table.update(1) { $0.lastHeard = .milliseconds(500) }
        table.update(3) { $0.lastHeard = .milliseconds(100) }
        // 2 has been silent since 0, but not for as long as a second.
        #expect(!add(9, to: &table, at: 999))
        #expect(add(9, to: &table, at: 1_000) && table[2] == nil)
        #expect(!add(10, to: &table, at: 1_000))
        #expect(add(10, to: &table, at: 1_100) && table[3] == nil)
        #expect(table.candidates.map(\.transmitter) == [1, 9, 10])
    }

    @Test func whoIsSilentLeavesOrWasAvoidedIsNotAsked() {
        var table = table()
        add(1, to: &table, depth: 0, hops: 3)
        add(2, to: &table)
        add(3, to: &table, hops: 1)
        table.avoid(2, until: .milliseconds(400))
        #expect(best(table, at: 399) == 3 && best(table, at: 400) == 2)
        table.noteLeaving(2, true, at: .zero)
        table.update(2) { $0.lastHeard = .milliseconds(900) }
        table.update(1) { $0.lastHeard = .milliseconds(1) }
        #expect(best(table, at: 999) == 2 && best(table, at: 1_000) == 1 && best(table, at: 1_001) == nil)
    }

    /// Anybody can say that a parent leaves: who goes on sending has not left, unless it was on its way together with the word.
    @Test func whoGoesOnSendingHasNotLeft() {
        var table = table()
        add(1, to: &table)
        func hear(isStream: Bool, at milliseconds: Int64) { _ = table.noteHeard(1, from: address(1), isStream: isStream, at: .milliseconds(milliseconds)) }
        func hasLeft(at milliseconds: Int64) -> Bool { table.hasLeft(1, at: .milliseconds(milliseconds)) }
        table.noteLeaving(1, true, at: .milliseconds(100))
        hear(isStream: true, at: 101)
        // Its last answers to single children.
        hear(isStream: false, at: 300)
        table.noteLeaving(1, true, at: .milliseconds(400))
        #expect(!hasLeft(at: 1_099) && hasLeft(at: 1_100) && table.leavesAt(1) == .milliseconds(1_100))
        // Then it is too late to come back.
        hear(isStream: true, at: 1_100)
        #expect(hasLeft(at: 1_100))
        for contradicts in [true, false] {
            add(2, to: &table)
            table.noteLeaving(2, true, at: .milliseconds(100))
            if contradicts {
                _ = table.noteHeard(2, from: address(2), isStream: true, at: .milliseconds(150))
            } else {
                table.noteLeaving(2, false, at: .milliseconds(150))
            }
            #expect(!table.hasLeft(2, at: .milliseconds(5_000)) && table.leavesAt(2) == nil)
        }
    }

    /// An ANNOUNCE tells of a parent, but not where it is.
    @Test func whoHasNotSaidWhereItIsIsNotAsked() {
        var table = table()
        let isAdded = table.add(1, at: address(1), now: .zero)
        #expect(isAdded && table[1] != nil && best(table) == nil && table.root == nil)
    }

    /// A repair node that is killed again and again comes back as another each time: the one that a child has is silent for
    /// longest, and must not be forgotten, or the child has no parent that it could leave.
    @Test func theParentThatAChildHasIsNotForgotten() {
        var table = table(limit: 3)
        add(1, to: &table, at: 0)
        for id in 2...20 as ClosedRange<UInt32> {
            let now = Int64(id) * 2_000
            let isAdded = table.add(id, at: address(id), keeping: 1, now: .milliseconds(now))
            #expect(isAdded && table.contains(1) && table.contains(id) && table.candidates.count <= 3)
        }
        // Nobody's parent goes first.
        let isAdded = table.add(21, at: address(21), now: .milliseconds(50_000))
        #expect(isAdded && !table.contains(1))
    }

    // MARK: Parents that move

    @Test func anAddressIsBelievedWhenTheFormerOneIsSilent() {
        var table = table()
        let (home, away) = (address(1), address(99))
        add(1, to: &table, depth: 0)
        func hear(_ source: SocketAddress, at milliseconds: Int64) { _ = table.noteHeard(1, from: source, isStream: true, at: .milliseconds(milliseconds)) }
        // Beside the parent's own word somebody else's changes nothing, however long it is said.
        for time in stride(from: Int64(0), to: 5_000, by: 100) {
            hear(home, at: time)
            hear(away, at: time + 50)
        }
        #expect(table.address(of: 1) == home && table.takeMoved() == nil)
        table.update(1) { $0.cookie = 7 }
        hear(away, at: 5_800)
        #expect(table.address(of: 1) == home)
        hear(away, at: 5_950)
        #expect(table.address(of: 1) == away && table.takeMoved() == 1 && table.takeMoved() == nil)
        // The parent knows by the cookie a child that has moved with it.
        #expect(table.cookie(of: 1) == 7)
    }

    @Test func aParentThatSpeaksFromItsFormerAddressIsThere() {
        var table = table()
        let (home, away) = (address(1), address(99))
        add(1, to: &table, depth: 0)
        func hear(_ source: SocketAddress, at milliseconds: Int64) { _ = table.noteHeard(1, from: source, isStream: true, at: .milliseconds(milliseconds)) }
        hear(away, at: 2_000)
        #expect(table.address(of: 1) == away)
        hear(home, at: 2_010)
        #expect(table.address(of: 1) == home)
        // And nobody talks it away again.
        hear(away, at: 2_020)
        #expect(table.address(of: 1) == home)
    }
}
