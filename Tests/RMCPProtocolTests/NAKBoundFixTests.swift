import Testing

@testable import RMCPProtocol

@Suite struct NAKBoundFixTests {
    /// A last datagram that is nearly half full must not make room for an entry by beginning another.
    @Test(arguments: 1...4) func noMoreDatagramsThanAllowed(datagrams: Int) {
        var composer = NAKComposer(limit: 100, datagrams: datagrams)
        // Every other packet of 512: a bitmap of 73 bytes, of which one fits a datagram.
        var scattered = PacketSet()
        for packet in stride(from: 0, to: 512, by: 2) { scattered.insert(packet) }
        let taken = (UInt32(0)..<10).filter { composer.add(chunk: $0, packets: scattered) }
        #expect(taken.count == datagrams)
        #expect(composer.finish().flatMap(\.packets).map(\.chunk) == taken)
    }

    /// Chunks of which every other packet is missing, up to their end or to a third of them: bitmaps of most of a datagram
    /// after such as leave more than half of one.
    @Test(arguments: 1...4) func aReceiverWithManyNeedsKeepsToItsDatagrams(limit: Int) {
        var receiver = LoneReceiver(chunkLength: 2_600 * 400, payloadLength: 400) { $0.maximumNAKDatagrams = limit }
        receiver.takeHeartbeat(chunk: 1, pages: 0)
        receiver.takePage(0, chunks: 0..<10)
        receiver.takeHeartbeat(chunk: 10, pages: 1)
        for chunk in UInt32(1)..<10 {
            for packet in UInt16(0)..<2_600 where packet % 2 == 0 || chunk % 2 == 1 && packet > 800 {
                let data = datagram(
                    .data(DataHeader(chunk: chunk, packet: packet, isRepair: true), payloadOffset: 24), tag: receiver.announce.session.tag,
                    transmitter: 7, payload: Array(repeating: 0, count: 400))
                _ = receiver.engine.handle(datagram: data.span.bytes, arrival: Arrival(source: LoneReceiver.source, at: receiver.now), at: receiver.now)
            }
        }
        var most = 0
        for _ in 0..<200 { most = max(most, receiver.run(for: .milliseconds(1)).requests.count) }
        #expect(most == limit)
    }
}
