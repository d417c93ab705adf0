import RMCPProtocol
import TestSupport

/// A sender with one receiver, in the middle of its stream, and the least that a host does for it: chunks are at hand as
/// fast as they are wanted, headers are written as for the kernel.
struct StreamingSender {
    var engine: SenderEngine
    var now = Fixture.start
    /// Packets that went out.
    private(set) var packets = 0
    private(set) var headers = [UInt8](repeating: 0, count: DataBatch.capacity * DataHeader.length)

    init(configuration: Configuration = Fixture.quiet, children: Int = 1) {
        engine = SenderEngine(
            configuration: configuration, announce: Fixture.announce, signer: MarkSigner(), digest: StubDigest(), seed: 7, at: now)
        for number in 0..<children { hear(Fixture.fromChild(Fixture.status(StatusHistogram(Fixture.leaf(.joined, progress: 0))), number), number) }
        engine.handleTimeout(at: now)
    }

    mutating func hear(_ bytes: [UInt8], _ child: Int) {
        unsafe engine.handle(datagram: bytes.span.bytes, from: Fixture.childAddress(child), at: now)
    }

    /// One round of the host's loop up to one thing that is sent; a control packet is answered.
    @inline(__always)
    mutating func step() -> [UInt8]? {
        while engine.encodeCredit > 0, engine.chunkCount < Fixture.chunkCount {
            engine.handle(.encoded(Fixture.record(of: Int(engine.chunkCount))), at: now)
        }
        if let due = engine.pollTimeout(at: now), due <= now { engine.handleTimeout(at: now) }
        while let event = engine.pollEvent() { if case .release(let chunk) = event { consume(Int(chunk)) } }
        switch engine.pollTransmit(at: now) {
        case .datagram(let bytes, _): return bytes
        case .data(let batch):
            write(batch)
            return nil
        case nil:
            now = now + Fixture.packetTime
            return nil
        }
    }

    @inline(__always)
    private mutating func write(_ batch: DataBatch) {
        unsafe headers.withUnsafeMutableBytes { buffer in
            for index in 0..<batch.count {
                let header = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[index * DataHeader.length..<(index + 1) * DataHeader.length])
                var span = unsafe header.mutableBytes
                batch.writeHeader(at: index, into: &span)
                consume(batch.payloadRange(at: index).lowerBound)
            }
        }
        packets += batch.count
        now = now + Interval(nanoseconds: Fixture.packetTime.nanoseconds * Int64(batch.count))
    }

    mutating func send(packets count: Int) {
        let end = packets + count
        while packets < end { if let bytes = step() { consume(bytes.count) } }
    }
}

let senderPaths: [EnginePath] = [
    EnginePath("send-data", per: "packet", isHot: true) {
        var prepared = StreamingSender()
        prepared.send(packets: Fixture.packetsPerChunk)
        return { count in
            var sender = prepared
            let before = sender.packets
            sender.send(packets: count)
            return sender.packets - before
        }
    },
    // A hundred children ask for the same 8 packets of 4 chunks: the first NAK is news, the others are not.
    EnginePath("accept-nak-known", per: "NAK") {
        let (prepared, naks) = asked(seeds: { _ in 1 })
        return { count in
            var sender = prepared
            for index in 0..<count { sender.hear(naks[index % naks.count], index % naks.count) }
            return count
        }
    },
    // The same with packets that nobody else lacks; they are repaired before the next asks.
    EnginePath("accept-nak-repair", per: "repaired packet") {
        let (prepared, naks) = asked(seeds: { UInt64($0) })
        return { count in
            var sender = prepared
            let before = sender.packets
            var child = 0
            while sender.packets - before < count {
                // After two hold-offs everything may be asked for again.
                if child % naks.count == 0 { sender.now = sender.now + .seconds(1) }
                sender.hear(naks[child % naks.count], child % naks.count)
                child += 1
                let end = sender.now + .milliseconds(2)
                sender.now = end
                for _ in 0..<8 { if let bytes = sender.step() { consume(bytes.count) } }
            }
            return sender.packets - before
        }
    },
]

/// A sender that has sent everything once, and a NAK of each of a hundred children.
private func asked(seeds: (Int) -> UInt64) -> (StreamingSender, [[UInt8]]) {
    var sender = StreamingSender(children: 100)
    sender.send(packets: Fixture.packetsPerChunk * Fixture.chunkCount)
    sender.now = sender.now + .seconds(1)
    for _ in 0..<8 { if let bytes = sender.step() { consume(bytes.count) } }
    let naks = (0..<100).map { child in
        var request = RepairRequest()
        request.packets = (0..<4).map { chunk in
            let seed = seeds(child) << 8 | UInt64(chunk)
            return RepairRequest.ChunkPackets(chunk: UInt32(Fixture.chunkCount - 4 + chunk), packets: scattered(count: 8, seed: seed))
        }
        return Fixture.fromChild(.nak(NegativeAcknowledgement(echo: .none, cookie: Fixture.cookie, request: request)), child)
    }
    return (sender, naks)
}
