import RMCPContent
import RMCPProtocol

/// An engine that says where payloads go.
protocol PlacingEngine {
    mutating func take(_ datagram: RawSpan, from arrival: Arrival, at now: Instant) -> Placement?
    /// Memory is missing for a slot.
    mutating func refuse(slot: Int, at now: Instant)
}

extension ReceiverEngine: PlacingEngine {
    mutating func take(_ datagram: RawSpan, from arrival: Arrival, at now: Instant) -> Placement? {
        handle(datagram: datagram, arrival: arrival, at: now)
    }

    mutating func refuse(slot: Int, at now: Instant) { handle(.unavailable(slot: slot), at: now) }
}

extension RepairEngine: PlacingEngine {
    mutating func take(_ datagram: RawSpan, from arrival: Arrival, at now: Instant) -> Placement? {
        handle(upstream: datagram, arrival: arrival, at: now)
    }

    mutating func refuse(slot: Int, at now: Instant) { handle(.unavailable(slot: slot), at: now) }
}

/// Where one session's datagrams come in: the engine judges them, and what it wants is copied to its assembly slots.
struct SessionInlet: ~Copyable {
    private var buffers: SlotBuffers
    /// Set once a payload had no place.
    private var hasRefused = false

    init(slots: Int, pool: BufferPool) { buffers = SlotBuffers(slots: slots, pool: pool) }

    /// Takes the datagrams from `offset` on that are this session's; where the next one of somebody else begins.
    mutating func take<Engine: PlacingEngine>(
        _ train: DatagramTrain, from offset: Int, tag: UInt32, for engine: inout Engine, at now: Instant
    ) -> Int {
        unsafe train.whileTagged(tag, from: offset) { bytes in
            guard let placement = unsafe engine.take(RawSpan(_unsafeBytes: bytes), from: train.arrival, at: now) else { return }
            if unsafe !buffers.place(bytes, placement) {
                hasRefused = true
                engine.refuse(slot: placement.slot, at: now)
            }
        }
    }

    /// Fault for which payloads have no place; nil where buffers come back.
    var shortage: HostError? { hasRefused ? buffers.shortage : nil }

    /// The buffer of a slot that is complete, for a worker.
    mutating func takeBuffer(of slot: Int) -> ChunkBuffer? { buffers.take(slot) }

    /// The buffer comes back to its slot: the chunk is wrong somewhere.
    mutating func put(_ buffer: ChunkBuffer, at slot: Int) { buffers.put(buffer, at: slot) }

    mutating func takeAlternates(of slot: Int) -> [ChunkOutline.Alternate] { buffers.takeAlternates(of: slot) }

    mutating func giveBackAll() { buffers.giveBackAll() }
}
