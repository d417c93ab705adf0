import Glibc
import RMCPProtocol
import Testing

@testable import RMCPHost

/// What advertisements do to the sockets that datagrams come in at, with real sockets on the loopback interface.
@Suite(.serialized) struct ReceptionTests {
    private let group = SocketAddress.ipv4(239, 255, 76, 110, port: 17_710)
    private let start = Poller.now()

    private func region(_ number: UInt8, port: UInt16 = 17_711) -> SocketAddress { .ipv4(239, 255, 77, number, port: port) }

    private func reception() throws -> Reception { try Reception(group: group, interface: try NetworkInterface.forGroup(group, named: "lo")) }

    /// Reads everything that waits, by a poller of its own; the datagrams.
    private func take(_ reception: Reception, _ body: () -> Void = {}) -> [[UInt8]] {
        let poller = Poller()
        reception.watch(by: poller)
        defer { reception.unwatch() }
        poller.wait(until: Poller.now() + .seconds(5))
        var result: [[UInt8]] = []
        _ = reception.receive { train in
            unsafe train.forEach { bytes in
                unsafe result.append(Array(bytes))
                body()
            }
        }
        return result
    }

    private func join(_ reception: Reception, _ numbers: ClosedRange<UInt8>, at now: Instant) {
        for number in numbers { reception.noteAdvertised(region(number)) }
        #expect(reception.joinAdvertised(at: now) == numbers.map { region($0) })
    }

    /// A port that nobody else can have, as of a program that does not share it.
    private final class Occupied {
        let port: UInt16
        private let raw: Int32

        init() throws(HostError) {
            let raw = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
            self.raw = raw
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            let bound = unsafe withUnsafePointer(to: &address) {
                unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(raw, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
            }
            guard bound == 0 else { throw HostError.system("bind", "a socket") }
            guard let local = DatagramSocket.localAddress(of: raw) else { throw HostError("no address") }
            port = local.port
        }

        func free() { close(raw) }
    }

    @Test("A region that cannot be opened takes nobody's place, and the sockets stay while they are gone through")
    func unopenable() throws {
        let reception = try reception()
        join(reception, 1...4, at: start)
        let descriptors = reception.descriptors
        let occupied = try Occupied()
        defer { occupied.free() }
        let sender = try DatagramSocket.sending(to: group, through: reception.interface, timeToLive: 0)
        // To the group and to the last region: noted while the former is read, with the latter still to come.
        for address in [group, region(4)] { #expect(sender.send([7], to: address) == .sent) }
        let later = start + RegionTable.memory + .seconds(1)
        let taken = take(reception) { reception.noteAdvertised(region(9, port: occupied.port)) }
        #expect(taken == [[7], [7]])
        #expect(reception.joinAdvertised(at: later).isEmpty && reception.descriptors == descriptors)
    }

    @Test("A region that was not opened is tried again only after a while")
    func retried() throws {
        let reception = try reception()
        let occupied = try Occupied()
        let region = region(9, port: occupied.port)
        func isJoined(after seconds: Double) -> Bool {
            reception.noteAdvertised(region)
            return reception.joinAdvertised(at: start + .seconds(seconds)) == [region]
        }
        #expect(!isJoined(after: 0))
        occupied.free()
        #expect(!isJoined(after: 9))
        #expect(isJoined(after: 10))
        #expect(!isJoined(after: 11), "it is there already")
    }

    @Test("One that nobody advertises any more gives way to another, and whoever waits for the sockets waits for the new one")
    func replaced() throws {
        let reception = try reception()
        let poller = Poller()
        reception.watch(by: poller)
        join(reception, 1...4, at: start)
        let descriptors = reception.descriptors
        reception.noteAdvertised(region(5))
        #expect(reception.joinAdvertised(at: start + .seconds(1)).isEmpty, "all four were advertised just now")
        let later = start + RegionTable.memory + .seconds(1)
        for number in [1, 2, 4] as [UInt8] { reception.noteAdvertised(region(number)) }
        #expect(reception.joinAdvertised(at: later).isEmpty)
        join(reception, 5...5, at: later)
        #expect(reception.descriptors.count == descriptors.count && reception.descriptors != descriptors)
        let sender = try DatagramSocket.sending(to: group, through: reception.interface, timeToLive: 0)
        #expect(sender.send([3], to: region(3)) == .sent && sender.send([5], to: region(5)) == .sent)
        var taken: [[UInt8]] = []
        poller.wait(until: Poller.now() + .seconds(5))
        _ = reception.receive { train in unsafe train.forEach { bytes in unsafe taken.append(Array(bytes)) } }
        #expect(taken == [[5]])
        reception.unwatch()
        #expect(!reception.receive { _ in })
    }

    @Test("However many regions are advertised, and however often: a few are looked at, and no more than a few are joined")
    func flooded() throws {
        let reception = try reception()
        for _ in 0..<3 {
            for number in 1...200 as ClosedRange<UInt8> { reception.noteAdvertised(region(number)) }
        }
        #expect(reception.joinAdvertised(at: start) == (1...4).map { region($0) })
        // Those that are known have room in a pass whatever comes before them.
        for number in (1...200 as ClosedRange<UInt8>).reversed() { reception.noteAdvertised(region(number)) }
        let later = start + RegionTable.memory
        #expect(reception.joinAdvertised(at: later).isEmpty)
        #expect(reception.hearsRepairNodes(at: later))
        reception.noteAdvertised(region(9))
        #expect(reception.joinAdvertised(at: later + .seconds(1)).isEmpty, "all four were advertised a second ago")
        // The group itself, and other families, are no region.
        reception.noteAdvertised(group)
        reception.noteAdvertised(try #require(SocketAddress(parsing: "[ff15::1]", defaultPort: 1)))
        #expect(reception.joinAdvertised(at: later + .seconds(60)).isEmpty)
    }
}
