import FuzzSupport
import TestSupport

@testable import RMCPProtocol

/// The least that a host does for a repair node, and a check of everything that the engine asks of it and puts on the
/// wire, above and below.
struct Host: EngineHost {
    static let configuration: Configuration = {
        var configuration = smallConfiguration()
        configuration.rate.fixedRate = 40_000_000
        return configuration
    }()
    static let parent = SocketAddress.ipv4(10, 0, 0, 1, port: 4_000)
    private static let start = Instant.milliseconds(1)
    private static let identity: UInt32 = 77

    var engine: RepairEngine
    var now = start
    private let mode: RepairEngine.Mode
    private var memory: SlotMemory
    private var work: [(slot: Int, chunk: UInt32, record: ChunkRecord)] = []
    private var fetches: [UInt32] = []
    /// Chunks on the disk, and those of them that are in memory.
    private var cache: Set<UInt32> = []
    private var held: Set<UInt32> = []
    private var kept: [[UInt8]] = []
    /// Chunks that somebody has needed since there were last no more in memory than there should be.
    private var needed: Set<UInt32> = []
    private var isOver = false
    /// What each child was answered an ATTACH with, by the last byte of its address.
    private var cookies: [UInt64] = Array(repeating: 0, count: 256)

    init(_ recording: Recording, mode: RepairEngine.Mode) {
        self.mode = mode
        let signature = signer(isSigned: recording.announce.isSigned).signature(for: recording.announce.signedMessage)
        engine = RepairEngine(
            identity: Self.identity, announce: recording.announce, signature: signature, mode: mode, configuration: Self.configuration,
            verifier: GenuineVerifier(messages: recording.signed), digest: LaneDigest(), seed: 3, at: now)
        memory = SlotMemory(slots: Self.configuration.memory.assemblySlots, chunkLength: Bundle.chunkLength)
        if mode == .relay { engine.handleAnnounce(from: Self.parent, transmitter: recording.transmitter, at: now) }
        drain()
    }

    // MARK: What comes

    mutating func hear(_ datagram: [UInt8]) {
        if let placement = unsafe engine.handle(upstream: datagram.span.bytes, arrival: Arrival(source: Self.parent, timeToLive: 1, at: now), at: now) {
            memory.place(placement, of: datagram)
        }
        drain()
    }

    mutating func hearChild(_ datagram: [UInt8], from address: UInt8) {
        unsafe engine.handle(child: datagram.span.bytes, from: .ipv4(10, 0, 1, address, port: 5_000), at: now)
        drain()
    }

    func cookie(_ address: UInt8) -> UInt64 { cookies[Int(address)] }

    mutating func retire() {
        engine.retire(at: now)
        drain()
    }

    /// The node is started again, with the cache that it has, and some of it is gone.
    mutating func restart(_ recording: Recording, without lost: UInt8) {
        var next = Host(recording, mode: mode)
        next.now = now
        next.cookies = cookies
        for datagram in kept {
            require(next.engine.restore(datagram, at: now), "kept what is not authentic")
            next.kept.append(datagram)
        }
        for chunk in cache.sorted() where UInt8(truncatingIfNeeded: chunk) % 8 != lost {
            guard next.engine.record(of: chunk) != nil else { continue }
            next.cache.insert(chunk)
            next.engine.restore(chunk: chunk, at: now)
        }
        next.engine.endRestoring(at: now)
        next.drain()
        self = next
    }

    // MARK: What the host is asked

    mutating func finishWork(_ choice: Int) {
        if !fetches.isEmpty, choice & 1 == 1 || work.isEmpty {
            let chunk = fetches.remove(at: choice % fetches.count)
            // Now and then it is not what it was.
            let isThere = cache.contains(chunk) && choice & 16 == 0
            if isThere { held.insert(chunk) } else { cache.remove(chunk) }
            engine.handle(isThere ? .fetched(chunk: chunk) : .damaged(chunk: chunk), at: now)
        } else if !work.isEmpty {
            let (slot, chunk, record) = work.remove(at: choice % work.count)
            let bytes = memory.takeBack(slot, record)
            let isRight = Int(chunk) < Bundle.chunkCount && record == Bundle.records[Int(chunk)] && bytes == Bundle.contents[Int(chunk)]
            if isRight {
                cache.insert(chunk)
                held.insert(chunk)
            }
            engine.handle(isRight ? .stored(slot: slot, chunk: chunk) : .rejected(slot: slot, chunk: chunk), at: now)
        }
        drain()
    }

    mutating func finishAllWork() { for _ in 0..<64 where !work.isEmpty || !fetches.isEmpty { finishWork(fetches.isEmpty ? 0 : 1) } }

    mutating func loseBuffer(_ choice: Int) {
        let slot = choice % memory.slotCount
        guard !memory.isLent(slot) else { return }
        engine.handle(.unavailable(slot: slot), at: now)
        drain()
    }

    mutating func giveUp(_ state: ReceiverState) {
        engine.handle(.failed(state), at: now)
        drain()
    }

    mutating func check() {
        let limits = Self.configuration
        require(engine.downstream.children.childCount <= limits.memory.maximumChildren, "\(engine.downstream.children.childCount) children")
        require(engine.downstream.unicastChildren.count <= limits.unicast.maximumUnicastChildren, "too many unicast children")
        checkResident()
        require(fetches.count <= limits.memory.maximumFetches, "\(fetches.count) fetches")
    }

    /// Chunks beyond the limit are held only while somebody needs them, and until the next one comes.
    private mutating func checkResident() {
        let (below, limit) = (engine.downstream, Self.configuration.memory.maximumResidentChunks)
        if below.window.resident.count <= limit { needed = [] }
        for chunk in 0..<UInt32(Bundle.chunkCount) where below.window.resident.contains(chunk) {
            let isNeeded = below.pending.needs(chunk) || below.unicastChildren.needs(chunk) || below.window.outlines.isMaking(chunk)
            if isNeeded || chunk >= below.window.position.chunk { needed.insert(chunk) }
        }
        require(below.window.resident.count <= limit + needed.count, "\(below.window.resident.count) chunks held, of which \(needed) were needed")
    }

    mutating func answer(_ event: RepairEvent) {
        switch event {
        case .keep(let datagram): kept.append(datagram)
        case .upstream(.consult(let chunks)):
            for chunk in chunks { engine.handle(cache.contains(chunk) ? .kept(chunk: chunk) : .absent(chunk: chunk), at: now) }
        case .upstream(.assembled(let slot, let chunk, let record)):
            memory.lend(slot)
            work.append((slot, chunk, record))
        case .upstream(.examine(let slot, let chunk, let shape, _)):
            engine.handle(.examined(slot: slot, chunk: chunk, wrong: .all(of: shape)), at: now)
        case .downstream(.outline(let chunk, let shape)):
            require(held.contains(chunk), "outlines chunk \(chunk), which is not held")
            if let record = engine.record(of: chunk) { engine.handle(.outlined(chunk: chunk, LaneDigest.outline(of: record, chunk: chunk, shape)), at: now) }
        case .upstream(.page), .upstream(.end), .upstream(.announced), .upstream(.statement), .upstream(.zeros), .upstream(.commit):
            fatalError("\(event) is the engine's own")
        case .upstream: break
        case .downstream(.fetch(let chunk)):
            require(!fetches.contains(chunk) && !isOver, "fetches chunk \(chunk) twice")
            fetches.append(chunk)
        case .downstream(.release(let chunk)): require(held.remove(chunk) != nil, "releases chunk \(chunk), which is not held")
        case .downstream(.finished): isOver = true
        case .downstream: break
        }
    }

    // MARK: What it says

    mutating func hear(_ speech: RepairSpeech) {
        switch speech {
        case .up(let bytes, let destination): checkUp(bytes, to: destination)
        case .down(let transmit): checkDown(transmit)
        }
    }

    private func checkUp(_ bytes: [UInt8], to destination: SocketAddress) {
        guard let (header, packet) = unsafe try? Packet.parse(bytes.span.bytes) else { fatalError("says what nobody understands") }
        if case .report = packet { return require(header.transmitter == engine.downstream.transmitterID, "\(header) to \(destination)") }
        require(header.isUnicast && header.transmitter == Self.identity && destination == Self.parent, "\(header) to \(destination)")
        switch packet {
        case .nak(let nak): require(!nak.request.isEmpty && bytes.count <= 500, "a NAK of \(bytes.count) bytes")
        case .status, .attach, .detach: break
        default: fatalError("a child does not say \(packet)")
        }
    }

    private mutating func checkDown(_ transmit: Transmit) {
        switch transmit {
        case .data(let batch):
            // What is sent was verified against its record, and is in memory.
            require(held.contains(batch.chunk), "sends chunk \(batch.chunk), which is not held")
            needed.insert(batch.chunk)
            for index in 0..<batch.count { require(!batch.payloadRange(at: index).isEmpty, "an empty packet of \(batch)") }
            if case .peer(let address) = batch.destination { require(cookies[Int(address.low & 255)] != 0, "a stream to who never asked for it") }
        case .datagram(let bytes, let destination):
            guard let (header, packet) = unsafe try? Packet.parse(bytes.span.bytes) else { fatalError("says what nobody understands") }
            require(header.isUnicast == (destination != .group) && header.transmitter == engine.downstream.transmitterID, "\(header)")
            switch packet {
            case .attached(let answer):
                if case .peer(let address) = destination, answer.cookie != 0 { cookies[Int(address.low & 255)] = answer.cookie }
            case .data, .nak, .status, .solicitation, .attach, .detach, .advertisement, .query: fatalError("a parent does not say \(packet)")
            default: break
            }
        }
    }
}
