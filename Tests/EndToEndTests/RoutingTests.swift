import Foundation
import Testing

/// Choice of the interface where addresses alone do not tell.
@Suite struct RoutingTests {
    /// Each makes r1's eth0 the way to the group, and its own addresses no hint of that.
    private static let hosts = [
        "a router's address, on lo": """
        ip route del 224.0.0.0/4 2>/dev/null || true
        ip addr add 192.0.2.1/32 dev lo
        ip route add default via 10.77.0.1 dev eth0 src 192.0.2.1
        """,
        "an interface without an address": """
        ip addr flush dev eth0
        ip addr add 192.0.2.1/32 dev lo
        ip route add 10.77.0.0/16 dev eth0 src 192.0.2.1
        ip route add 224.0.0.0/4 dev eth0 src 192.0.2.1
        """,
        "one address on two interfaces": """
        ip link add vx type veth peer name vxp
        ip link set vx up
        ip link set vxp up
        ip addr add $(ip -4 -o addr show dev eth0 | awk '{print $4}' | cut -d / -f 1)/32 dev vx
        """,
    ]

    @Test(
        "The interface is the one that the kernel routes the group to", .enabled(if: Laboratory.isPossible, Laboratory.reason), arguments: hosts.keys.sorted())
    func routed(host: String) throws {
        let lab = try Laboratory(receivers: 1)
        let script = try #require(Self.hosts[host])
        try lab.shell("r1", script)
        // The way back: 192.0.2.1 is beyond what the sender's network has.
        try lab.shell("s", "ip route add 192.0.2.1/32 dev eth0 2>/dev/null || true; sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0")
        let source = try lab.scratch.random("image", megabytes: 1)
        let receiver = try lab.receive("r1")
        #expect(receiver.wait { receiver.errorsSoFar.contains("listening") })
        #expect(receiver.errorsSoFar.contains("on eth0"), "\(receiver.errorsSoFar)")
        let sent = try lab.send(["--unsigned", "--wait-for", "1", "--min-wait", "0s", "--max-wait", "20s", source]).wait()
        let received = receiver.wait()
        #expect(sent.status == 0 && received.status == 0 && lab.has("r1", source), "\(sent.errors)\(received.errors)")
    }

    @Test("Of several interfaces with IPv6 the user chooses, by -i or by a route", .enabled(if: Laboratory.isPossible, Laboratory.reason))
    func severalWithIPv6() throws {
        let lab = try Laboratory(receivers: 1)
        try lab.shell(
            "r1",
            """
            sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.eth0.disable_ipv6=0
            ip link add vx type veth peer name vxp
            ip link set vx up
            ip link set vxp up
            ip addr add fd00:1::1/64 dev eth0 nodad
            ip addr add fd00:2::1/64 dev vx nodad
            """)
        let group = ["-g", "[ff15::7627]:17627"]
        let undecided = try lab.receive("r1", ["--once", "--timeout", "2s"] + group).wait()
        #expect(undecided.status == 2, "\(undecided.errors)")
        for word in ["eth0", "vx", "-i"] { #expect(undecided.errors.contains(word), "\(undecided.errors)") }
        for (route, name) in [("vx", "vx"), ("eth0", "eth0")] {
            try lab.shell("r1", "ip -6 route replace multicast ff15::/16 dev \(route) metric 10 table local")
            let decided = try lab.receive("r1", ["--once", "--timeout", "1s"] + group).wait()
            #expect(decided.status == 4 && decided.errors.contains("on \(name)"), "\(decided.errors)")
        }
        let named = try lab.receive("r1", ["--once", "--timeout", "1s", "-i", "vx"] + group).wait()
        #expect(named.status == 4 && named.errors.contains("on vx"), "\(named.errors)")
    }
}
