import CLinux
import Glibc
import RMCPProtocol

/// IPv6 addresses that nothing can be bound to yet: the kernel finds out first whether another host has them (RFC 4862, 5.4), which takes a
/// second or two after an interface has come up. A daemon that is started with its host finds these.
struct TentativeAddresses {
    private struct Entry {
        var high: UInt64
        var low: UInt64
        var interface: String
        /// Another host has it: it stays as it is.
        var isTaken: Bool
    }

    /// Flags of an address (if_addr.h).
    private static let tentative: UInt32 = 0x40
    private static let taken: UInt32 = 0x08

    private let entries: [Entry]

    /// Tentative addresses of this host now; none where the kernel does not say.
    static func now() -> TentativeAddresses { TentativeAddresses(FileTransfer.kernelText("/proc/net/if_inet6") ?? "") }

    /// - Parameter text: a line for each address: its 32 digits, the interface's index, the prefix's length, scope, flags and the
    ///   interface's name.
    init(_ text: String) {
        entries = text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count == 6, fields[0].count == 32, let flags = UInt32(fields[4], radix: 16), flags & Self.tentative != 0,
                let high = UInt64(fields[0].prefix(16), radix: 16), let low = UInt64(fields[0].suffix(16), radix: 16)
            else { return nil }
            return Entry(high: high, low: low, interface: String(fields[5]), isTaken: flags & Self.taken != 0)
        }
    }

    func contains(_ address: SocketAddress, of interface: String) -> Bool {
        address.family == .ipv6 && entries.contains { $0.high == address.high && $0.low == address.low && $0.interface == interface }
    }

    /// An address is among them that may be of use in a moment.
    /// - Parameter name: of the interface that is meant; nil for any.
    func areSettling(on name: String?) -> Bool { entries.contains { !$0.isTaken && (name == nil || $0.interface == name) } }

    /// Interfaces that have come up and will have an address of the link, which the kernel makes a moment later.
    private static func areComing(on name: String?) -> Bool {
        let interfaces = (try? NetworkInterface.all()) ?? []
        return interfaces.contains { interface in
            guard name == nil || interface.name == name, interface.isUp, interface.isMulticast, !interface.isLoopback,
                !interface.addresses.contains(where: { $0.family == .ipv6 })
            else { return false }
            func setting(_ key: String) -> String? {
                FileTransfer.kernelText("/proc/sys/net/ipv6/conf/\(interface.name)/\(key)")?.filter { !$0.isWhitespace }
            }
            // A mode of 1 makes none (ip-sysctl, addr_gen_mode).
            return setting("disable_ipv6") == "0" && setting("addr_gen_mode") != "1"
        }
    }

    /// Asks again whenever addresses have changed, until there is an answer, no address is to come, or `limit` is over.
    static func settled<Answer>(on name: String?, within limit: Interval, _ ask: () throws(HostError) -> Answer) throws(HostError) -> Answer {
        let deadline = Poller.now() + limit
        var news: NetlinkSocket?
        while true {
            do throws(HostError) { return try ask() } catch {
                guard now().areSettling(on: name) || areComing(on: name), Poller.now() < deadline else { throw error }
                // The question is asked once more when news can no longer be missed.
                guard let socket = news else {
                    news = try NetlinkSocket(groups: UInt32(RTMGRP_IPV6_IFADDR))
                    continue
                }
                let poller = Poller()
                _ = poller.watch(socket.descriptor.raw)
                poller.wait(until: deadline)
                while let messages = try? socket.receive(), !messages.isEmpty {}
            }
        }
    }
}
