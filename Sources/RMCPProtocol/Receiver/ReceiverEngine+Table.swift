/// Signed words of the sender: the table's pages, END, and an ANNOUNCE that changes the datagrams' length.
extension ReceiverEngine {
    /// Takes a page whose records are read when its signature is found good: a hundred bytes of anybody's make 4,096 of them.
    mutating func takePage(
        from reader: inout ByteReader, _ header: PacketHeader, length: Int, arrival: Arrival, at now: Instant
    ) throws(WireError) {
        let start = reader.offset
        let index = try TablePage.skip(in: &reader)
        let bodyRange = start..<reader.offset
        let signature = try reader.readSignature()
        guard accept(header, length: length, isData: false, arrival, at: now) else { return }
        guard wantsPage(index) else { return noteUnwantedPage() }
        let body = reader.array(in: bodyRange)
        let origin = VerificationBudget.Origin(source: arrival.source, transmitter: header.transmitter)
        guard verify(signature, from: origin, at: now, { TablePage.signedMessage(session: $0, body: body) }) else { return }
        var bodyReader = unsafe ByteReader(body.span.bytes)
        insert(try TablePage(reading: &bodyReader), body: body, signature: signature, at: now)
    }

    mutating func take(_ page: TablePage, body: [UInt8], signature: Signature, from origin: VerificationBudget.Origin, at now: Instant) {
        guard wantsPage(page.index) else { return noteUnwantedPage() }
        guard verify(signature, from: origin, at: now, { TablePage.signedMessage(session: $0, body: body) }) else { return }
        insert(page, body: body, signature: signature, at: now)
    }

    /// A session that is over for this receiver has nothing started for it any more.
    private func wantsPage(_ index: UInt32) -> Bool { if case .receiving = phase { !ledger.hasPage(index) } else { false } }
    private mutating func noteUnwantedPage() { if case .receiving = phase { counters.duplicates += 1 } }

    /// - Parameter isNew: the lower half of a repair node does not know it yet.
    private mutating func insert(_ page: TablePage, body: [UInt8], signature: Signature, isNew: Bool = true, at now: Instant) {
        guard ledger.hasRoom(for: page, isLive: isLive(page)) else {
            counters.windowDrops += 1
            return ledger.refuse(page)
        }
        guard ledger.insert(page, digest: digest.digest(of: body), chunkLength: announce.chunkLength) else {
            return finish(as: .failedVerification, at: now)
        }
        if let end = ledger.end, ledger.contradicts(end) { return finish(as: .failedVerification, at: now) }
        link.noteHelped()
        naks.notePage()
        if role.isRepairNode, isNew { events.append(.page(page, body: body, signature)) }
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

    mutating func take(_ end: EndOfTable, signature: Signature, from origin: VerificationBudget.Origin, at now: Instant) {
        guard wantsEnd, verify(signature, from: origin, at: now, { end.signedMessage(session: $0) }) else { return }
        insert(end, signature: signature, at: now)
    }

    private var wantsEnd: Bool { if case .receiving = phase { ledger.end == nil } else { false } }

    private mutating func insert(_ end: EndOfTable, signature: Signature, isNew: Bool = true, at now: Instant) {
        ledger.end = end
        guard !ledger.contradicts(end) else { return finish(as: .failedVerification, at: now) }
        if role.isRepairNode, isNew { events.append(.end(end, signature)) }
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
            vacate(slot)
            counters.forged += 1
        }
    }

    /// Amid a flood of forgeries some signatures are not looked at.
    /// - Returns: true when the session's key made the signature.
    mutating func verify(
        _ signature: Signature, from origin: VerificationBudget.Origin, at now: Instant, _ message: (SessionID) -> [UInt8]
    ) -> Bool {
        !announce.isSigned || verify(signature, by: announce.key, from: origin, at: now, message)
    }

    /// - Returns: true when `key` made the signature.
    mutating func verify(
        _ signature: Signature, by key: PublicKey, from origin: VerificationBudget.Origin, at now: Instant, _ message: (SessionID) -> [UInt8]
    ) -> Bool {
        guard limits.budget.allows(origin, at: now) else {
            counters.unverified += 1
            return false
        }
        let isGood = verifier.isValid(signature, for: message(session), by: key)
        limits.noteVerified(origin, isGood: isGood, at: now)
        if !isGood { counters.forged += 1 }
        return isGood
    }

    /// While nothing has been sent the sender may lower its datagrams' length to fit the path.
    mutating func update(_ newer: Announce, signature: Signature, from origin: VerificationBudget.Origin, at now: Instant) {
        // The length first: all others repeat what is known, and are held against all of it otherwise.
        guard newer.payloadLength < announce.payloadLength, newer.session == session, newer.key == announce.key else { return }
        var expected = newer
        expected.payloadLength = announce.payloadLength
        guard expected == announce.asSent, verify(signature, from: origin, at: now, { _ in newer.signedMessage }) else { return }
        announce.payloadLength = newer.payloadLength
        if role.isRepairNode { events.append(.announced(newer, signature)) }
        // Who missed this until data came has put it into the wrong places.
        for slot in slots.indices where slots[slot].isAssembling { vacate(slot) }
        front.renumberPackets()
        hastenStatus(to: now + link.pace.groupRoundTrip)
    }

    /// Takes a page or END that a repair node has from before, and that was verified when it came.
    mutating func adopt(_ packet: Packet, at now: Instant) {
        switch packet {
        case .page(let page, let body, let signature): if wantsPage(page.index) { insert(page, body: body, signature: signature, isNew: false, at: now) }
        case .end(let end, let signature): if wantsEnd { insert(end, signature: signature, isNew: false, at: now) }
        default: break
        }
    }
}
