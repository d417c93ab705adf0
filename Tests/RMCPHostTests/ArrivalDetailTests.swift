import RMCPProtocol
import Testing

@testable import RMCPHost

/// When the kernel is asked to tell of each datagram, and when of each read.
@Suite(.serialized) struct ArrivalDetailTests {
    private let start = Instant.zero + .seconds(1)

    /// Reads until something changes; how many.
    private func reads(of count: Int, areSingle: Bool = true, in detail: inout ArrivalDetail, at now: Instant, limit: Int = 1_000) -> Int? {
        (1...limit).first { _ in detail.note(count, areSingle: areSingle, at: now) }
    }

    @Test func manySingleDatagramsAreToldOfTogether() {
        var detail = ArrivalDetail()
        #expect(reads(of: 1, in: &detail, at: start) == nil && reads(of: 16, areSingle: false, in: &detail, at: start) == nil)
        #expect(reads(of: 2, in: &detail, at: start) == 16 && detail.scope == .read)
        // A train in between is no stream of single ones.
        detail = ArrivalDetail()
        for _ in 0..<100 { #expect(reads(of: 9, in: &detail, at: start, limit: 15) == nil && !detail.note(1, areSingle: false, at: start)) }
    }

    @Test func aLookIsTakenEachSecond() {
        var detail = ArrivalDetail()
        _ = reads(of: 9, in: &detail, at: start)
        #expect(reads(of: 9, in: &detail, at: start + .milliseconds(899)) == nil)
        #expect(reads(of: 9, in: &detail, at: start + .milliseconds(900)) == 1 && detail.scope == .datagram)
        #expect(reads(of: 9, in: &detail, at: start + .milliseconds(999)) == nil)
        #expect(reads(of: 9, in: &detail, at: start + .milliseconds(1_000)) == 1 && detail.scope == .read)
    }

    @Test func trainsAndFewDatagramsEndIt() {
        var detail = ArrivalDetail()
        _ = reads(of: 9, in: &detail, at: start)
        #expect(reads(of: 9, areSingle: false, in: &detail, at: start) == 1 && detail.scope == .datagram)
        _ = reads(of: 9, in: &detail, at: start + .milliseconds(100))
        #expect(detail.scope == .read && reads(of: 1, in: &detail, at: start + .milliseconds(100)) == 16 && detail.scope == .datagram)
    }

    /// On the loopback interface: the time is that of the read's last datagram, what comes stays known as the group's, and the time to live
    /// is known again once few come.
    @Test func theKernelTellsAsMuchAsItIsAsked() throws {
        let group = SocketAddress.ipv4(239, 255, 76, 111, port: 17_711)
        let interface = try NetworkInterface.forGroup(group, named: "lo")
        let receiver = try DatagramSocket.receiving(from: group, through: interface)
        let sender = try DatagramSocket.sending(to: group, through: interface, timeToLive: 1)
        let slab = DatagramSlab(buffers: 16, of: group)
        let poller = Poller()
        _ = poller.watch(receiver.raw)
        /// What was sent, by the reads that brought it: nearly always one.
        func read(_ count: Int) -> [[Arrival]] {
            let sent = Poller.now()
            for number in 0..<count { #expect(sender.send([UInt8(number)], to: group) == .sent) }
            let limit = sent + .seconds(5)
            var reads: [[Arrival]] = []
            while reads.joined().count < count, Poller.now() < limit {
                poller.wait(until: limit)
                var arrivals: [Arrival] = []
                _ = unsafe slab.receive(from: receiver.raw) { _, arrival in arrivals.append(arrival) }
                if !arrivals.isEmpty { reads.append(arrivals) }
            }
            let now = Poller.now()
            #expect(reads.joined().count == count && reads.joined().allSatisfy { $0.isToGroup && $0.at <= now })
            // The clocks are read one after the other, and the wall's may be slewed.
            #expect(reads.joined().allSatisfy { $0.at >= sent - .milliseconds(5) })
            return reads
        }
        #expect(read(4).joined().allSatisfy { $0.timeToLive == 1 })
        #expect((1...500).contains { _ in read(4).joined().allSatisfy { $0.timeToLive == nil } })
        for _ in 0..<8 {
            #expect(read(4).allSatisfy { arrivals in Set(arrivals.map(\.at)).count == 1 && arrivals.allSatisfy { $0.timeToLive == nil } })
        }
        #expect((1...500).contains { _ in read(1).joined().allSatisfy { $0.timeToLive == 1 } })
    }
}
