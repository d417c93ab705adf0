import Glibc
import Testing

@testable import RMCPHost

/// Limits of address space leave something for what cannot be refused.
@Suite struct AddressSpaceTests {
    @Test func addressSpaceThatIsTakenIsNotThere() {
        let (page, used) = (UInt64(sysconf(Int32(_SC_PAGESIZE))), "300 20 10 5 0 100 0\n")
        #expect(AddressSpace.left((nil, nil), used: used).isEmpty)
        #expect(AddressSpace.left((400 * page, nil), used: used) == [100 * page])
        #expect(AddressSpace.left((200 * page, 150 * page), used: used) == [0, 50 * page])
        #expect(AddressSpace.left((5, 6), used: "") == [5, 6])
    }

    @Test func noLimitRefusesNothing() {
        #expect(AddressSpace.left((nil, nil), used: "1 1 1 1 1 1 1\n").isEmpty)
        #expect(AddressSpace.leavesSpare(1 << 40, of: []))
    }

    @Test func eachLimitKeepsItsSpare() {
        let spare: UInt64 = 8 << 20
        #expect(AddressSpace.leavesSpare(100, of: [spare + 100]) && !AddressSpace.leavesSpare(100, of: [spare + 99]))
        #expect(!AddressSpace.leavesSpare(100, of: [1 << 40, spare + 99]) && !AddressSpace.leavesSpare(0, of: [0]))
    }
}
