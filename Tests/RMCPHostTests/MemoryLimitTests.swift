import Glibc
import Testing

@testable import RMCPHost

/// Buffers are a share of the memory that there is.
@Suite struct MemoryLimitTests {
    @Test func groupsThatLimitMemoryAreFound() {
        // A controller is in one hierarchy: with that of version 1, version 2 says nothing of memory.
        let text = "12:cpu,cpuacct:/a\n4:memory:/system.slice/rmcp.service\n3:devices:/\n0::/user.slice\n"
        #expect(MemoryLimit.groups(text) == [MemoryLimit.Group(controller: "memory", path: ["system.slice", "rmcp.service"])])
        #expect(MemoryLimit.groups("3:devices:/\n0::/user.slice\n") == [MemoryLimit.Group(controller: nil, path: ["user.slice"])])
        #expect(MemoryLimit.groups("").isEmpty && MemoryLimit.groups("garbage\n1:2\n").isEmpty)
        #expect(MemoryLimit.groups("0::/") == [MemoryLimit.Group(controller: nil, path: [])])
    }

    @Test func aShareHasBounds() {
        #expect(MemoryLimit.share(4, in: 8...128, of: 400) == 100)
        #expect(MemoryLimit.share(4, in: 8...128, of: 4_000) == 128)
        #expect(MemoryLimit.share(4, in: 8...128, of: 4) == 8)
        #expect(MemoryLimit.bytes > 0)
    }
}
