import RMCPProtocol

/// A repair node that hears the stream and keeps it, with one child that asks for nothing.
private struct RepairingHost {
    var engine: RepairEngine
    var now = Fixture.start
    var sequence: UInt32 = 0
    let datagram = DataDatagram()
    private var sinceRound = 0
    private var stored = 0

    init() {
        let signature = StubSigner().signature(for: [])
        engine = RepairEngine(
            identity: 1_001, announce: Fixture.announce, signature: signature, mode: .repair, configuration: Fixture.quiet,
            verifier: StubVerifier(), digest: StubDigest(), seed: 5, at: now)
        hear(Fixture.fromSender(Fixture.heartbeat()))
        drain()
        let child = Fixture.fromChild(Fixture.status(StatusHistogram(Fixture.leaf())), 1)
        unsafe engine.handle(child: child.span.bytes, from: Fixture.childAddress(1), at: now)
        for page in Fixture.pages() { hear(page) }
        drain()
    }

    private mutating func hear(_ bytes: [UInt8]) {
        _ = unsafe engine.handle(upstream: bytes.span.bytes, arrival: Arrival(source: Fixture.senderAddress, timeToLive: 1, at: now), at: now)
    }

    @inline(__always)
    mutating func receive(chunk: Int, packet: Int) {
        datagram.set(sequence: sequence, chunk: chunk, packet: packet)
        sequence &+= 1
        now = now + Fixture.packetTime
        let bytes = unsafe datagram.bytes(of: packet)
        let placement = unsafe engine.handle(
            upstream: RawSpan(_unsafeBytes: bytes), arrival: Arrival(source: Fixture.senderAddress, timeToLive: 1, at: now), at: now)
        if let placement { consume(placement.offset) }
        sinceRound += 1
        if sinceRound == Fixture.round { drain() }
    }

    mutating func drain() {
        sinceRound = 0
        while let event = engine.pollEvent() {
            switch event {
            case .upstream(.assembled(let slot, let chunk, _)):
                engine.handle(.stored(slot: slot, chunk: chunk), at: now)
                stored += 1
            case .upstream(.consult(let chunks)): for chunk in chunks { engine.handle(.absent(chunk: chunk), at: now) }
            default: break
            }
        }
        if let due = engine.pollTimeout(at: now), due <= now { engine.handleTimeout(at: now) }
        while let (bytes, _) = engine.pollUpstream(at: now) { consume(bytes.count) }
        while let transmit = engine.pollDownstream(at: now) { if case .datagram(let bytes, _) = transmit { consume(bytes.count) } }
    }

    func check(chunks: Int) {
        guard stored >= chunks else { fatalError("\(stored) chunks stored instead of \(chunks)") }
    }
}

let repairPaths: [EnginePath] = [
    EnginePath("repair-node-data", per: "packet", isHot: true) {
        let prepared = RepairingHost()
        return { count in
            var host = prepared
            for index in 0..<count {
                let (chunk, packet) = index.quotientAndRemainder(dividingBy: Fixture.packetsPerChunk)
                host.receive(chunk: chunk, packet: packet)
            }
            host.drain()
            host.check(chunks: count / Fixture.packetsPerChunk)
            return count
        }
    }
]
