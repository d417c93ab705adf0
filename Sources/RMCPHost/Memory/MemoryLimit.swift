import CLinux
import Glibc

/// Memory that this process may have: the machine's, or less where a control group says so (cgroups(7)), beyond which the kernel ends the
/// process; or what is left of its address space (getrlimit(2)), beyond which it gets none. Buffers are a share of it.
public enum MemoryLimit {
    /// Bytes; as it was at the start.
    static let bytes: UInt64 =
        ([machine] + groups(FileTransfer.kernelText("/proc/self/cgroup") ?? "").compactMap(limit) + AddressSpace.left).min() ?? machine

    /// A share of the memory, within bounds.
    static func share(_ divisor: UInt64, in bounds: ClosedRange<Int>, of bytes: UInt64 = bytes) -> Int {
        min(bounds.upperBound, max(bounds.lowerBound, Int(clamping: bytes / divisor)))
    }

    /// Bytes of chunk buffers of one receiver or repair node, whatever the number of its sessions.
    static let receiveBuffers = share(4, in: 8 << 20...128 << 20)
    /// Bytes of chunk buffers of one sender, the encoding threads' own among them, whatever the chunk length.
    static let sendBuffers = share(3, in: 20 << 20...256 << 20)
    /// Bytes that one socket may hold.
    static let socketBuffer = share(16, in: 2 << 20...32 << 20)

    /// Has the memory kept that the cipher takes for its results, two chunks for each thread at a time: a fifth of sealing
    /// would go into getting it from the kernel anew.
    static func keepMemoryOfCipher() { rmcp_keep_freed_memory(Int32(keptByAllocator)) }

    /// Bytes of freed memory that each of the allocator's arenas keeps; the most that it can be told.
    private static let keptByAllocator = 32 << 20

    private static var machine: UInt64 {
        UInt64(clamping: sysconf(Int32(_SC_PHYS_PAGES))) * UInt64(clamping: sysconf(Int32(_SC_PAGESIZE)))
    }

    // MARK: Control groups

    /// A group that the process is in, of a hierarchy that limits memory.
    struct Group: Equatable {
        /// Nil for version 2.
        var controller: String?
        /// Names, from the root down.
        var path: [String]
    }

    /// - Parameter text: of /proc/PID/cgroup: lines of hierarchy, controllers, path.
    static func groups(_ text: String) -> [Group] {
        let groups = text.split(separator: "\n").compactMap { line -> Group? in
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { return nil }
            let path = fields[2].split(separator: "/").map(String.init)
            if fields[0] == "0", fields[1].isEmpty { return Group(controller: nil, path: path) }
            return fields[1].split(separator: ",").contains("memory") ? Group(controller: "memory", path: path) : nil
        }
        // A controller is in one hierarchy. What version 1 limits, version 2 does not, and asking it may take 12 ms.
        return groups.contains { $0.controller != nil } ? groups.filter { $0.controller != nil } : groups
    }

    /// The least that the group and those above it say; nil where none says anything. A container may see its own group as
    /// the root, and its path as the host does: each level that is there counts.
    private static func limit(_ group: Group) -> UInt64? {
        let root = group.controller.map { "/sys/fs/cgroup/\($0)" } ?? "/sys/fs/cgroup"
        let file = group.controller == nil ? "memory.max" : "memory.limit_in_bytes"
        var limits = limits(of: group, below: root, file)
        // A /sys that was mounted anew, as for a network namespace, does not show them.
        if limits.isEmpty {
            let raw = if let controller = group.controller { unsafe rmcp_open_control_groups(controller) } else { rmcp_open_control_groups(nil) }
            guard raw >= 0 else { return nil }
            let descriptor = OwnedDescriptor(raw)
            limits = Self.limits(of: group, below: "/proc/self/fd/\(descriptor.raw)", file)
        }
        return limits.min()
    }

    private static func limits(of group: Group, below root: String, _ file: String) -> [UInt64] {
        (0...group.path.count).compactMap { count in
            let path = ([root] + group.path.prefix(count) + [file]).joined(separator: "/")
            return FileTransfer.kernelText(path).flatMap { UInt64($0.prefix { $0.isNumber }) }
        }
    }
}
