import FuzzSupport
import TestSupport

@testable import RMCPProtocol

/// An honest repair node, with a cache that answers at once.
struct Node {
    static let above = SocketAddress.ipv4(10, 0, 2, 1, port: 5_000)
    static let below = SocketAddress.ipv4(10, 0, 2, 1, port: 4_000)
    private static let identity: UInt32 = 2_000

    private var endpoint: RepairEndpoint
    private(set) var engine: RepairEngine?
    private var memory = SlotMemory(slots: 0, chunkLength: 0)
    private var cache: Set<UInt32> = []
    private var held: Set<UInt32> = []
    private var seed: UInt64 = 90

    init() {
        let policy = TrustPolicy(trustedKeys: [MarkSigner.key], allowsUnsigned: false)
        endpoint = RepairEndpoint(
            place: RepairPlace(group: World.group, region: World.region), policy: policy, verifier: World.notary, sessionLimit: 2, silence: .seconds(1),
            identity: Self.identity, at: .zero)
    }

    func isSecret(nonce: UInt64) -> Bool { engine?.upstream?.link.attachment.attempt?.nonce == nonce }
    var identity: UInt32 { Self.identity }

    /// Whether a child is on its books.
    func counts(_ receiver: Receiver) -> Bool { engine?.downstream.counts(receiver.identity, at: receiver.address) ?? false }

    mutating func hear(_ datagram: [UInt8], _ arrival: Arrival, at now: Instant) {
        let source = arrival.source
        guard source != Self.above, source != Self.below, let header = unsafe try? PacketHeader(of: datagram.span.bytes) else { return }
        guard engine != nil, header.sessionTag == engine?.session.tag else { return judge(datagram, from: source, at: now) }
        guard let placement = unsafe engine?.handle(upstream: datagram.span.bytes, arrival: arrival, at: now) else { return }
        memory.place(placement, of: datagram)
    }

    private mutating func judge(_ datagram: [UInt8], from source: SocketAddress, at now: Instant) {
        let answer = unsafe endpoint.handle(above: datagram.span.bytes, from: source, at: now, activity: { _ in SessionActivity() })
        if case .join(let region) = answer { endpoint.regions.noteFailed(region, at: now) }
        guard case .begin(let offer, _, _) = answer else { return }
        seed += 1
        engine = RepairEngine(
            identity: Self.identity, announce: offer.announce, signature: offer.signature, mode: .repair, configuration: World.configuration,
            verifier: World.notary, digest: LaneDigest(), seed: seed, at: now)
        memory = SlotMemory(slots: World.configuration.memory.assemblySlots, chunkLength: Bundle.chunkLength)
        held = []
        engine?.endRestoring(at: now)
        engine?.handleAnnounce(from: offer.source, transmitter: offer.transmitter, at: now)
    }

    mutating func hearChild(_ datagram: [UInt8], from source: SocketAddress, at now: Instant) {
        guard source != Self.below else { return }
        if let session = engine?.session, unsafe PacketHeader.sessionTag(of: datagram.span.bytes) == session.tag {
            unsafe engine?.handle(child: datagram.span.bytes, from: source, at: now)
        } else if case .announce = unsafe endpoint.handle(below: datagram.span.bytes) {
            engine?.answerSolicitation(from: source, at: now)
        }
    }

    mutating func due(at now: Instant) -> Instant? { engine?.pollTimeout(at: now) }

    mutating func act(at now: Instant) {
        if let due = engine?.pollTimeout(at: now), due <= now { engine?.handleTimeout(at: now) }
        var asked = 0
        while let event = engine?.pollEvent() {
            asked += 1
            require(asked <= 1_000, "no end of events")
            answer(event, at: now)
        }
        guard let engine else { return }
        let limits = World.configuration
        require(engine.downstream.children.childCount <= limits.memory.maximumChildren, "\(engine.downstream.children.childCount) children")
        require(engine.downstream.unicastChildren.count <= limits.unicast.maximumUnicastChildren, "too many unicast children")
        if engine.downstream.isFinished {
            endpoint.directory.end(engine.session, mayReturn: true)
            self.engine = nil
        }
    }

    private mutating func answer(_ event: RepairEvent, at now: Instant) {
        switch event {
        case .upstream(.consult(let chunks)):
            for chunk in chunks { engine?.handle(cache.contains(chunk) ? .kept(chunk: chunk) : .absent(chunk: chunk), at: now) }
        case .upstream(.assembled(let slot, let chunk, let record)):
            let isRight = LaneDigest().digest(of: memory.takeBack(slot, record)) == record.encodedDigest
            if isRight {
                cache.insert(chunk)
                held.insert(chunk)
            }
            engine?.handle(isRight ? .stored(slot: slot, chunk: chunk) : .rejected(slot: slot, chunk: chunk), at: now)
        case .upstream(.examine(let slot, let chunk, let shape, _)):
            engine?.handle(.examined(slot: slot, chunk: chunk, wrong: .all(of: shape)), at: now)
        case .downstream(.outline(let chunk, let shape)):
            require(held.contains(chunk), "outlines chunk \(chunk), which is not held")
            if let record = engine?.record(of: chunk) { engine?.handle(.outlined(chunk: chunk, LaneDigest.outline(of: record, chunk: chunk, shape)), at: now) }
        case .upstream(.finished):
            // As the daemon does: what is not whole is nothing to serve.
            if engine?.isComplete == false { engine?.retire(at: now) }
        case .downstream(.fetch(let chunk)):
            require(cache.contains(chunk), "fetches chunk \(chunk), which never came")
            held.insert(chunk)
            engine?.handle(.fetched(chunk: chunk), at: now)
        case .downstream(.release(let chunk)): require(held.remove(chunk) != nil, "releases chunk \(chunk), which is not held")
        case .keep, .upstream, .downstream: break
        }
    }

    mutating func pollUpstream(at now: Instant) -> ([UInt8], SocketAddress)? {
        guard let (bytes, destination) = engine?.pollUpstream(at: now) else { return nil }
        return (bytes, destination)
    }

    mutating func pollDownstream(at now: Instant) -> Transmit? { engine?.pollDownstream(at: now) }
}
