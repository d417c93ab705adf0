/// Chunks that came whole and are not what their records say: somebody forged or damaged a packet, and one packet must not cost the chunk.
///
/// ```
///   rejected ──outline here──▶ examined ──wrong subtrees──▶ their packets are fetched again ──all packets──▶ verified again
///      │            ▲             └──none is wrong: the host had the true packets aside──────────────────────────▲
///      └─asked for──┘
/// ```
extension ReceiverEngine {
    mutating func inquire(into slot: Int, chunk: UInt32, at now: Instant) {
        counters.chunksRejected += 1
        slots[slot].begin(isCatchUp: true)
        if slots[slot].inquiry == nil, let length = ledger.encodedLength(of: chunk) {
            slots[slot].inquiry = OutlineShape(encodedLength: length, payloadLength: announce.payloadLength).map(ChunkInquiry.init)
        }
        // A chunk of a few packets is fetched again whole, and so is one that no outline finds a fault with.
        guard let inquiry = slots[slot].inquiry, !inquiry.isSound else { return refill(slot: slot, chunk: chunk, at: now) }
        if inquiry.isComplete { return examine(slot, inquiry) }
        ledger[chunk] = .assembling
        slots.setWithHost(slot, false)
        armNAK(at: now)
    }

    private mutating func examine(_ slot: Int, _ inquiry: ChunkInquiry) {
        let chunk = slots[slot].chunk
        ledger[chunk] = .verifying
        slots.setWithHost(slot, true)
        events.append(.examine(slot: slot, chunk: chunk, inquiry.shape, values: inquiry.values))
    }

    /// Takes a part of an outline, whoever sent it: it vouches for itself.
    mutating func take(_ part: OutlinePart, at now: Instant) {
        guard case .receiving = phase, let slot = slots.slot(ofChunk: part.chunk), slots[slot].isAssembling, let shape = slots[slot].inquiry?.shape,
            slots[slot].inquiry?.lacks(part.part) ?? false
        else { return }
        guard let record = ledger.record(of: part.chunk), part.isTrue(of: record.encodedDigest, shape, by: digest) else {
            counters.forged += 1
            return
        }
        slots[slot].inquiry?.take(part)
        link.noteHelped()
        if let inquiry = slots[slot].inquiry, inquiry.isComplete { examine(slot, inquiry) }
    }

    /// Fetches the packets of what is wrong again.
    mutating func fetchAgain(_ wrong: IndexRangeSet, of slot: Int, chunk: UInt32, at now: Instant) {
        slots.setWithHost(slot, false)
        ledger[chunk] = .assembling
        guard let inquiry = slots[slot].inquiry, let length = ledger.encodedLength(of: chunk) else { return }
        let bound = wrong.overlap(with: 0..<UInt32(inquiry.shape.subtreeCount))
        if bound.isEmpty {
            slots[slot].inquiry?.isSound = true
            return handOverIfWhole(slot: slot, encodedLength: length)
        }
        var spoilt = PacketSet(capacity: slots[slot].received.count)
        for subtrees in bound {
            spoilt.insert(inquiry.shape.packets(touching: Int(subtrees.lowerBound)..<Int(subtrees.upperBound), payloadLength: announce.payloadLength))
        }
        if slots[slot].hasSupplied(anyOf: spoilt) { blameSupplier(of: slot, at: now) }
        slots[slot].received.subtract(spoilt)
        slots[slot].hold.cutShort(at: now)
        armNAK(at: now)
    }

    private mutating func refill(slot: Int, chunk: UInt32, at now: Instant) {
        ledger[chunk] = .assembling
        slots[slot].received.removeAll()
        slots[slot].inquiry = nil
        slots.setWithHost(slot, false)
        slots[slot].hold.cutShort(at: now)
        blameSupplier(of: slot, at: now)
        armNAK(at: now)
    }

    /// A supplier of a chunk that is wrong, who does not say where, is taken to have nothing better.
    mutating func blameSilentSuppliers(at now: Instant) {
        for slot in slots.indices where slots[slot].isAssembling && slots[slot].supplier != nil {
            guard let inquiry = slots[slot].inquiry, !inquiry.isComplete, inquiry.vainRequests > ChunkInquiry.patience else { continue }
            blameSupplier(of: slot, at: now)
        }
    }
}
