/// Chooses what goes on the wire next, and when.
extension SenderEngine {
    /// The group, or the child, whose NAKs are answered.
    enum Audience {
        case group
        /// A unicast child, by its index.
        case child(Int)
    }

    /// A function with a closure, and not a subscript: its accessors would allocate a frame for each call.
    @inline(__always)
    mutating func withPending<Result>(of audience: Audience, _ body: (inout PendingNAKs) -> Result) -> Result {
        switch audience {
        case .group: body(&pending)
        case .child(let index): body(&unicastChildren[index].pending)
        }
    }

    func destination(of audience: Audience) -> Destination {
        switch audience {
        case .group: .group
        case .child(let index): .peer(unicastChildren[index].address)
        }
    }

    /// The next thing to put on the wire, or nil until `pollTimeout`. Control goes first and is not paced; then repairs
    /// that are live, first transmissions, and what latecomers asked for.
    public mutating func pollTransmit(at now: Instant) -> Transmit? {
        // Most polls find none of these, and to hand on nothing of something large costs as much as to hand it on: what is empty is not asked.
        if !control.isEmpty, let (packet, destination) = control.next() { return .datagram(encode(packet, to: destination), destination) }
        if !lengthProbe.isEmpty, let destination = lengthProbe.next() {
            return .datagram(encode(announcement.packet, to: destination, paddedTo: datagramLength), destination)
        }
        switch phase {
        case .waiting, .leaving, .finished: return nil
        case .streaming, .draining, .lingering: break
        }
        guard pacer.mayTransmit(at: now) else {
            if hasPacedWork || pending.nextDue.map({ $0 <= now }) ?? false { pacer.noteLimited() }
            return nil
        }
        if unicastChildren.hasCopies, let copy = nextCopy() { return copy }
        guard case .streaming = phase else { return nextAfterStream(at: now) }
        if shares.isFirstOwed, let transmit = nextFirstTransmission(at: now) { return transmit }
        if let live = nextLive(at: now) { return live }
        if shares.mayServeUnicast, let transmit = nextUnicast(at: now) { return transmit }
        if shares.mayCatchUp, let batch = nextCatchUp(to: .group, at: now) { return .data(batch) }
        return nextFirstTransmission(at: now)
    }

    /// After the stream live repairs go first, then unicast, then catch-up, but for what these two are owed.
    private mutating func nextAfterStream(at now: Instant) -> Transmit? {
        let before = counters.bytesSent
        if shares.isUnicastOwed, let transmit = nextUnicast(at: now) {
            noteLater(.unicast, since: before)
            return transmit
        }
        if shares.isCatchUpOwed, let batch = nextCatchUp(to: .group, at: now) {
            noteLater(.catchUp, since: before)
            return .data(batch)
        }
        if let live = nextLive(at: now) {
            noteLater(.live, since: before)
            return live
        }
        if let transmit = nextUnicast(at: now) {
            noteLater(.unicast, since: before)
            return transmit
        }
        guard let batch = nextCatchUp(to: .group, at: now) else { return nil }
        noteLater(.catchUp, since: before)
        return .data(batch)
    }

    private mutating func noteLater(_ kind: SendShares.Kind, since before: UInt64) {
        shares.noteLater(kind, Double(counters.bytesSent - before), waits: (unicastChildren.hasPending, pending.awaitsCatchUp))
    }

    /// The next page or repair for the group.
    private mutating func nextLive(at now: Instant) -> Transmit? {
        let isTablesTurn = shares.tables.isFirstsTurn
        if isTablesTurn, pending.needsTable, let page = nextOfTable(to: .group) { return page }
        if let repair = nextRepair(to: .group, at: now) { return repair }
        return !isTablesTurn && pending.needsTable ? nextOfTable(to: .group) : nil
    }

    /// When the rate lets something go that waits for nothing else; nil when nothing does.
    func nextPacedTransmission(at now: Instant) -> Instant? {
        let paced = pacer.nextTransmission(at: now)
        // Nothing goes before the rate lets it.
        if unicastChildren.hasCopies || hasPacedWork { return paced }
        var next = pending.nextDue.map { max($0, paced) }
        if unicastChildren.hasPending {
            let due = max(now + configuration.repairs.repairAggregationDelay, paced)
            next = min(next ?? due, due)
        }
        return next
    }

    /// Whether only the rate holds something back.
    private var hasPacedWork: Bool {
        if pending.needsTable { return true }
        switch phase {
        case .streaming:
            guard window.isRepairNode, let repeater else { return window.position.chunk < chunkCount || window.isWhole }
            return repeater.isRelay && (window.isEverythingSentOnce || window.position.chunk < chunkCount && isAtHand(window.position.chunk))
        case .draining, .lingering: return pending.catchUp.first.map { isAtHand($0) } ?? false
        case .waiting, .leaving, .finished: return false
        }
    }

    /// The chunk's bytes are here, or it has none.
    private func isAtHand(_ chunk: UInt32) -> Bool { window.resident.contains(chunk) || window.table.isHole(chunk) }

    // MARK: Control and table

    mutating func enqueue(_ packet: Packet, to destination: Destination) { control.append(packet, to: destination) }

    mutating func encode(_ packet: Packet, to destination: Destination, paddedTo length: Int = 0) -> [UInt8] {
        let isUnicast = destination != .group
        let sequence = sequence(for: destination)
        advanceSequence(for: destination, by: 1)
        var writer = ByteWriter(capacity: datagramLength)
        PacketHeader(
            kind: PacketKind(of: packet), isUnicast: isUnicast, sessionTag: session.tag, transmitter: transmitter,
            sequence: sequence
        ).write(to: &writer)
        writer.write(packet)
        writer.pad(to: length)
        count(bytes: writer.count, datagrams: 1, to: destination)
        return writer.bytes
    }

    private mutating func count(bytes: Int, datagrams: Int, to destination: Destination) {
        counters.bytesSent += UInt64(bytes)
        counters.datagramsSent += UInt64(datagrams)
        pacer.count(bytes, datagrams: datagrams, toGroup: destination == .group)
    }

    mutating func paced(_ packet: Packet, to destination: Destination = .group) -> Transmit {
        let bytes = encode(packet, to: destination)
        pacer.consume(bytes.count, datagrams: 1)
        return .datagram(bytes, destination)
    }

    // MARK: First transmissions

    private mutating func nextFirstTransmission(at now: Instant) -> Transmit? {
        if window.isRepairNode, let repeater, !repeater.isRelay { return nil }
        while window.position.chunk < chunkCount {
            guard makeReady(window.position.chunk) else { return nil }
            if let page = window.nextPage(datagramLength: datagramLength) {
                unicastChildren.copy(.packet(page))
                return paced(page)
            }
            guard let record = window[window.position.chunk] else { return nil }
            let total = packetCount(of: record)
            guard total > 0 else {
                window.advance(to: StreamPosition(chunk: window.position.chunk + 1, packet: 0))
                continue
            }
            if let statement = nextStatement(before: window.position.chunk) {
                unicastChildren.copy(.packet(statement))
                return paced(statement)
            }
            return .data(firstTransmission(record: record, total: total, at: now))
        }
        guard window.isEverythingSentOnce else { return nil }
        window.noteEndSent()
        beginDraining(at: now)
        progress.noteAdvance(at: now)
        timers.arm(.heartbeat, at: now)
        hastenStatement(at: now)
        events.append(.sentOnce)
        let end = window.finish()
        unicastChildren.copy(.packet(end))
        return paced(end)
    }

    /// A relay sends a chunk once it has verified it, in order; its bytes may have to come back from the cache.
    /// - Returns: true where they are here.
    private mutating func makeReady(_ chunk: UInt32) -> Bool {
        guard window.isRepairNode, window[chunk]?.kind != .zero else { return true }
        guard window.holds(chunk) else { return false }
        if window.resident.contains(chunk) { return true }
        fetch(chunk)
        return false
    }

    private mutating func firstTransmission(record: ChunkRecord, total: Int, at now: Instant) -> DataBatch {
        let (chunk, start) = (window.position.chunk, Int(window.position.packet))
        var batch = makeBatch(chunk: chunk, record: record, isRepair: false, to: .group)
        let end = min(total, start + pacer.batchLimit)
        for packet in start..<end { batch.append(packet) }
        window.noteSend(at: now)
        window.advance(to: end == total ? StreamPosition(chunk: chunk + 1, packet: 0) : StreamPosition(chunk: chunk, packet: UInt16(end)))
        let bytes = account(batch)
        counters.firstBytes += UInt64(bytes)
        shares.noteFirst(Double(bytes))
        if end == total { window.resident.touch(chunk, at: now) }
        unicastChildren.copy(.batch(batch))
        return batch
    }

    // MARK: Answers to NAKs

    /// Chunks whose repairs are looked at in one go: those without their bytes go to the back, and the next poll finds them there.
    static let examinedRepairs = 8
    /// Chunks without bytes that are left out in one go, in some microseconds.
    private static let examinedHoles = 4_096

    /// The next thing that an audience has asked for.
    mutating func nextAnswer(to audience: Audience, at now: Instant) -> Transmit? {
        if let page = nextOfTable(to: audience) { return page }
        if let repair = nextRepair(to: audience, at: now) { return repair }
        return nextCatchUp(to: audience, at: now).map { .data($0) }
    }

    /// The next page that is asked for, or END. They are repairs like others: a table has a thousandth of the content's bytes, and may be asked for
    /// without end.
    private mutating func nextOfTable(to audience: Audience) -> Transmit? {
        let packet =
            switch audience {
            case .group: pending.nextOfTable(in: &window)
            case .child(let index): unicastChildren[index].pending.nextOfTable(in: &window)
            }
        guard let packet else { return nil }
        let transmit = paced(packet, to: destination(of: audience))
        if case .datagram(let bytes, let destination) = transmit {
            note(repair: bytes.count, to: destination)
            if case .group = audience { shares.tables.noteFirst(bytes.count) }
        }
        return transmit
    }

    /// Repairs that are no DATA take part in the shares.
    mutating func note(repair bytes: Int, to destination: Destination) {
        shares.noteRepair(Double(bytes))
        if destination != .group, case .streaming = phase { shares.noteUnicast(Double(bytes)) }
    }

    /// The next part of an outline, or packets.
    private mutating func nextRepair(to audience: Audience, at now: Instant) -> Transmit? {
        guard withPending(of: audience, { $0.hasRepairs }) else { return nil }
        guard case .group = audience, !shares.outlines.isFirstsTurn else {
            return nextOutline(to: audience, at: now) ?? nextPackets(to: audience, at: now).map { .data($0) }
        }
        return nextPackets(to: audience, at: now).map { .data($0) } ?? nextOutline(to: audience, at: now)
    }

    private mutating func nextPackets(to audience: Audience, at now: Instant) -> DataBatch? {
        var examined = 0
        while examined < Self.examinedRepairs, let chunk = withPending(of: audience, { $0.repairs.dueChunk(at: now) }), let record = window[chunk] {
            guard window.resident.contains(chunk) else {
                guard window.holds(chunk) else {
                    withPending(of: audience) { $0.repairs.parkFirst() }
                    continue
                }
                fetch(chunk)
                let due = now + configuration.repairs.repairAggregationDelay
                withPending(of: audience) { $0.repairs.postponeFirst(to: due) }
                examined += 1
                continue
            }
            guard let batch = repair(chunk, record, to: audience, at: now) else { continue }
            window.resident.touch(chunk, at: now)
            let bytes = account(batch)
            counters.repairBytes += UInt64(bytes)
            shares.noteRepair(Double(bytes))
            if case .group = audience {
                shares.tables.noteSecond(bytes)
                shares.outlines.noteSecond(bytes)
            }
            return batch
        }
        return nil
    }

    /// The packets of a chunk that are due, to everybody who asked or to the only one who did; nil when none is left.
    private mutating func repair(_ chunk: UInt32, _ record: ChunkRecord, to audience: Audience, at now: Instant) -> DataBatch? {
        var recipient: ChildName?
        var destination = destination(of: audience)
        if case .group = audience, let asker = pending.repairs.loneAsker(of: chunk), let address = children.address(of: asker) {
            recipient = asker
            destination = .peer(address)
        }
        var batch = makeBatch(chunk: chunk, record: record, isRepair: true, to: destination)
        let (limit, holdOff) = (pacer.batchLimit, repairHoldOff)
        withPending(of: audience) { $0.repairs.takeFirst(limit: limit, to: recipient, holdOff: holdOff, at: now) { batch.append($0) } }
        return batch.count > 0 ? batch : nil
    }

    private mutating func nextCatchUp(to audience: Audience, at now: Instant) -> DataBatch? {
        guard withPending(of: audience, { !$0.catchUp.isEmpty }), skipHoles(for: audience) else { return nil }
        let ahead = window.resident.fetchLimit
        for chunk in withPending(of: audience, { $0.catchUp.upcoming(limit: ahead) }) where window[chunk]?.kind != .zero {
            if !window.resident.contains(chunk) { fetch(chunk) }
        }
        guard let chunk = withPending(of: audience, { $0.catchUp.select() }), let record = window[chunk] else { return nil }
        let total = packetCount(of: record)
        guard window.resident.contains(chunk), let start = withPending(of: audience, { $0.catchUp.current?.nextPacket }) else { return nil }
        var batch = makeBatch(chunk: chunk, record: record, isRepair: true, to: destination(of: audience))
        let end = max(start, min(total, start + pacer.batchLimit))
        for packet in start..<end { batch.append(packet) }
        withPending(of: audience) { $0.catchUp.advance(to: end, of: total, at: now) }
        window.resident.touch(chunk, at: now)
        let bytes = account(batch)
        counters.catchUpBytes += UInt64(bytes)
        if case .streaming = phase, case .group = audience { shares.noteCatchUp(Double(bytes)) }
        return batch
    }

    /// Leaves out what an audience wants next that has no bytes. A sparse image has a million of these in a row, and none may cost a round of the host.
    /// - Returns: false where that was as much as one look may take, and there may be more.
    private mutating func skipHoles(for audience: Audience) -> Bool {
        var left = Self.examinedHoles
        while left > 0, let run = withPending(of: audience, { $0.catchUp.nextRun }) {
            let holes = window.table.holes(in: run.prefix(left))
            guard !holes.isEmpty else { return true }
            withPending(of: audience) { $0.catchUp.skip(holes) }
            left -= holes.count
        }
        return left > 0
    }

    mutating func fetch(_ chunk: UInt32) {
        guard window.resident.mayFetch, !window.resident.isFetching(chunk) else { return }
        window.resident.beginFetch(chunk)
        events.append(.fetch(chunk: chunk))
        makeRoom()
    }

    // MARK: Batches and sequence numbers

    private func packetCount(of record: ChunkRecord) -> Int {
        ChunkGeometry.packetCount(encodedLength: record.encodedLength, payloadLength: announce.payloadLength)
    }

    /// Mutating, though it changes nothing, as `pollTimeout` is.
    private mutating func makeBatch(chunk: UInt32, record: ChunkRecord, isRepair: Bool, to destination: Destination) -> DataBatch {
        DataBatch(
            chunk: chunk, isRepair: isRepair, destination: destination, sessionTag: session.tag, transmitter: transmitter,
            firstSequence: sequence(for: destination), encodedLength: record.encodedLength,
            payloadLength: announce.payloadLength)
    }

    mutating func account(_ batch: DataBatch) -> Int {
        let bytes = batch.byteCount
        advanceSequence(for: batch.destination, by: batch.count)
        if batch.isRepair, batch.destination != .group, case .streaming = phase { shares.noteUnicast(Double(bytes)) }
        pacer.consume(bytes, datagrams: batch.count)
        count(bytes: bytes, datagrams: batch.count, to: batch.destination)
        return bytes
    }

    private func sequence(for destination: Destination) -> UInt32 {
        switch destination {
        case .group: nextSequence
        case .peer(let address): unicastChildren.sequence(for: address)
        }
    }

    private mutating func advanceSequence(for destination: Destination, by count: Int) {
        switch destination {
        case .group: nextSequence &+= UInt32(count)
        case .peer(let address): unicastChildren.advanceSequence(for: address, by: count)
        }
    }
}
