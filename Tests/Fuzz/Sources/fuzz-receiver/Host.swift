import FuzzSupport
import TestSupport

@testable import RMCPProtocol

/// The least that a host does for a receiver, and a check of everything that the engine asks of it.
struct Host: EngineHost {
    enum Work: Hashable {
        case assembled(slot: Int, chunk: UInt32, record: ChunkRecord)
        case zeros(Range<UInt32>)
        case commit(EndOfTable)
    }

    static let configuration = smallConfiguration()
    static let parent = SocketAddress.ipv4(10, 0, 0, 1, port: 4_000)
    /// A page of single holes, and some.
    let drainLimit = 2 * TablePage.maximumRecords + 64

    var engine: ReceiverEngine
    var now: Instant
    private let isSigned: Bool
    private var memory: SlotMemory
    private(set) var work: [Work] = []
    private var present: Set<UInt32> = []
    /// NAKs since it was last drained.
    private var requests = 0
    private(set) var outcome: ReceiverState?
    /// The host itself has said that the bundle cannot be stored.
    private var hasGivenUp = false

    init(recording: Recording, isResumable: Bool) {
        now = .milliseconds(1)
        isSigned = recording.announce.isSigned
        engine = ReceiverEngine(
            identity: 77, configuration: Self.configuration, announce: recording.announce, source: Self.parent,
            transmitter: recording.transmitter, isResumable: isResumable, verifier: GenuineVerifier(messages: recording.signed),
            digest: LaneDigest(), seed: 3, at: now)
        memory = SlotMemory(slots: Self.configuration.memory.assemblySlots, chunkLength: Bundle.chunkLength)
    }

    // MARK: What comes

    mutating func take(_ datagram: [UInt8]) {
        if let placement = unsafe engine.handle(datagram: datagram.span.bytes, arrival: Arrival(source: Self.parent, at: now), at: now) {
            require(!present.contains(placement.chunk), "\(placement) is of a chunk that is there")
            memory.place(placement, of: datagram)
        }
        drain()
    }

    // MARK: What the host is asked

    mutating func check() {
        require(requests <= 2 * Self.configuration.feedback.maximumNAKDatagrams, "\(requests) NAKs at once")
        requests = 0
        require(engine.slots.usedCount <= Self.configuration.memory.assemblySlots, "\(engine.slots.usedCount) slots")
        require(engine.events.isEmpty && engine.outbox.isEmpty, "drained and not empty")
        require(engine.chunksDone <= engine.chunkTotal ?? Limits.maximumChunks, "\(engine.chunksDone) of \(engine.chunkTotal ?? 0) chunks done")
        require(!isSigned || engine.chunksDone <= Bundle.chunkCount, "\(engine.chunksDone) chunks done of \(Bundle.chunkCount)")
        _ = (engine.state, engine.loss)
    }

    mutating func answer(_ event: ReceiverEvent) {
        require(outcome == nil, "\(event) after the end")
        switch event {
        case .consult(let chunks):
            for chunk in chunks {
                // What is on disk from before is verified against the record.
                let isKept = chunk % 3 == 0 && isGenuine(chunk)
                if isKept { present.insert(chunk) }
                engine.handle(isKept ? .kept(chunk: chunk) : .absent(chunk: chunk), at: now)
            }
        case .assembled(let slot, let chunk, let record):
            memory.lend(slot)
            require(!present.contains(chunk), "chunk \(chunk) is there already")
            require(!isSigned || isGenuine(chunk, record), "chunk \(chunk) with a record that was not signed: \(record)")
            require(record.encodedLength > 0, "chunk \(chunk) is a hole")
            work.append(.assembled(slot: slot, chunk: chunk, record: record))
        case .examine(let slot, let chunk, let shape, _): engine.handle(.examined(slot: slot, chunk: chunk, wrong: .all(of: shape)), at: now)
        case .zeros(let chunks):
            require(!isSigned || chunks.allSatisfy { isGenuine($0) && Bundle.records[Int($0)].kind == .zero }, "holes \(chunks)")
            work.append(.zeros(chunks))
        case .commit(let end):
            require(!isSigned || Int(end.chunkCount) == Bundle.chunkCount, "\(end)")
            for chunk in 0..<end.chunkCount { require(present.contains(chunk), "commits without chunk \(chunk)") }
            if isSigned { require(present.count == Bundle.chunkCount, "commits with \(present.count) chunks") }
            work.append(.commit(end))
        case .rejoin, .deaf, .parentChanged, .parentMoved, .refused, .untrusted: break
        case .page, .end, .announced, .statement: fatalError("a leaf has no use for \(event)")
        case .finished(let state):
            require(!isSigned || state != .failedVerification || hasGivenUp, "a signed table was taken for wrong")
            outcome = state
        }
    }

    private func isGenuine(_ chunk: UInt32) -> Bool { engine.record(of: chunk).map { isGenuine(chunk, $0) } ?? false }

    private func isGenuine(_ chunk: UInt32, _ record: ChunkRecord) -> Bool {
        Int(chunk) < Bundle.chunkCount && record == Bundle.records[Int(chunk)]
    }

    /// Finishes one piece of the host's work. A chunk counts as stored if its bytes are those of the record.
    mutating func finishWork(_ choice: Int) {
        guard !work.isEmpty else { return }
        switch work.remove(at: choice % work.count) {
        case .assembled(let slot, let chunk, let record):
            let bytes = memory.takeBack(slot, record)
            let isRight = isGenuine(chunk, record) && bytes == Bundle.contents[Int(chunk)]
            if isRight { present.insert(chunk) }
            engine.handle(isRight ? .stored(slot: slot, chunk: chunk) : .rejected(slot: slot, chunk: chunk), at: now)
        case .zeros(let chunks):
            present.formUnion(chunks)
            engine.handle(.storedZeros(chunks), at: now)
        case .commit: engine.handle(.committed, at: now)
        }
        drain()
    }

    mutating func finishAllWork() { while !work.isEmpty { finishWork(0) } }

    mutating func giveUp(_ state: ReceiverState) {
        hasGivenUp = true
        engine.handle(.failed(state), at: now)
        drain()
    }

    mutating func overflow(_ datagrams: UInt8) {
        engine.handle(.overflow(datagrams: UInt64(datagrams)), at: now)
        drain()
    }

    /// The host had no buffer for what was placed.
    mutating func loseBuffer(_ choice: Int) {
        let slot = choice % memory.slotCount
        guard !memory.isLent(slot) else { return }
        engine.handle(.unavailable(slot: slot), at: now)
        drain()
    }

    // MARK: What it says

    mutating func hear(_ speech: ReceiverEngine.Speech) {
        let datagram = speech.bytes
        guard let (header, packet) = unsafe try? Packet.parse(datagram.span.bytes) else { fatalError("says what nobody understands") }
        require(header.isUnicast && header.transmitter == 77, "\(header)")
        require(speech.destination == Self.parent, "speaks to \(speech.destination), of which nothing came")
        switch packet {
        case .nak(let nak):
            requests += 1
            require(!nak.request.isEmpty, "asks for nothing")
            require(datagram.count <= Int(engine.announce.payloadLength) + DataHeader.length, "a NAK of \(datagram.count) bytes")
        case .status(let report): require(report.histogram.population == 1, "\(report)")
        case .attach, .detach: break
        default: fatalError("a receiver does not say \(packet)")
        }
    }
}
