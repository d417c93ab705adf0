import Testing

@testable import RMCPProtocol

@Suite struct NAKComposerTests {
    private func wireLength(_ request: RepairRequest) -> Int {
        var writer = ByteWriter()
        request.write(to: &writer)
        return writer.count
    }

    /// What fits is said completely and in order, and no datagram's room is exceeded.
    @Test(arguments: [60, 480, 1_372]) func requestsFitTheirDatagrams(limit: Int) {
        var random = RandomSource(seed: UInt64(limit))
        for _ in 0..<200 {
            var composer = NAKComposer(limit: limit)
            var whole = RepairRequest()
            var asked: [UInt32: PacketSet] = [:]
            for index in UInt32(0)..<UInt32(random.int(0...5)) {
                let range = index * 100..<index * 100 + 50
                composer.add(pages: range)
                whole.pages.append(range)
            }
            if random.chance(0.5) {
                composer.addEnd()
                whole.needsEnd = true
            }
            for chunk in UInt32(0)..<UInt32(random.int(0...20)) {
                let packets = random.packetSet()
                composer.add(chunk: chunk, packets: packets)
                asked[chunk] = packets
            }
            for index in UInt32(0)..<UInt32(random.int(0...5)) {
                let range = index * 100..<index * 100 + 50
                composer.add(chunks: range)
                whole.chunks.append(range)
            }
            let requests = composer.finish()
            #expect(requests.allSatisfy { !$0.isEmpty && wireLength($0) <= limit })
            #expect(requests.flatMap(\.pages) == whole.pages && requests.flatMap(\.chunks) == whole.chunks)
            #expect(requests.contains(where: \.needsEnd) == whole.needsEnd)
            let said = requests.flatMap(\.packets)
            #expect(said.map(\.chunk) == asked.keys.sorted())
            for entry in said {
                guard let wanted = asked[entry.chunk] else { continue }
                // A set that no datagram holds is cut at its end; nothing is asked for that is here.
                var excess = entry.packets
                excess.subtract(wanted)
                #expect(excess.isEmpty && entry.packets.first() == wanted.first())
                if RepairRequest.wireLength(of: wanted) <= limit { #expect(entry.packets == wanted) }
            }
        }
    }

    @Test func neighbouringChunksAreOneRange() {
        var composer = NAKComposer(limit: 1_000)
        composer.add(chunks: 1..<2)
        composer.add(chunks: 2..<5)
        composer.add(chunks: 6..<7)
        #expect(composer.finish().map(\.chunks) == [[1..<5, 6..<7]])
    }

    @Test func nothingNeededIsNothingSaid() {
        #expect(NAKComposer(limit: 100).finish().isEmpty)
    }

    /// The last datagram counts as full from half its room on: before that there is no reason to stop.
    @Test func isFullFromTheMiddleOfTheLastDatagram() {
        var composer = NAKComposer(limit: 100)
        // Ranges of 9 bytes, 11 to a datagram. The second one is beyond its middle with its sixth.
        for index in UInt32(1)...17 {
            #expect(!composer.isFull(datagrams: 2), "before range \(index)")
            composer.add(pages: index * 10..<index * 10 + 1)
        }
        #expect(composer.isFull(datagrams: 2) && !composer.isFull(datagrams: 3) && composer.isFull(datagrams: 1))
        let requests = composer.finish()
        #expect(requests.map(\.pages.count) == [11, 6])
    }

    @Test func oneDatagramIsFullToo() {
        var composer = NAKComposer(limit: 18)
        #expect(!composer.isFull(datagrams: 1))
        composer.add(pages: 0..<1)
        // Exactly half is not beyond it.
        #expect(!composer.isFull(datagrams: 1))
        composer.addEnd()
        #expect(composer.isFull(datagrams: 1))
    }

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
        var receiver = LoneReceiver(chunkLength: 2_600 * 400, payloadLength: 400) { $0.feedback.maximumNAKDatagrams = limit }
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
