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
        #expect(AddressSpace.allocate(1 << 40) { $0 } == 1 << 40 || !AddressSpace.left.isEmpty)
    }
}
