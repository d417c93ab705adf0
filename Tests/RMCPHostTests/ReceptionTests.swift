import Glibc
import RMCPProtocol
import TestSupport
import Testing

@testable import RMCPHost

/// What advertisements do to the sockets that datagrams come in at, with real sockets on the loopback interface.
@Suite(.serialized) struct ReceptionTests {
    private let group = LoopbackGroup.next()
    private let start = Poller.now()

    private func region(_ number: UInt8) -> SocketAddress { .ipv4(239, 255, 77, number, port: group.port) }

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

    /// A receiver's regions, as `RegionTable` decides, at its sockets.
    private final class Listener {
        let reception: Reception
        var table: RegionTable

        init(_ reception: Reception, group: SocketAddress) {
            self.reception = reception
            table = RegionTable(group: group)
        }

        /// Leaves those that nobody advertises.
        func leaveSilent(at now: Instant) { for region in table.takeSilent(at: now) { reception.leave(region) } }

        /// Advertised regions that are new.
        func hear(_ advertised: [SocketAddress], at now: Instant) -> [SocketAddress] {
            let joining = advertised.filter { table.noteAdvertised($0, at: now) }
            return joining.filter { reception.join($0, in: &table, at: now) }
        }
    }

    private func listener() throws -> Listener { Listener(try reception(), group: group) }

    private func regions(_ numbers: ClosedRange<UInt8>) -> [SocketAddress] { numbers.map { region($0) } }

    /// A region that nobody else can listen to, as of a program that does not share its port.
    private final class Occupied {
        private let raw: Int32

        init(_ region: SocketAddress) throws(HostError) {
            let raw = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
            self.raw = raw
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = region.port.bigEndian
            address.sin_addr.s_addr = UInt32(truncatingIfNeeded: region.low).bigEndian
            let bound = unsafe withUnsafePointer(to: &address) {
                unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(raw, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
            }
            guard bound == 0 else { throw HostError.system("bind", "a socket") }
        }

        func free() { close(raw) }
    }

    @Test("A region that cannot be opened has no place, and the sockets stay while they are gone through")
    func unopenable() throws {
        let listener = try listener()
        let reception = listener.reception
        #expect(listener.hear(regions(1...3), at: start) == regions(1...3))
        let descriptors = reception.descriptors
        let occupied = try Occupied(region(9))
        defer { occupied.free() }
        let sender = try DatagramSocket.sending(to: group, through: reception.interface, timeToLive: 0)
        // To the group and to the last region: advertised while the former is read, with the latter still to come.
        for address in [group, region(3)] { #expect(sender.send([7], to: address) == .sent) }
        let later = start + .seconds(1)
        var joining: [SocketAddress] = []
        let taken = take(reception) {
            let advertised = region(9)
            if listener.table.noteAdvertised(advertised, at: later) { joining.append(advertised) }
        }
        #expect(taken == [[7], [7]] && joining.count == 1)
        #expect(!reception.join(joining[0], in: &listener.table, at: later) && reception.descriptors == descriptors)
        #expect(listener.table.joined == regions(1...3))
    }

    @Test("A region that was not opened is tried again only after a while")
    func retried() throws {
        let listener = try listener()
        let region = region(9)
        let occupied = try Occupied(region)
        func isJoined(after seconds: Double) -> Bool { listener.hear([region], at: start + .seconds(seconds)) == [region] }
        #expect(!isJoined(after: 0))
        occupied.free()
        #expect(!isJoined(after: 9))
        #expect(isJoined(after: 10))
        #expect(!isJoined(after: 11), "it is there already")
    }

    @Test("One that nobody advertises any more is left, and whoever waits for the sockets waits for the next one")
    func left() throws {
        let listener = try listener()
        let reception = listener.reception
        let poller = Poller()
        reception.watch(by: poller)
        #expect(listener.hear(regions(1...4), at: start) == regions(1...4))
        let descriptors = reception.descriptors
        let later = start + RegionTable.memory
        #expect(listener.hear([region(1), region(2), region(4), region(5)], at: later).isEmpty, "all places are taken")
        #expect(listener.table.nextSilence == later)
        listener.leaveSilent(at: later)
        #expect(listener.table.joined == [region(1), region(2), region(4)] && reception.descriptors.count == descriptors.count - 1)
        #expect(listener.hear([region(5)], at: later) == [region(5)])
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

    @Test("However many regions are advertised, and however often: no more than a few are joined")
    func flooded() throws {
        let listener = try listener()
        let many = Array(repeating: regions(1...200), count: 3).flatMap { $0 }
        #expect(listener.hear(many, at: start) == regions(1...4))
        #expect(listener.reception.descriptors.count == 5)
        let later = start + .seconds(9)
        #expect(listener.hear(regions(1...200).reversed(), at: later).isEmpty)
        listener.leaveSilent(at: later + .seconds(1))
        #expect(listener.hear([region(9)], at: later + .seconds(1)).isEmpty, "all four were advertised a second ago")
        #expect(listener.reception.descriptors.count == 5)
    }
}
