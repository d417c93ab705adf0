import RMCPProtocol
import TestSupport
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

    private struct Read {
        var begun: Instant
        var arrivals: [Arrival] = []

        /// Whether the times are of arrivals. On a busy host something may arrive while it is read.
        var isEarlier: Bool { arrivals.allSatisfy { $0.at <= begun } }
        var tellsTimeToLive: Bool { arrivals.allSatisfy { $0.timeToLive == 1 } }
        var tellsOnce: Bool { Set(arrivals.map(\.at)).count == 1 && arrivals.allSatisfy { $0.timeToLive == nil } }
    }

    /// On the loopback interface: the time is that of the read's last datagram, what comes stays known as the group's, and the time to live
    /// is known again once few come.
    @Test func theKernelTellsAsMuchAsItIsAsked() throws {
        let group = LoopbackGroup.next()
        let interface = try NetworkInterface.forGroup(group, named: "lo")
        let receiver = try DatagramSocket.receiving(from: group, through: interface)
        let sender = try DatagramSocket.sending(to: group, through: interface, timeToLive: 1)
        let slab = DatagramSlab(buffers: 16, of: group)
        let poller = Poller()
        _ = poller.watch(receiver.raw)
        let limit = Poller.now() + .seconds(20)
        /// The reads that brought what was sent: nearly always one.
        func read(_ count: Int) -> [Read] {
            let sent = Poller.now()
            for number in 0..<count { #expect(sender.send([UInt8(number)], to: group) == .sent) }
            var reads: [Read] = []
            while reads.reduce(0, { $0 + $1.arrivals.count }) < count, Poller.now() < limit {
                poller.wait(until: limit)
                var read = Read(begun: Poller.now())
                _ = unsafe slab.receive(from: receiver.raw) { _, arrival in read.arrivals.append(arrival) }
                if !read.arrivals.isEmpty { reads.append(read) }
            }
            #expect(reads.reduce(0) { $0 + $1.arrivals.count } == count && reads.flatMap(\.arrivals).allSatisfy { $0.isToGroup })
            // The clocks are read one after the other, and the wall's may be slewed.
            #expect(reads.flatMap(\.arrivals).allSatisfy { $0.at >= sent - .milliseconds(5) })
            return reads
        }
        /// Reads until it is so; false when it never is.
        func reads(_ count: Int, until isSo: ([Read]) -> Bool) -> Bool {
            while Poller.now() < limit { if isSo(read(count)) { return true } }
            return false
        }
        // The kernel takes times from a moment on after it was asked first.
        #expect(reads(1) { $0.allSatisfy { $0.isEarlier && $0.tellsTimeToLive } })
        #expect(reads(4) { $0.allSatisfy { $0.tellsOnce } })
        for _ in 0..<8 { #expect(read(4).allSatisfy { $0.tellsOnce }) }
        #expect(reads(4) { $0.allSatisfy { $0.isEarlier && $0.tellsOnce } })
        #expect(reads(1) { $0.allSatisfy { $0.tellsTimeToLive } })
    }
}
