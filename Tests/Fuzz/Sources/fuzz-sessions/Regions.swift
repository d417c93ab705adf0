import FuzzSupport
import Glibc

@testable import RMCPHost
@testable import RMCPProtocol

/// Advertised regions of any kind, with real sockets on the loopback interface: whatever is advertised, there are no more of them than
/// a receiver listens to, all of them open, and those that are new are told of.
func checkRegions(_ input: inout Input) {
    let group = ownGroup(1)
    let reception = listen(to: group)
    let poller = Poller()
    reception.watch(by: poller)
    var now = Instant.zero + .seconds(1)
    var table = RegionTable(group: group)
    for _ in 0..<24 where !input.isAtEnd {
        var joining: [SocketAddress] = []
        for _ in 0..<Int(input.byte() % 12) {
            let shape = input.byte()
            let port = [group.port, group.port, 1, group.port, .max, group.port][Int(shape & 7) % 6]
            let byte = UInt64(input.byte())
            let region: SocketAddress =
                switch shape >> 5 {
                case 0: SocketAddress(family: .ipv6, high: 0xFF15 << 48 | byte, low: byte, port: port)
                case 1: SocketAddress(family: .ipv4, high: byte, low: byte << 24, port: port)
                case 2: group
                default: .ipv4(239, 255, 78, UInt8(byte), port: port)
                }
            if table.noteAdvertised(region, at: now) { joining.append(region) }
        }
        for region in table.takeSilent(at: now) { reception.leave(region) }
        let before = reception.descriptors
        let joined = joining.filter { reception.join($0, in: &table, at: now) }
        let after = reception.descriptors
        require(joined.isEmpty == (before == after), "\(before) became \(after), and \(joined.count) are new")
        require(after.count == 1 + table.joined.count && table.joined.count <= RegionTable.limit && Set(after).count == after.count, "\(after)")
        require(after.allSatisfy { fcntl($0, F_GETFD) >= 0 }, "one of \(after) is closed")
        poller.wait(until: .zero)
        _ = reception.receive { _ in }
        _ = table.hearsRepairNodes(at: now)
        now = now + stepLength(input.byte())
    }
}

/// Listener, which nothing that comes in can have fail.
func listen(to group: SocketAddress) -> Reception {
    do { return try Reception(group: group, interface: try NetworkInterface.forGroup(group, named: "lo")) } catch {
        fatalError("nobody can listen on the loopback interface: \(error)")
    }
}
