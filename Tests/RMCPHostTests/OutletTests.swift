import Glibc
import TestSupport
import Testing

@testable import RMCPHost
@testable import RMCPProtocol

/// Whose fault a failed send is, on real sockets: the kernel's errors are what is decided by.
@Suite(.serialized) struct OutletTests {
    private static let now = Instant(nanoseconds: 1_000_000_000)
    private static let noPort = SocketAddress.ipv4(127, 0, 0, 1, port: 0)
    private let group = LoopbackGroup.next()
    private let interface: NetworkInterface
    private let outlet: Outlet
    private let receiver: DatagramSocket
    private let slab = DatagramSlab(buffers: 4)

    init() throws {
        interface = try NetworkInterface.forGroup(group, named: "lo")
        receiver = try DatagramSocket.receiving(from: group, through: interface)
        outlet = Outlet(
            socket: try DatagramSocket.sending(to: group, through: interface, timeToLive: 0), group: group, interface: interface)
    }

    private func receive(from socket: DatagramSocket) -> [[UInt8]] {
        var received: [[UInt8]] = []
        let poller = Poller()
        _ = poller.watch(socket.raw)
        poller.wait(until: Poller.now() + .milliseconds(500))
        _ = slab.receive(from: socket.raw) { datagram, _ in received.append(Array(datagram)) }
        return received
    }

    @Test func aPeerThatCannotBeSentToPausesNobodyElse() {
        #expect(outlet.send([1], to: .peer(Self.noPort), at: Self.now))
        #expect(outlet.droppedToPeers == 1 && outlet.nextAttempt == nil && outlet.beginRound(at: Self.now))
        #expect(outlet.send([2], to: .group, at: Self.now))
        #expect(receive(from: receiver) == [[2]])
        let warnings = outlet.takeWarnings()
        #expect(warnings.count == 1 && warnings[0].contains("127.0.0.1:0"), "\(warnings)")
        // Said once, counted each time.
        for tick in 1...50 { outlet.send([3], to: .peer(Self.noPort), at: Self.now + .milliseconds(Int64(tick) * 40)) }
        #expect(outlet.droppedToPeers == 51 && outlet.takeWarnings().isEmpty && outlet.beginRound(at: Self.now))
    }

    @Test func aFailureToTheGroupPausesForAMoment() throws {
        // No broadcast without SO_BROADCAST: an error of the group's own.
        let nowhere = Outlet(
            socket: try DatagramSocket.sending(to: group, through: interface, timeToLive: 0),
            group: SocketAddress.ipv4(255, 255, 255, 255, port: 9), interface: interface)
        #expect(!nowhere.send([1], to: .group, at: Self.now))
        #expect(nowhere.isBlocked && !nowhere.wantsRoom && !nowhere.beginRound(at: Self.now))
        let attempt = try #require(nowhere.nextAttempt)
        #expect(attempt > Self.now && attempt - Self.now <= .milliseconds(100))
        #expect(nowhere.beginRound(at: attempt) && !nowhere.isBlocked)
        #expect(nowhere.takeWarnings().count == 1)
    }

    @Test func aPeerIsTriedAgainAfterAPauseThatDoubles() {
        var peers = UnreachablePeers(limit: 2)
        let (a, b, c) = (SocketAddress.ipv4(10, 0, 0, 1, port: 1), SocketAddress.ipv4(10, 0, 0, 2, port: 1), SocketAddress.ipv4(10, 0, 0, 3, port: 1))
        var now = Self.now
        var pauses: [Interval] = []
        for _ in 0..<10 {
            peers.failed(a, at: now)
            let begun = now
            while !peers.maySend(to: a, at: now) { now = now + .milliseconds(50) }
            pauses.append(now - begun)
        }
        #expect(pauses[1] > pauses[0] && pauses[9] == pauses[8] && pauses[9] <= .seconds(10), "\(pauses)")
        #expect(peers.maySend(to: b, at: now))
        // Whoever is reached begins anew.
        peers.reached(a)
        peers.failed(a, at: now)
        #expect(peers.maySend(to: a, at: now + pauses[0]))
        // Bounded.
        peers.failed(b, at: now)
        peers.failed(c, at: now)
        #expect(peers.count == 2 && !peers.maySend(to: c, at: now))
    }

    @Test func aBatchToAPeerIsNotKeptWhenItCannotBeSent() throws {
        let pool = BufferPool(bufferLength: 4_096, limit: 1)
        let buffer = try #require(pool.take())
        for batch in [batch(to: .peer(Self.noPort)), batch(to: .group)] {
            #expect(outlet.send(.data(batch), at: Self.now) { $0 == 7 ? buffer : nil })
        }
        #expect(outlet.droppedToPeers == 3 && !outlet.isBlocked)
        // The device was not to blame.
        #expect(receive(from: receiver).count == 3 && outlet.socket.segmentationOffload)
    }

    private func setCork(_ value: Int32) {
        var value = value
        // UDP_CORK
        #expect(setsockopt(outlet.socket.raw, Int32(IPPROTO_UDP), 1, &value, socklen_t(MemoryLayout<Int32>.size)) == 0)
    }

    /// Datagrams that do not leave: a corked one takes more than half of the least room that a socket has.
    private func fillSocket() throws {
        var small: Int32 = 1
        #expect(setsockopt(outlet.socket.raw, SOL_SOCKET, SO_SNDBUF, &small, socklen_t(MemoryLayout<Int32>.size)) == 0)
        setCork(1)
        #expect(outlet.send([UInt8](repeating: 0, count: 4_000), to: .group, at: Self.now))
        try #require(!outlet.socket.hasRoom)
    }

    /// Repair nodes are asked between rounds, while a batch may wait.
    @Test func aDatagramToAPeerThatCannotBeSentToTakesNothingElseWithIt() throws {
        try fillSocket()
        let pool = BufferPool(bufferLength: 4_096, limit: 1)
        let buffer = try #require(pool.take())
        #expect(!outlet.send(.data(batch(to: .peer(.ipv4(127, 0, 0, 1, port: 9)))), at: Self.now) { _ in buffer })
        outlet.release(buffer, to: pool)
        // What is corked takes whatever comes, and asks nothing of its destination.
        setCork(0)
        #expect(outlet.send([1], to: .peer(Self.noPort), at: Self.now))
        #expect(outlet.isBlocked && outlet.droppedToPeers == 1 && outlet.unsent.datagrams == 1 && pool.take() == nil)
        #expect(outlet.beginRound(at: Self.now) && !outlet.isBlocked && outlet.unsent.datagrams == 1)
        #expect(pool.take() === buffer)
    }

    @Test func aBatchToAPeerWaitsForRoomForAMomentAndKeepsItsBuffer() throws {
        try fillSocket()
        let pool = BufferPool(bufferLength: 4_096, limit: 1)
        let buffer = try #require(pool.take())
        let peer = SocketAddress.ipv4(127, 0, 0, 1, port: 9)
        #expect(!outlet.send(.data(batch(to: .peer(peer))), at: Self.now) { _ in buffer })
        #expect(outlet.isBlocked && outlet.wantsRoom && !outlet.beginRound(at: Self.now))
        outlet.release(buffer, to: pool)
        #expect(pool.take() == nil)
        let attempt = try #require(outlet.nextAttempt)
        #expect(attempt - Self.now <= .milliseconds(100))
        // The group's turn comes whatever becomes of the peer, which is left alone for a while.
        #expect(outlet.beginRound(at: attempt) && !outlet.isBlocked && outlet.droppedToPeers == 3)
        #expect(pool.take() === buffer)
        #expect(outlet.send(.data(batch(to: .peer(peer))), at: attempt) { _ in buffer })
        #expect(outlet.droppedToPeers == 6 && !outlet.isBlocked)
    }

    /// The kernel takes no datagram of more than 65,507 bytes, whatever the path carries.
    @Test func aDatagramThatIsTooLongByItselfSaysNothingOfThePath() {
        let tooLong = [UInt8](repeating: 0, count: 65_508)
        outlet.noteFinal(length: 1_400)
        var goesOn = outlet.send(tooLong, to: .group, at: Self.now)
        #expect(goesOn && !outlet.socket.isFragmenting && !outlet.isBlocked && outlet.unsent.datagrams == 1)
        let warnings = outlet.takeWarnings()
        #expect(warnings.count == 1 && !warnings[0].contains("fragments"), "\(warnings)")
        // A session that has such datagrams finds that the path does not carry them any more.
        outlet.noteFinal(length: 65_508)
        outlet.noteFinal(length: 1_400)
        goesOn = outlet.send(tooLong, to: .group, at: Self.now)
        #expect(!goesOn && outlet.socket.isFragmenting && outlet.takeWarnings().contains { $0.contains("fragments") })
    }

    /// Before a session has begun, shorter datagrams are tried in place of fragments.
    @Test func nothingIsFragmentedBeforeTheLengthIsFinal() {
        let goesOn = outlet.send([UInt8](repeating: 0, count: 65_508), to: .group, at: Self.now)
        #expect(goesOn && !outlet.socket.isFragmenting && outlet.takeWarnings().contains { $0.contains("shorter ones are tried") })
    }

    /// Packets of chunk 7.
    private func batch(to destination: Destination, packets: Int = 3) -> DataBatch {
        var batch = DataBatch(
            chunk: 7, isRepair: true, destination: destination, sessionTag: 1, transmitter: 2, firstSequence: 1, encodedLength: UInt32(packets) * 400,
            payloadLength: 400)
        for packet in 0..<packets { batch.append(packet) }
        return batch
    }
}

@Suite struct SourceTests {
    @Test(arguments: [
        ("10.0.0.1:1", true), ("127.0.0.1:65535", true), ("169.254.1.2:9", true), ("[fe80::1]:9", true), ("[::1]:9", true), ("[::ffff:10.0.0.1]:9", true),
        ("239.1.2.3:9", false), ("224.0.0.1:9", false), ("255.255.255.255:9", false), ("0.0.0.0:9", false), ("0.1.2.3:9", false), ("[::]:9", false),
        ("[ff02::1]:9", false), ("[::ffff:239.1.2.3]:9", false), ("[::ffff:0.0.0.0]:9", false),
    ])
    func canBeSource(text: String, expected: Bool) throws {
        var address = try #require(SocketAddress(parsing: text, defaultPort: 9))
        #expect(address.canBeSource == expected)
        address.port = 0
        #expect(!address.canBeSource)
    }
}
