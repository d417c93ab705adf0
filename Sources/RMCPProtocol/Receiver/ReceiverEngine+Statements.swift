/// The sender's signed word, and what it does to claims that were made since the last one.
extension ReceiverEngine {
    mutating func take(_ statement: Statement, signature: Signature, _ header: PacketHeader, from source: SocketAddress, at now: Instant) {
        // Anybody could say it in a session that is not signed.
        guard announce.isSigned else { return counters.foreign += 1 }
        guard limits.isNew(statement) else {
            counters.duplicates += 1
            return
        }
        let origin = VerificationBudget.Origin(source: source, transmitter: header.transmitter)
        guard verify(signature, from: origin, at: now, { statement.signedMessage(session: $0) }) else { return }
        limits.take(statement)
        link.note(statement, at: now)
        limits.follow(ledger, total: chunkTotal)
        // A statement that a repair node repeats was true when the sender said it, which may be a second ago.
        let isDirect = header.transmitter == statement.transmitter
        if role.isRepairNode { events.append(.statement(statement, signature, isDirect: isDirect)) }
        if isDirect { takeDirect(statement, header, at: now) }
        guard case .receiving = phase else { return }
        judgePath(statement.position, phase: statement.phase, at: now)
        guard case .receiving = phase else { return }
        dropChunks(from: limits.chunks)
        retreatFront(to: limits.position, at: now)
        armNAKIfNeeded(at: now)
    }

    /// Gives up where nothing comes of what the sender sends.
    mutating func judgePath(_ position: StreamPosition, phase sender: SessionPhase, at now: Instant) {
        // A sender that sends nothing new is asked for what lacks.
        let isAsking = sender == .draining || sender == .lingering
        let isOwed = isOwedAnything()
        guard stream.path.judge(position, isAsking: isAsking, isOwed: isOwed, chunksDone: ledger.doneCount, at: now), case .receiving = phase else { return }
        finish(as: .failedPath, at: now)
    }

    /// Debt of the network: something lacks that only it can bring, and that there is room for. Chunks that the host has or looks for are the
    /// host's to bring, and what has no room in the table or in a slot is not asked for.
    private mutating func isOwedAnything() -> Bool {
        if ledger.lacksPages || ledger.lacksEnd { return true }
        // A chunk without a record waits for its page.
        for slot in slots.indices where slots[slot].isAssembling && ledger.hasRecord(of: slots[slot].chunk) { return true }
        return slots.freeCount > 0 && ledger.firstRequestable(below: min(front.chunk, ledger.recordBound)) != nil
    }

    /// The sender itself says so, between what it has sent and what it sends next: whoever claimed more has lied.
    private mutating func takeDirect(_ statement: Statement, _ header: PacketHeader, at now: Instant) {
        if statement.phase == .leaving || statement.phase == .aborted { return link.noteSenderLeft(header.transmitter, at: now) }
        if header.transmitter == stream.transmitter, !header.isUnicast { stream.anchor(at: statement.sequence) }
        guard case .receiving = phase else { return }
        let isTableClaimed = ledger.correct(pages: statement.pageCount, hasEnd: statement.hasEnd)
        if isTableClaimed { naks.forgetTable() }
        limits.hold(front.position, against: statement, tableClaimed: isTableClaimed, at: now)
        retreatFront(to: statement.position, at: now)
        if statement.position > .start { noteFront(statement.position, at: now) }
    }

    /// The stream has not come further than this. Chunks behind it of which nothing came are not waited for.
    mutating func retreatFront(to position: StreamPosition, at now: Instant) {
        guard let claimed = front.position, position < claimed else { return }
        front.retreat(to: position)
        let first = position.packet == 0 ? position.chunk : position.chunk + 1
        for slot in slots.indices where slots[slot].isAssembling && slots[slot].chunk >= position.chunk {
            if slots[slot].chunk >= first, slots[slot].received.isEmpty {
                vacate(slot)
            } else {
                // Packets that were asked for in vain were not there to be had.
                slots[slot].hold.cutShort(at: now)
            }
        }
    }
}
