import FuzzSupport
import TestSupport

@testable import RMCPProtocol

/// An honest receiver, with a disk that takes some time. A session that fails comes back by the next ANNOUNCE, and goes on from
/// what is there.
struct Receiver {
    private enum Work {
        case assembled(slot: Int, chunk: UInt32, record: ChunkRecord)
        case zeros(Range<UInt32>)
        case commit
    }

    let address: SocketAddress
    let identity: UInt32
    private var endpoint: ReceiverEndpoint
    private(set) var engine: ReceiverEngine?
    private var memory = SlotMemory(slots: 0, chunkLength: 0)
    private var work: [(due: Instant, work: Work)] = []
    /// Encoded chunks that are on the disk; empty for a hole.
    private var stored: [UInt32: [UInt8]] = [:]
    private var seed: UInt64
    private(set) var isComplete = false
    /// How the last session ended here.
    private(set) var lastState: ReceiverState?
    /// What the engine says last of a session that is over.
    private var farewell: [([UInt8], SocketAddress)] = []

    init(index: UInt8) {
        address = .ipv4(10, 0, 1, index, port: 5_000)
        identity = 1_000 + UInt32(index)
        seed = 50 + UInt64(index)
        let policy = TrustPolicy(trustedKeys: [MarkSigner.key], allowsUnsigned: false)
        let directory = SessionDirectory(policy: policy, verifier: World.notary, sessionLimit: 2, silence: .seconds(1))
        endpoint = ReceiverEndpoint(directory: directory, group: World.group)
    }

    /// What tells its parent from all others, for those who must not know it: cookies and nonces.
    func isSecret(nonce: UInt64) -> Bool { engine?.link.attachment.attempt?.nonce == nonce }
    var parent: SocketAddress? { engine?.parentAddress }

    // MARK: What comes

    mutating func take(_ datagram: [UInt8], _ arrival: Arrival, at now: Instant) {
        // Nobody else is where this one is.
        guard arrival.source != address else { return }
        let bytes = datagram
        guard engine != nil, tag(of: bytes) == engine?.session.tag else { return judge(bytes, from: arrival.source, at: now) }
        if let placement = unsafe engine?.handle(datagram: bytes.span.bytes, arrival: arrival, at: now) { memory.place(placement, of: bytes) }
    }

    private func tag(of datagram: [UInt8]) -> UInt32? { unsafe (try? PacketHeader(of: datagram.span.bytes))?.sessionTag }

    private mutating func judge(_ datagram: [UInt8], from source: SocketAddress, at now: Instant) {
        let answer = unsafe endpoint.handle(datagram.span.bytes, from: source, at: now, lastHeard: { _ in nil })
        if case .join(let region) = answer {
            endpoint.regions.noteFailed(region, at: now)
            require(endpoint.regions.joined.isEmpty, "listens to \(endpoint.regions.joined)")
        }
        guard case .begin(let offer, _) = answer else { return }
        require(!isComplete, "takes again what is complete")
        seed += 1
        engine = ReceiverEngine(
            identity: identity, configuration: World.configuration, announce: offer.announce, source: offer.source,
            transmitter: offer.transmitter, isResumable: true, verifier: World.notary, digest: LaneDigest(), seed: seed, at: now)
        memory = SlotMemory(slots: World.configuration.memory.assemblySlots, chunkLength: Bundle.chunkLength)
    }

    // MARK: Time

    /// When there is something to do; nil when nothing is.
    mutating func due() -> Instant? {
        let timer = engine?.pollTimeout()
        guard let job = work.lazy.map(\.due).min() else { return timer }
        return timer.map { min($0, job) } ?? job
    }

    mutating func act(at now: Instant, diskDelay: Interval) {
        if let due = engine?.pollTimeout(), due <= now { engine?.handleTimeout(at: now) }
        drain(at: now, diskDelay)
        while let index = work.firstIndex(where: { $0.due <= now }) {
            finish(work.remove(at: index).work, at: now)
            drain(at: now, diskDelay)
        }
    }

    mutating func pollTransmit(at now: Instant) -> ([UInt8], SocketAddress)? {
        if !farewell.isEmpty { return farewell.removeFirst() }
        guard let (bytes, destination) = engine?.pollTransmit(at: now) else { return nil }
        return (bytes, destination)
    }

    // MARK: What the host is asked

    private mutating func drain(at now: Instant, _ delay: Interval) {
        var asked = 0
        while let event = engine?.pollEvent() {
            asked += 1
            require(asked <= 500, "no end of events")
            answer(event, at: now, delay)
        }
        guard let engine else { return }
        require(engine.slots.usedCount <= World.configuration.memory.assemblySlots, "\(engine.slots.usedCount) slots")
        require(engine.link.candidates.candidates.count <= World.configuration.tree.maximumParents, "\(engine.link.candidates.candidates.count) parents")
        require(engine.link.attachment.formers.count <= 16 && engine.outbox.count <= 64, "\(engine.outbox.count) datagrams wait")
    }

    private mutating func answer(_ event: ReceiverEvent, at now: Instant, _ delay: Interval) {
        trace("\(now.nanoseconds / 1_000) us, receiver \(identity): \(event)")
        switch event {
        case .consult(let chunks):
            for chunk in chunks {
                let isKept = engine?.record(of: chunk).map { isRight(stored[chunk], chunk, $0) } ?? false
                engine?.handle(isKept ? .kept(chunk: chunk) : .absent(chunk: chunk), at: now)
            }
        case .assembled(let slot, let chunk, let record):
            memory.lend(slot)
            require(Int(chunk) < Bundle.chunkCount && record == Bundle.records[Int(chunk)], "chunk \(chunk) with a record that was not signed")
            work.append((now + delay, .assembled(slot: slot, chunk: chunk, record: record)))
        case .examine(let slot, let chunk, let shape, _): engine?.handle(.examined(slot: slot, chunk: chunk, wrong: .all(of: shape)), at: now)
        case .zeros(let chunks):
            for chunk in chunks { require(Int(chunk) < Bundle.chunkCount && Bundle.records[Int(chunk)].kind == .zero, "holes \(chunks)") }
            work.append((now + delay, .zeros(chunks)))
        case .commit(let end):
            require(Int(end.chunkCount) == Bundle.chunkCount, "\(end)")
            checkContent()
            work.append((now + delay, .commit))
        case .finished(let state): finished(state, at: now)
        case .rejoin, .deaf, .parentChanged, .parentMoved, .refused, .untrusted: break
        case .page, .end, .announced, .statement: fatalError("a leaf has no use for \(event)")
        }
    }

    private func isRight(_ bytes: [UInt8]?, _ chunk: UInt32, _ record: ChunkRecord) -> Bool {
        guard let bytes, bytes.count == Int(record.encodedLength) else { return false }
        return record.kind == .zero || LaneDigest().digest(of: bytes) == record.encodedDigest
    }

    private func checkContent() {
        require(stored.count == Bundle.chunkCount, "is whole with \(stored.count) chunks")
        for chunk in 0..<Bundle.chunkCount { require(stored[UInt32(chunk)] == Bundle.contents[chunk], "chunk \(chunk) is not what was sent") }
    }

    private mutating func finish(_ job: Work, at now: Instant) {
        switch job {
        case .assembled(let slot, let chunk, let record):
            let bytes = memory.takeBack(slot, record)
            let isGood = isRight(bytes, chunk, record)
            if isGood { stored[chunk] = bytes }
            engine?.handle(isGood ? .stored(slot: slot, chunk: chunk) : .rejected(slot: slot, chunk: chunk), at: now)
        case .zeros(let chunks):
            for chunk in chunks { stored[chunk] = [] }
            engine?.handle(.storedZeros(chunks), at: now)
        case .commit:
            checkContent()
            isComplete = true
            engine?.handle(.committed, at: now)
        }
    }

    private mutating func finished(_ state: ReceiverState, at now: Instant) {
        guard let session = engine?.session, let key = engine?.announce.key else { return }
        lastState = state
        require((state == .complete) == isComplete, "ends with \(state)")
        require(state != .failedVerification, "a signed table was taken for wrong")
        while let (bytes, destination) = engine?.pollTransmit(at: now) { farewell.append((bytes, destination)) }
        if isComplete { endpoint.directory.noteCompleted(session, key: key) }
        endpoint.directory.end(session, mayReturn: state == .failedSender)
        engine = nil
        // The results of jobs of a session that is over change nothing any more.
        work = []
    }
}
