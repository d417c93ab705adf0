/// Signed words of the sender: the table's pages, END, and an ANNOUNCE that changes the datagrams' length.
extension ReceiverEngine {
    mutating func take(_ page: TablePage, body: [UInt8], signature: Signature, at now: Instant) {
        // When the session is over for this receiver, nothing is started for it any more.
        guard case .receiving = phase else { return }
        guard !ledger.hasPage(page.index) else {
            counters.duplicates += 1
            return
        }
        guard isAuthentic(signature, TablePage.signedMessage(session: session, body: body)) else { return }
        guard ledger.insert(page, digest: digest.digest(of: body), chunkLength: announce.chunkLength) else {
            return finish(as: .failedVerification, at: now)
        }
        if let end = ledger.end, ledger.contradicts(end) { return finish(as: .failedVerification, at: now) }
        link.noteHelped()
        naks.notePage()
        if role.isRepairNode { events.append(.page(page, body: body, signature)) }
        if page.index > ledger.sentPages { armNAK(at: now) }
        limits.follow(ledger, total: chunkTotal)
        ledger.noteSent(pages: page.index + 1, hasEnd: false)
        admit(page)
        commitIfWhole(at: now)
    }

    /// Starts what the new records make possible: holes, chunks from before, chunks whose packets are here already.
    private mutating func admit(_ page: TablePage) {
        var consulted: Range<UInt32>?
        var zeros: Range<UInt32>?
        for chunk in page.chunkRange {
            switch ledger[chunk] {
            case .absent where ledger.record(of: chunk)?.kind == .zero, .assembling where ledger.record(of: chunk)?.kind == .zero:
                // A slot may have been set aside before it was known that nothing will come.
                if let slot = slots.slot(ofChunk: chunk) { slots.release(slot) }
                ledger[chunk] = .verifying
                if let range = zeros, range.upperBound == chunk {
                    zeros = range.lowerBound..<chunk + 1
                } else {
                    if let range = zeros { events.append(.zeros(range)) }
                    zeros = chunk..<chunk + 1
                }
            case .absent where isResumable:
                ledger[chunk] = .consulting
                consulted = (consulted?.lowerBound ?? chunk)..<chunk + 1
            case .assembling:
                if let slot = slots.slot(ofChunk: chunk), let length = ledger.encodedLength(of: chunk) {
                    handOverIfWhole(slot: slot, encodedLength: length)
                }
            case .absent, .consulting, .verifying, .done: break
            }
        }
        if let zeros { events.append(.zeros(zeros)) }
        if let consulted { events.append(.consult(consulted)) }
    }

    mutating func take(_ end: EndOfTable, signature: Signature, at now: Instant) {
        guard case .receiving = phase, ledger.end == nil else { return }
        guard isAuthentic(signature, end.signedMessage(session: session)) else { return }
        ledger.end = end
        guard !ledger.contradicts(end) else { return finish(as: .failedVerification, at: now) }
        if role.isRepairNode { events.append(.end(end, signature)) }
        limits.follow(ledger, total: end.chunkCount)
        dropChunks(from: end.chunkCount)
        if ledger.correct(pages: end.pageCount, hasEnd: true) { naks.forgetTable() }
        retreatFront(to: limits.position, at: now)
        ledger.noteSent(pages: end.pageCount, hasEnd: false)
        noteFront(StreamPosition(chunk: end.chunkCount, packet: 0), at: now)
        armNAK(at: now)
        commitIfWhole(at: now)
    }

    /// Chunks beyond the end were never sent by the sender: somebody forged packets of them.
    mutating func dropChunks(from count: UInt32) {
        for slot in slots.indices where slots[slot].isAssembling && slots[slot].chunk >= count {
            ledger[slots[slot].chunk] = .absent
            slots.release(slot)
            counters.forged += 1
        }
    }

    mutating func isAuthentic(_ signature: Signature, _ message: [UInt8]) -> Bool {
        guard announce.isSigned else { return true }
        if verifier.isValid(signature, for: message, by: announce.key) { return true }
        counters.forged += 1
        return false
    }

    /// While nothing has been sent the sender may lower its datagrams' length to fit the path.
    mutating func update(_ newer: Announce, signature: Signature, at now: Instant) {
        // The length first: all others repeat what is known, and are held against all of it otherwise.
        guard newer.payloadLength < announce.payloadLength, newer.session == session, newer.key == announce.key else { return }
        var expected = newer
        expected.payloadLength = announce.payloadLength
        guard expected == announce, isAuthentic(signature, newer.signedMessage) else { return }
        announce = newer
        if role.isRepairNode { events.append(.announced(newer, signature)) }
        // Who missed this until data came has put it into the wrong places.
        for slot in slots.indices where slots[slot].isAssembling {
            ledger[slots[slot].chunk] = .absent
            slots.release(slot)
        }
        front.renumberPackets()
        hastenStatus(to: now + link.pace.groupRoundTrip)
    }

    /// Takes an authentic page or END that was kept from before; nothing of it is told the host again.
    mutating func restore(_ datagram: [UInt8], at now: Instant) {
        guard let (_, packet) = unsafe try? Packet.parse(datagram.span.bytes) else { return }
        switch packet {
        case .page(let page, let body, let signature): take(page, body: body, signature: signature, at: now)
        case .end(let end, let signature): take(end, signature: signature, at: now)
        default: break
        }
        events.removeAll {
            switch $0 {
            case .page, .end: true
            default: false
            }
        }
    }
}
