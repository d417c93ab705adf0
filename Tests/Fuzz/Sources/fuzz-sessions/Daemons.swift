import FuzzSupport
import Glibc
import OrderedCollections
import RMCPContent
import RMCPReport

@testable import RMCPHost
@testable import RMCPProtocol

/// A repair node as it runs, on the loopback interface, with its threads and its cache: datagrams of sessions, damaged and made up, come
/// to its group, to its region and to its own ports, and then it is told to stop. It has to, whatever came.
///
/// Its sessions cannot be had without its sockets. Time is the machine's here, so that what an input does may differ from run to run.
func checkRepairDaemon(_ input: inout Input, folder: String) {
    let group = ownGroup(0)
    let keys = Set(Fixture.keys.prefix(1).compactMap { $0?.publicKey })
    let request = RepairNodeRequest(
        group: group, interfaceName: "lo", region: nil, regionInterfaceName: nil, regionTimeToLive: 0, upstream: nil,
        cachePath: "\(folder)/cache", cacheSize: 1 << 20, trust: TrustPolicy(trustedKeys: keys, allowsUnsigned: input.byte() & 1 != 0),
        configuration: smallConfiguration())
    let (daemon, socket) = start(request)
    let targets = [group, daemon.region, daemon.outlet.socket.localAddress, daemon.reception.replySocket.localAddress].compactMap { $0 }
    var sent = 0
    // The daemon keeps what observes it, which an `inout` parameter may not be part of.
    var rest = input
    defer { input = rest }
    func speak() {
        for _ in 0..<60 where !rest.isAtEnd {
            let (way, choice, first) = (rest.byte(), rest.byte(), Int(rest.byte()))
            let fixture = fixtures[Int(choice) % fixtures.count]
            for index in 0..<Int(way >> 4) + 1 {
                var datagram = fixture.datagrams[(first + index) % fixture.datagrams.count]
                if way & 8 != 0 { datagram = rest.damage(datagram, bytes: 4) }
                if way & 4 != 0 { datagram = Array(datagram.prefix(PacketHeader.length)) + rest.take(Int(rest.byte())) }
                _ = socket.send(datagram, to: targets[Int(way & 3) % targets.count])
                sent += 1
            }
        }
    }
    var updates = 0
    do throws(HostError) {
        try daemon.run { update in
            updates += 1
            require(updates < 5_000, "no end of \(update)")
            switch update {
            case .listening:
                speak()
                // To this thread alone, whose signals the daemon reads: libFuzzer ends at one that any thread may take.
                pthread_kill(pthread_self(), SIGTERM)
            case .stopped: require(daemon.sessions.isEmpty, "stopped with \(daemon.sessions.count) sessions")
            default:
                require(
                    daemon.sessions.count <= HostLimits.repairSessions && daemon.cache.arrivalCount <= HostLimits.repairArrivals,
                    "\(daemon.sessions.count) sessions")
            }
        }
    } catch { fatalError("a repair node ends by itself: \(error)") }
}

/// Start of a daemon, which nothing that comes in can have fail: a machine without multicast on its loopback interface would pass whatever the daemon does.
private func start(_ request: RepairNodeRequest) -> (RepairLoop, DatagramSocket) {
    do {
        let daemon = try RepairLoop(request)
        let interface = try NetworkInterface.forGroup(request.group, named: "lo")
        return (daemon, try DatagramSocket.sending(to: request.group, through: interface, timeToLive: 0))
    } catch { fatalError("no repair node on the loopback interface: \(error)") }
}

/// A group of this process alone: those who fuzz or test beside it do not hear it, nor it them.
func ownGroup(_ number: UInt16) -> SocketAddress {
    let process = UInt32(getpid())
    return .ipv4(239, 255, UInt8(128 | process >> 8 & 127), UInt8(process & 255), port: 20_000 + UInt16(process >> 15 & 127) * 2 + number)
}
