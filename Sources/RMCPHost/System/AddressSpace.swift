import CLinux
import Glibc

/// Address space that this process may still take, where that is limited (RLIMIT_AS and RLIMIT_DATA of getrlimit(2)). An allocation of Swift's
/// that fails ends the process without a reason; so what is large is refused while there is enough for all else.
public enum AddressSpace {
    /// Advice for whoever has too little.
    static let hint = "give this process more: ulimit -v, ulimit -d, LimitAS= or LimitDATA= of the unit, vm.overcommit_memory"

    /// Bytes: what all else may take until a session has ended with a reason, many times over.
    private static let spare = 8 << 20

    /// The first of the allocator's arenas, which threads share: each other one takes 128 MiB for a moment, in which a thread or a buffer finds
    /// no room, and 64 MiB for good.
    private static let sharedArenas: Int32 = 1

    private static let allocation = LockedValue(())

    /// Threads share the allocator's memory from here on, where the address space is limited. To be called before there are any.
    public static func share() {
        if !left.isEmpty { rmcp_limit_arenas(sharedArenas) }
    }

    /// - Throws: where there is too little to begin anything.
    public static func check() throws(HostError) {
        if allocate(0, { $0 }) == nil { throw HostError("there is no memory to begin with", hint: hint) }
    }

    /// Memory of such a length, bytes; nil where that would leave less than `spare`.
    static func allocate<Memory>(_ length: Int, _ make: (Int) -> Memory?) -> Memory? {
        allocation.withLock { _ in leavesSpare(length, of: left) ? make(length) : nil }
    }

    /// - Parameter left: bytes, by each limit.
    static func leavesSpare(_ length: Int, of left: [UInt64]) -> Bool { left.allSatisfy { $0 >= UInt64(length + spare) } }

    /// Bytes that each limit leaves; none where there is no limit.
    static var left: [UInt64] {
        let limits = limits
        return limits == (nil, nil) ? [] : left(limits, used: FileTransfer.kernelText("/proc/self/statm") ?? "")
    }

    /// Limits of address space and of data in it, bytes; nil for none.
    private static var limits: (all: UInt64?, data: UInt64?) {
        func limit(_ resource: __rlimit_resource) -> UInt64? {
            var value = rlimit()
            guard unsafe getrlimit(__rlimit_resource_t(resource.rawValue), &value) == 0, value.rlim_cur != rlim_t.max else { return nil }
            return UInt64(value.rlim_cur)
        }
        return (limit(RLIMIT_AS), limit(RLIMIT_DATA))
    }

    /// - Parameter used: of /proc/self/statm, pages: the first number is the whole, and the sixth the data.
    static func left(_ limits: (all: UInt64?, data: UInt64?), used: String) -> [UInt64] {
        let pages = used.split(whereSeparator: { !$0.isNumber }).compactMap { UInt64($0) }
        let page = UInt64(clamping: sysconf(Int32(_SC_PAGESIZE)))
        return [(limits.all, 0), (limits.data, dataField)].compactMap { limit, field in
            guard let limit else { return nil }
            let bytes = field < pages.count ? pages[field] * page : 0
            return limit > bytes ? limit - bytes : 0
        }
    }

    private static let dataField = 5
}
