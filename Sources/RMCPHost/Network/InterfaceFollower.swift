import CLinux
import Glibc
import RMCPProtocol

/// Follows the interface of a group through the life of a process: other addresses, an interface of the same name that was made
/// anew, another one that the group is routed through since. The kernel tells that something has changed (rtnetlink(7), RTMGRP_*);
/// what is so now is asked for.
///
/// ```
///   as it was ──news──▶ looked at ──▶ as it was
///       ▲                   ├──▶ .moved: its sockets are made anew, then `adopt`
///       └───────────────────┴──▶ .unusable, said once: waited for
/// ```
final class InterfaceFollower {
    enum News {
        /// Sockets are to be made anew for this.
        case moved(NetworkInterface)
        /// The interface carries nothing for a while now, and why.
        case unusable(Diagnosis)
    }

    /// The interface as sockets have it.
    private(set) var interface: NetworkInterface
    private let group: SocketAddress
    /// Its name was given, so that it is this one or none.
    private let isNamed: Bool
    private let isHost: Bool
    /// Nil where the kernel tells of nothing: then it is looked at every now and then.
    private let socket: NetlinkSocket?
    private var watch: (poller: Poller, token: Poller.Token)?
    private var nextLook: Instant?
    /// News come in swarms: all that come before this are looked at together.
    private var quietUntil = Instant.zero
    private var unusableSince: Instant?
    private var isToldUnusable = false
    /// Time since which the group has been routed through another interface.
    private var elsewhereSince: Instant?

    /// Longest time between two looks.
    private static let pause = Interval.milliseconds(100)
    /// Addresses and routes are taken away and set again, one after the other: what is so for less than this is no state of its own.
    private static let settlingTime = Interval.seconds(2)
    /// Sockets that could not be made anew are tried again after this, without news.
    private static let retryInterval = Interval.seconds(1)
    /// Time between two looks where no news come.
    private static let blindInterval = Interval.seconds(5)
    /// Datagrams of news that are read at one time.
    private static let newsPerLook = 64

    /// - Parameters:
    ///   - interface: what `NetworkInterface.forGroup` has found with the same arguments.
    ///   - isHost: `group` is a host's address.
    init(_ interface: NetworkInterface, for group: SocketAddress, named name: String?, isHost: Bool = false) {
        self.interface = interface
        self.group = group
        isNamed = name != nil
        self.isHost = isHost
        socket = try? NetlinkSocket(groups: UInt32(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE))
        // Changes from before the interface was looked at are no news to the socket.
        nextLook = .zero
    }

    /// Has `poller` wait for news.
    func watch(by poller: Poller) { watch = socket.map { (poller, poller.watch($0.descriptor.raw)) } }

    func unwatch() {
        if let watch { watch.poller.forget(watch.token) }
        watch = nil
    }

    /// Time of the next look without news.
    var deadline: Instant? { nextLook }

    // MARK: Looking

    /// Change of the interface; nil where sockets may stay as they are. Costs nothing without news.
    func look(at now: Instant) -> News? {
        if let watch, watch.poller.isReadable(watch.token) {
            drain()
            nextLook = min(nextLook ?? .distantFuture, max(now, quietUntil))
        }
        guard let due = nextLook, now >= due else { return nil }
        nextLook = socket == nil ? now + Self.blindInterval : nil
        quietUntil = now + Self.pause
        guard let all = try? NetworkInterface.all() else {
            nextLook = now + Self.retryInterval
            return nil
        }
        return judge(all, at: now)
    }

    private func drain() {
        // News that found no room are news as well (ENOBUFS).
        for _ in 0..<Self.newsPerLook { guard let messages = try? socket?.receive(), !messages.isEmpty else { return } }
    }

    private func judge(_ all: [NetworkInterface], at now: Instant) -> News? {
        if let other = elsewhere(among: all, at: now) { return .moved(other) }
        guard let usable = asItIs(among: all) else { return unusable(at: now) }
        if isLessThanBefore(usable), now - (unusableSince ?? now) < Self.settlingTime {
            let since = unusableSince ?? now
            unusableSince = since
            nextLook = since + Self.settlingTime
            return nil
        }
        unusableSince = nil
        isToldUnusable = false
        guard usable.index != interface.index || usable.address(for: group) != interface.address(for: group) else {
            interface.mtu = usable.mtu
            return nil
        }
        return .moved(usable)
    }

    /// Whether only an address of the link is left: another one may be on its way (RFC 4862, 5.4).
    private func isLessThanBefore(_ usable: NetworkInterface) -> Bool {
        usable.address(for: group)?.isLinkLocal == true && interface.address(for: group)?.isLinkLocal == false
    }

    /// The interface of the same name, if sockets can be made for it. Its address stays the same as long as the host has it.
    private func asItIs(among all: [NetworkInterface]) -> NetworkInterface? {
        guard var found = all.first(where: { $0.name == interface.name }), found.isUsable(forHost: isHost) else { return nil }
        let former = interface.address(for: group)
        // An address of the link is kept for want of another one alone.
        let isBest = former?.isLinkLocal == false || !found.addresses.contains { $0.family == .ipv6 && !$0.isLinkLocal }
        if let former, isBest, all.contains(where: { $0.addresses.contains { $0.isSameHost(as: former) } }) {
            found.kept = former
        } else {
            found.source = (try? Route.lookUp(group, through: found.index))?.source
        }
        return found.address(for: group) == nil ? nil : found
    }

    /// Another interface that the group is routed through, for some time now.
    private func elsewhere(among all: [NetworkInterface], at now: Instant) -> NetworkInterface? {
        guard !isNamed, let routed = try? NetworkInterface.routedInterface(to: group, among: all, isHost: isHost), routed.name != interface.name else {
            elsewhereSince = nil
            return nil
        }
        let since = elsewhereSince ?? now
        elsewhereSince = since
        if now - since >= Self.settlingTime { return routed }
        nextLook = since + Self.settlingTime
        return nil
    }

    private func unusable(at now: Instant) -> News? {
        let since = unusableSince ?? now
        unusableSince = since
        guard !isToldUnusable else { return nil }
        guard now - since >= Self.settlingTime else {
            nextLook = min(nextLook ?? .distantFuture, since + Self.settlingTime)
            return nil
        }
        isToldUnusable = true
        return Diagnosis.ofSending(ENETUNREACH, to: group, through: interface.name).map { .unusable($0) }
    }

    // MARK: Sockets

    /// Sockets have been made for it.
    /// - Returns: a line about what has changed.
    func adopt(_ other: NetworkInterface) -> String {
        let former = interface
        interface = other
        elsewhereSince = nil
        let address = other.address(for: group)?.host ?? "none"
        if former.name != other.name { return "\(group.host) is routed through \(other.name) now, and not \(former.name) any more; going on there" }
        guard former.address(for: group) == other.address(for: group) else {
            return "the address of \(other.name) is \(address) now, and not \(former.address(for: group)?.host ?? "none") any more; going on with it"
        }
        return "interface \(other.name) was made anew; going on with it"
    }

    /// Sockets could not be made: an address may not be usable yet (RFC 4862, 5.4).
    func retry(at now: Instant) { nextLook = now + Self.retryInterval }
}

extension SocketAddress {
    /// The same address, whatever the port and the scope.
    func isSameHost(as other: SocketAddress) -> Bool { family == other.family && high == other.high && low == other.low }
}
