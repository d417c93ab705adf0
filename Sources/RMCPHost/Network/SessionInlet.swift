import RMCPContent
import RMCPProtocol

/// An engine that says where payloads go.
protocol PlacingEngine {
    mutating func take(_ datagram: RawSpan, from arrival: Arrival, at now: Instant) -> Placement?
    /// Memory is missing for a slot.
    mutating func refuse(slot: Int, at now: Instant)
    /// Packets that a slot has of its chunk, 0 for one that is not in use; nil while the host has all of them.
    mutating func packets(inSlot slot: Int) -> Int?
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

    init(slots: Int, account: MemoryAccount) { buffers = SlotBuffers(slots: slots, account: account) }

    var account: MemoryAccount { buffers.account }

    /// Takes the datagrams from `offset` on that are this session's; where the next one of somebody else begins.
    mutating func take<Engine: PlacingEngine>(
        _ train: DatagramTrain, from offset: Int, tag: UInt32, for engine: inout Engine, at now: Instant
    ) -> Int {
        buffers.account.lastHeard = now
        return unsafe train.whileTagged(tag, from: offset) { bytes in
            guard let placement = unsafe engine.take(RawSpan(_unsafeBytes: bytes), from: train.arrival, at: now) else { return }
            if unsafe !buffers.place(bytes, placement, at: now) {
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

    /// Gives back the buffer of the slot that has come least far: the engine is told that there is none for it.
    mutating func giveUp<Engine: PlacingEngine>(for engine: inout Engine, at now: Instant) -> Bool {
        var least: (slot: Int, packets: Int)?
        for slot in buffers.filled {
            guard let packets = engine.packets(inSlot: slot), packets < least?.packets ?? .max else { continue }
            least = (slot, packets)
        }
        guard let slot = least?.slot, let buffer = buffers.take(slot) else { return false }
        _ = buffers.takeAlternates(of: slot)
        engine.refuse(slot: slot, at: now)
        buffers.account.pool.giveBack(buffer)
        return true
    }

    mutating func giveBackAll() { buffers.giveBackAll() }
}
