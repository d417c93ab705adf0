import Dispatch
import RMCPProtocol
import TestSupport
import Testing

@testable import RMCPHost

@Suite struct AddressTests {
    @Test(arguments: [
        ("239.255.76.27", "239.255.76.27:17627"), ("239.1.2.3:9", "239.1.2.3:9"), ("[ff15::7627]:17627", "[ff15::7627]:17627"),
        ("[ff15::1]", "[ff15::1]:17627"), ("ff15::7627", "[ff15::7627]:17627"),
    ])
    func parses(text: String, shown: String) throws {
        let address = try #require(SocketAddress(parsing: text, defaultPort: 17_627))
        #expect(address.text == shown && address.isMulticast)
    }

    @Test(arguments: ["", ":", "239.1.1", "239.1.1.1:", "239.1.1.1:0", "239.1.1.1:65536", "239.1.1.1:x", "[ff15::1", "host.example", "1.2.3.4.5", "[ff15::1]9"])
    func refuses(text: String) { #expect(SocketAddress(parsing: text, defaultPort: 17_627) == nil) }

    @Test func theLoopbackInterfaceIsThere() throws {
        let loopback = try #require(try NetworkInterface.all().first { $0.isLoopback })
        #expect(loopback.isUp && loopback.mtu >= 1_500)
        let group = try #require(SocketAddress(parsing: "239.255.76.27", defaultPort: 17_627))
        #expect(try NetworkInterface.forGroup(group, named: loopback.name).name == loopback.name)
        #expect(throws: HostError.self) { try NetworkInterface.forGroup(group, named: "nothere0") }
    }

    @Test func datagramsGoOutInOneTrainAndComeInWhole() throws {
        let group = LoopbackGroup.next()
        let interface = try NetworkInterface.forGroup(group, named: "lo")
        let receiver = try DatagramSocket.receiving(from: group, through: interface)
        let sender = try DatagramSocket.sending(to: group, through: interface, timeToLive: 0)
        let slab = DatagramSlab(buffers: 4)
        for length in [1, 16, 1_400] {
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0) }
            #expect(sender.send(bytes, to: group) == .sent)
            var received: [[UInt8]] = []
            let poller = Poller()
            _ = poller.watch(receiver.raw)
            poller.wait(until: Poller.now() + .seconds(5))
            _ = slab.receive(from: receiver.raw) { datagram, _ in received.append(Array(datagram)) }
            #expect(received == [bytes])
        }
    }
}

@Suite struct QueueTests {
    @Test func aBoundedQueueIsBoundedAndInOrder() {
        let queue = BoundedQueue<Int>(capacity: 3)
        #expect((1...4).map { queue.tryPush($0) } == [true, true, true, false])
        #expect(queue.pop() == 1 && queue.tryPop() == 2)
        queue.close()
        #expect(!queue.tryPush(9))
        #expect(queue.pop() == 3 && queue.pop() == nil)
    }

    @Test func workersFinishEverything() throws {
        let wakeUp = try WakeUp()
        let pool = try WorkerPool<Int, Int>(name: "test", threads: 2, wakeUp: wakeUp) { { $0 * $0 } }
        for number in 0..<500 { pool.submit(number) }
        var results: Set<Int> = []
        let poller = Poller()
        _ = poller.watch(wakeUp.descriptor.raw)
        while pool.outstanding > 0 {
            poller.wait(until: Poller.now() + .seconds(5))
            wakeUp.clear()
            while let result = pool.collect() { results.insert(result) }
        }
        pool.shutDown()
        #expect(results == Set((0..<500).map { $0 * $0 }))
    }

    @Test func whatNoThreadHasBegunIsDropped() throws {
        let wakeUp = try WakeUp()
        let (begun, gate) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let pool = try WorkerPool<Int, Int>(name: "test", threads: 2, wakeUp: wakeUp) {
            { number in
                begun.signal()
                gate.wait()
                return number
            }
        }
        for number in 0..<20 { pool.submit(number) }
        for _ in 0..<2 { #expect(begun.wait(timeout: .now() + 20) == .success) }
        pool.drop()
        #expect(pool.outstanding == 2)
        for _ in 0..<2 { gate.signal() }
        pool.shutDown()
        #expect(Set((0..<3).compactMap { _ in pool.collect() }) == [0, 1] && pool.outstanding == 0)
    }

    @Test func aPoolGivesNoMoreThanItHas() throws {
        let pool = BufferPool(bufferLength: 4_096, limit: 2)
        let first = try #require(pool.take())
        #expect(pool.take() != nil && pool.take() == nil)
        pool.giveBack(first)
        #expect(pool.take() === first)
    }

    @Test func addressesThatAreNoneYetAreKnown() throws {
        let text = """
            00000000000000000000000000000001 01 80 10 80       lo
            fe80000000000000020c29fffe123456 02 40 20 c0     eth0
            20010db8000000000000000000000001 02 40 00 80     eth0
            fe80000000000000020c29fffe654321 03 40 20 c8     eth1
            garbage
            """
        let addresses = TentativeAddresses(text)
        let link = try #require(SocketAddress(parsing: "fe80::20c:29ff:fe12:3456", defaultPort: 1))
        let global = try #require(SocketAddress(parsing: "2001:db8::1", defaultPort: 1))
        #expect(addresses.contains(link, of: "eth0") && !addresses.contains(link, of: "eth1") && !addresses.contains(global, of: "eth0"))
        // One that another host has will not come.
        #expect(addresses.areSettling(on: "eth0") && addresses.areSettling(on: nil) && !addresses.areSettling(on: "eth1") && !addresses.areSettling(on: "lo"))
    }
}
