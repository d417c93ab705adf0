/// Outlines of chunks that somebody spoilt on the way: asked for, made by the host, sent as repairs are.
extension SenderEngine {
    /// Requests that waited for a chunk go on.
    mutating func unpark(_ chunk: UInt32, at now: Instant) {
        pending.unpark(chunk, at: now)
        for index in unicastChildren.indices { unicastChildren[index].pending.unpark(chunk, at: now) }
    }

    /// The next part of an outline that is due; the chunk waits aside while its outline is made.
    mutating func nextOutline(to audience: Audience, at now: Instant) -> Transmit? {
        for _ in 0..<Self.examinedRepairs {
            guard let chunk = withPending(of: audience, { $0.outlines.dueChunk(at: now) }) else { return nil }
            if let parts = window.outlines[chunk] {
                if let transmit = send(parts, of: chunk, to: audience, at: now) { return transmit }
            } else if !window.outlines.isMaking(chunk), window.holds(chunk), !beginOutline(of: chunk, at: now) {
                let due = now + configuration.repairs.repairAggregationDelay
                withPending(of: audience) { $0.outlines.postponeFirst(to: due) }
            } else {
                // It is being made now, or the chunk is yet to come.
                withPending(of: audience) { $0.outlines.parkFirst() }
            }
        }
        return nil
    }

    /// Has the host make an outline; false while the chunk's bytes are yet to be fetched, or others are being outlined.
    private mutating func beginOutline(of chunk: UInt32, at now: Instant) -> Bool {
        guard let shape = window.outlineShape(of: chunk, payloadLength: announce.payloadLength), window.outlines.mayMake else { return false }
        guard window.resident.contains(chunk) else {
            fetch(chunk)
            return false
        }
        window.resident.touch(chunk, at: now)
        window.outlines.begin(chunk)
        events.append(.outline(chunk: chunk, shape))
        return true
    }

    private mutating func send(_ parts: [OutlinePart], of chunk: UInt32, to audience: Audience, at now: Instant) -> Transmit? {
        var recipient: ChildName?
        var destination = destination(of: audience)
        if case .group = audience, let asker = pending.outlines.loneAsker(of: chunk), let address = children.address(of: asker) {
            recipient = asker
            destination = .peer(address)
        }
        var next: OutlinePart?
        let holdOff = repairHoldOff
        withPending(of: audience) {
            $0.outlines.takeFirst(limit: 1, to: recipient, holdOff: holdOff, at: now) { index in if parts.indices.contains(index) { next = parts[index] } }
        }
        guard let next else { return nil }
        let transmit = paced(.outline(next), to: destination)
        if case .datagram(let bytes, _) = transmit {
            counters.repairBytes += UInt64(bytes.count)
            note(repair: bytes.count, to: destination)
            if case .group = audience {
                shares.tables.noteSecond(bytes.count)
                shares.outlines.noteFirst(bytes.count)
            }
        }
        return transmit
    }
}
