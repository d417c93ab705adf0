import Glibc
import RMCPProtocol

/// The rows of networks. Each looks at the kernel's own account at the moment when it is asked.
extension Diagnosis {
    /// Reason that keeps datagrams to a group, or to any host, from leaving through an interface.
    /// - Parameters:
    ///   - code: errno of the send that failed.
    ///   - destination: where it was to go.
    static func ofSending(_ code: Int32, to destination: SocketAddress, through name: String) -> Diagnosis? {
        let interface = (try? NetworkInterface.all())?.first { $0.name == name }
        let route = interface.flatMap { found in try? Route.lookUp(destination, through: destination.isMulticast ? found.index : 0) }
        return ofSending(code, to: destination, through: name, interface: interface, hasRoute: route != nil)
    }

    /// The same of what was looked at before.
    /// - Parameter interface: nil where there is none of that name.
    static func ofSending(_ code: Int32, to destination: SocketAddress, through name: String, interface: NetworkInterface?, hasRoute: Bool) -> Diagnosis? {
        guard let interface else { return Diagnosis(.interfaceGone, "there is no interface \(name)", cure: "one of that name is used as soon as it is there") }
        guard interface.isUp else { return Diagnosis(.interfaceDown, "interface \(name) is down", cure: "ip link set \(name) up") }
        guard interface.hasCarrier else { return Diagnosis(.noCarrier, "interface \(name) has no carrier", cure: "look at its cable and at the switch's port") }
        if code == EPERM || code == EACCES {
            return Diagnosis(.firewall, "this host's packet filter refuses it", cure: "let UDP to \(destination.host) out: nft list ruleset")
        }
        let family = destination.family == .ipv4 ? "IPv4" : "IPv6"
        guard interface.addresses.contains(where: { $0.family == destination.family }) || hasRoute else {
            return Diagnosis(.noAddress, "interface \(name) has no \(family) address", cure: "one is used as soon as it is there")
        }
        guard hasRoute else {
            let version = destination.family == .ipv4 ? "" : "-6 "
            return Diagnosis(.noRoute, "this host has no route to \(destination.host)", cure: "ip \(version)route add \(destination.host) dev \(name)")
        }
        return nil
    }

    /// Reason that may keep datagrams away that others send, where the kernel has counted them.
    /// - Parameters:
    ///   - dropped: packets of the whole host that the reverse path filter has dropped while nothing came.
    ///   - mode: the filter's mode on the interface (`ReversePathFilter.mode`).
    static func ofSilence(on name: String, droppedByReversePath dropped: UInt64, mode: Int) -> Diagnosis? {
        guard dropped > 0, mode > 0 else { return nil }
        // The stricter mode of the interface and of all counts. The loose one takes whoever is expected anywhere at all.
        let loosen = mode == 1 ? ", or, where it is expected elsewhere, sysctl -w net.ipv4.conf.\(name).rp_filter=2" : ""
        return Diagnosis(
            .reversePathFilter,
            "the kernel's reverse path filter (rp_filter \(mode) on \(name)) has dropped \(dropped) packets meanwhile, whose senders it expects elsewhere",
            cure: "add a route to the sender through \(name)\(loosen)")
    }

    /// A session whose datagrams come to this host alone, and not by multicast.
    static func ofLostMulticast(on name: String) -> Diagnosis {
        Diagnosis(.snooping, "multicast does not arrive on \(name) any more, and unicast does", cure: "look for IGMP snooping without a querier, or a firewall")
    }
}

/// The kernel's check of where packets come from (ip-sysctl, rp_filter): a packet whose sender is expected behind another
/// interface is dropped without a word, and counted for the whole host.
struct ReversePathFilter {
    private let interface: String
    private let group: SocketAddress
    private var lastCount: UInt64?

    init(interface: String, group: SocketAddress) {
        self.interface = interface
        self.group = group
        lastCount = Self.count()
    }

    /// Looks whether packets have been dropped since the last look; nil where none were, or for IPv6, which has no such filter.
    mutating func look() -> Diagnosis? {
        guard group.family == .ipv4, let count = Self.count() else { return nil }
        defer { lastCount = count }
        return Diagnosis.ofSilence(on: interface, droppedByReversePath: count &- (lastCount ?? count), mode: Self.mode(of: interface))
    }

    /// Mode on an interface: the stricter of its own and that of all; 0 for off.
    static func mode(of interface: String) -> Int {
        let modes = ["all", interface].map { name in
            Int((FileTransfer.kernelText("/proc/sys/net/ipv4/conf/\(name)/rp_filter") ?? "").prefix { $0.isNumber }) ?? 0
        }
        return modes.max() ?? 0
    }

    /// Packets that the filter has dropped on this host (in this network namespace) since its start; nil where the kernel does not say.
    static func count() -> UInt64? {
        FileTransfer.kernelText("/proc/net/netstat").flatMap { parse($0, "TcpExt:", "IPReversePathFilter") }
    }

    /// A figure of /proc/net/netstat: pairs of lines, names and figures.
    static func parse(_ text: String, _ table: String, _ name: String) -> UInt64? {
        let rows = text.split(separator: "\n").map { $0.split(separator: " ") }.filter { row in row.first.map { $0 == table } ?? false }
        guard rows.count == 2, let column = rows[0].firstIndex(where: { $0 == name }), column < rows[1].count else { return nil }
        return UInt64(rows[1][column])
    }
}
