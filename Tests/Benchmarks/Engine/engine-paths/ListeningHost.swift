import RMCPProtocol
import TestSupport

/// An engine that hears a sender's stream: a receiver's, or a repair node's.
protocol ListeningEngine: DrivenEngine {
    mutating func hear(_ datagram: RawSpan, _ arrival: Arrival, at now: Instant) -> Placement?
    /// Answers an event as a host does whose disk takes no time.
    /// - Returns: whether that was a chunk.
    mutating func answer(_ event: Event, at now: Instant) -> Bool
    static func length(of speech: Speech) -> Int
}

/// A listening engine and the least that a host does for it: as in `rmcp recv` and `rmcp repair`, events are answered after
/// each round of receiving and timers are looked at.
struct ListeningHost<Engine: ListeningEngine>: EngineHost {
    var engine: Engine
    var now = Fixture.start
    var sequence: UInt32 = 0
    private let datagram = DataDatagram()
    private var sinceRound = 0
    private var stored = 0

    init(_ engine: Engine) { self.engine = engine }

    /// A control datagram of the sender.
    mutating func hear(_ bytes: [UInt8]) {
        _ = unsafe engine.hear(bytes.span.bytes, Arrival(source: Fixture.senderAddress, timeToLive: 1, at: now), at: now)
    }

    /// The next datagram on the wire.
    @inline(__always)
    mutating func receive(chunk: Int, packet: Int, isRepair: Bool = false) {
        datagram.set(sequence: sequence, chunk: chunk, packet: packet, isRepair: isRepair)
        sequence &+= 1
        now = now + Fixture.packetTime
        let bytes = unsafe datagram.bytes(of: packet)
        let arrival = Arrival(source: Fixture.senderAddress, timeToLive: 1, at: now)
        if let placement = unsafe engine.hear(RawSpan(_unsafeBytes: bytes), arrival, at: now) { consume(placement.offset) }
        sinceRound += 1
        if sinceRound == Fixture.round { endRound() }
    }

    mutating func endRound() {
        sinceRound = 0
        drain()
        handleTimers()
    }

    /// So many packets of the stream, chunk by chunk, and the end of the last round.
    mutating func receive(packets count: Int) {
        for index in 0..<count {
            let (chunk, packet) = index.quotientAndRemainder(dividingBy: Fixture.packetsPerChunk)
            receive(chunk: chunk, packet: packet)
        }
        endRound()
        check(chunks: count / Fixture.packetsPerChunk)
    }

    mutating func answer(_ event: Engine.Event) { if engine.answer(event, at: now) { stored += 1 } }
    mutating func hear(_ speech: Engine.Speech) { consume(Engine.length(of: speech)) }

    /// Ends unless chunks were stored as they should have been.
    func check(chunks: Int) {
        guard stored >= chunks else { fatalError("\(stored) chunks stored instead of \(chunks)") }
    }
}

extension ReceiverEngine: ListeningEngine {
    mutating func hear(_ datagram: RawSpan, _ arrival: Arrival, at now: Instant) -> Placement? { handle(datagram: datagram, arrival: arrival, at: now) }

    mutating func answer(_ event: ReceiverEvent, at now: Instant) -> Bool {
        guard case .assembled(let slot, let chunk, _) = event else { return false }
        handle(.stored(slot: slot, chunk: chunk), at: now)
        return true
    }

    static func length(of speech: Speech) -> Int { speech.bytes.count }
}

extension RepairEngine: ListeningEngine {
    mutating func hear(_ datagram: RawSpan, _ arrival: Arrival, at now: Instant) -> Placement? { handle(upstream: datagram, arrival: arrival, at: now) }

    mutating func answer(_ event: RepairEvent, at now: Instant) -> Bool {
        switch event {
        case .upstream(.assembled(let slot, let chunk, _)):
            handle(.stored(slot: slot, chunk: chunk), at: now)
            return true
        case .upstream(.consult(let chunks)): for chunk in chunks { handle(.absent(chunk: chunk), at: now) }
        default: break
        }
        return false
    }

    static func length(of speech: RepairSpeech) -> Int {
        switch speech {
        case .up(let bytes, _), .down(.datagram(let bytes, _)): bytes.count
        case .down(.data(let batch)): batch.count
        }
    }
}
