import CLinux
import Glibc
public import RMCPProtocol

/// A network interface that multicast can go through.
public struct NetworkInterface: Sendable, Hashable {
    public var name: String
    public var index: UInt32
    public var isUp: Bool
    /// Whether its cable is plugged in, or whatever stands for one (IFF_RUNNING).
    public var hasCarrier = true
    public var isMulticast: Bool
    public var isLoopback: Bool
    public var addresses: [SocketAddress]
    /// Largest IP packet in bytes.
    public var mtu: Int
    /// Source address that the kernel takes through it, where it was asked: the address may be another interface's.
    var source: SocketAddress?
    /// The address that sockets have already: others that the host has besides change nothing.
    var kept: SocketAddress?

    /// All interfaces of this host, in the kernel's order.
    public static func all() throws(HostError) -> [NetworkInterface] {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard unsafe getifaddrs(&list) == 0 else { throw .system("list", "network interfaces") }
        defer { unsafe freeifaddrs(list) }
        let tentative = TentativeAddresses.now()
        var result: [NetworkInterface] = []
        var next = unsafe list
        while let entry = unsafe next {
            unsafe add(entry.pointee, to: &result, but: tentative)
            unsafe next = entry.pointee.ifa_next
        }
        return result
    }

    /// - Parameter tentative: addresses that are none yet.
    private static func add(_ entry: ifaddrs, to result: inout [NetworkInterface], but tentative: TentativeAddresses) {
        // The name of an IPv4 address may be a label: `eth0:1` is on eth0 (ip-address(8)).
        let name = unsafe String(String(cString: entry.ifa_name).prefix { $0 != ":" })
        let flags = unsafe Int32(truncatingIfNeeded: entry.ifa_flags)
        let position: Int
        if let known = result.firstIndex(where: { $0.name == name }) {
            position = known
        } else {
            position = result.count
            result.append(
                NetworkInterface(
                    name: name, index: unsafe if_nametoindex(name), isUp: flags & Int32(truncatingIfNeeded: IFF_UP) != 0,
                    hasCarrier: flags & Int32(truncatingIfNeeded: IFF_RUNNING) != 0,
                    isMulticast: flags & Int32(truncatingIfNeeded: IFF_MULTICAST) != 0,
                    isLoopback: flags & Int32(truncatingIfNeeded: IFF_LOOPBACK) != 0, addresses: [],
                    mtu: Int(unsafe rmcp_interface_mtu(name))))
        }
        guard let address = unsafe entry.ifa_addr else { return }
        var storage = sockaddr_storage()
        let length: Int
        switch unsafe Int32(address.pointee.sa_family) {
        case AF_INET: length = MemoryLayout<sockaddr_in>.size
        case AF_INET6: length = MemoryLayout<sockaddr_in6>.size
        default: return
        }
        unsafe withUnsafeMutableBytes(of: &storage) {
            unsafe $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: length))
        }
        if let parsed = SocketAddress(storage), !tentative.contains(parsed, of: name) { result[position].addresses.append(parsed) }
    }

    /// The address that datagrams to `group` should come from.
    public func address(for group: SocketAddress) -> SocketAddress? {
        if let kept, kept.family == group.family { return kept }
        let candidates = addresses.filter { $0.family == group.family }
        let routed = source.flatMap { $0.family == group.family ? $0 : nil }
        guard group.family == .ipv6 else { return routed ?? candidates.first }
        // A link-local source reaches the link and nothing else.
        return candidates.first { !$0.isLinkLocal } ?? candidates.first ?? routed
    }

    /// Whether it is up and does what sockets for a group, or for a host, need.
    func isUsable(forHost isHost: Bool) -> Bool { isUp && (isMulticast || isLoopback || isHost) }

    /// Whether one may mean it who names none.
    private func isCandidate(for group: SocketAddress) -> Bool { isUp && isMulticast && !isLoopback && address(for: group) != nil }

    /// The interface for a group: the one that is named, or the one that the kernel routes the group to.
    /// Waits for an IPv6 address that is being made one.
    /// - Throws: one line with the interfaces to choose from when the name is wrong or the choice is ambiguous.
    /// - Parameter isHost: `group` is a host's address: the interface need not do multicast.
    public static func forGroup(_ group: SocketAddress, named name: String?, isHost: Bool = false) throws(HostError) -> NetworkInterface {
        guard group.family == .ipv6 else { return try find(for: group, named: name, isHost: isHost) }
        return try TentativeAddresses.settled(on: name, within: HostLimits.addressPatience) { () throws(HostError) in
            try find(for: group, named: name, isHost: isHost)
        }
    }

    private static func find(for group: SocketAddress, named name: String?, isHost: Bool) throws(HostError) -> NetworkInterface {
        let all = try all()
        if let name { return try named(name, among: all, group: group, isHost: isHost) }
        if let routed = try routedInterface(to: group, among: all, isHost: isHost) { return routed }
        if isHost { throw HostError("no route to \(group.text)") }
        let candidates = all.filter { $0.isCandidate(for: group) }
        if candidates.count == 1 { return candidates[0] }
        if candidates.isEmpty { throw missing(for: group, among: all) }
        throw HostError(
            "no route to \(group.text), and several interfaces could take it: \(names(of: candidates)); choose one with -i",
            kind: .usage)
    }

    /// Fault for which there is no interface for a group.
    static func missing(for group: SocketAddress, among all: [NetworkInterface]) -> HostError {
        // Hosts of the other family alone, and those that wait for an address, have one that is up.
        let others = all.filter { $0.isUp && $0.isMulticast && !$0.isLoopback && !$0.addresses.isEmpty }
        guard !others.isEmpty else {
            return HostError(
                "no interface for \(group.text): none is up with an address and multicast; bring one up, or use -i lo for this host alone", kind: .usage)
        }
        let (family, other) = group.family == .ipv4 ? ("IPv4", "IPv6, such as -g [ff15::7627]:17627") : ("IPv6", "IPv4")
        return HostError(
            "no interface for \(group.text): none that is up has an \(family) address: \(names(of: others)); give one of them an address, or use a group of \(other)",
            kind: .usage)
    }

    private static func names(of interfaces: [NetworkInterface]) -> String {
        interfaces.map { item in
            let shown = item.addresses.first.map { " (\($0.host))" } ?? ""
            return item.name + shown
        }.joined(separator: ", ")
    }

    private static func named(
        _ name: String, among all: [NetworkInterface], group: SocketAddress, isHost: Bool
    ) throws(HostError) -> NetworkInterface {
        guard var found = all.first(where: { $0.name == name }) else {
            throw HostError("no interface is called \(name); there are: \(names(of: all))", kind: .usage)
        }
        guard found.isUp else { throw HostError("interface \(name) is down; bring it up with: ip link set \(name) up") }
        guard found.isMulticast || found.isLoopback || isHost else {
            throw HostError("interface \(name) does not do multicast; choose another with -i: \(names(of: all))")
        }
        // It need not have an address of its own, if the kernel knows of another that goes with it.
        found.source = try Route.lookUp(group, through: found.index)?.source
        guard found.address(for: group) != nil else {
            let family = group.family == .ipv4 ? "IPv4" : "IPv6"
            throw HostError("interface \(name) has no \(family) address; give it one, or use a group of the other family with -g")
        }
        return found
    }

    /// The interface that the kernel sends to `group` through; nil where it has no route, or one that nobody has chosen
    /// while there are several interfaces to choose from.
    static func routedInterface(
        to group: SocketAddress, among all: [NetworkInterface], isHost: Bool
    ) throws(HostError) -> NetworkInterface? {
        guard let route = try Route.lookUp(group), var found = all.first(where: { $0.index == route.interfaceIndex }) else { return nil }
        guard found.isUsable(forHost: isHost) else { return nil }
        if try !Route.isChosen(group), all.filter({ $0.isCandidate(for: group) }).count > 1 { return nil }
        found.source = route.source
        return found.address(for: group) == nil ? nil : found
    }
}
