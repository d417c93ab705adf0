import DequeModule

extension SenderEngine {
    /// The next thing to put on the wire, or nil until `pollTimeout`. Control goes first and is not paced; then repairs
    /// that are live, first transmissions, and what latecomers asked for.
    public mutating func pollTransmit(at now: Instant) -> Transmit? {
        if let (packet, destination) = control.popFirst() ?? answers.popFirst() { return .datagram(encode(packet, to: destination), destination) }
        if let destination = lengthProbes.popFirst() {
            return .datagram(encode(signedAnnounce, to: destination, paddedTo: datagramLength), destination)
        }
        switch phase {
        case .waiting, .leaving, .finished: return nil
        case .streaming, .draining, .lingering: break
        }
        guard bucket.mayTransmit(at: now) else {
            wasLimitedByRate = wasLimitedByRate || hasPacedWork || repairs.nextDue.map { $0 <= now } ?? false
            return nil
        }
        if let copy = nextCopy() { return copy }
        if let page = nextPageRepair() { return paced(page) }
        if case .streaming = phase, firstDebt > 0, let transmit = nextFirstTransmission(at: now) { return transmit }
        if let batch = nextRepair(at: now) { return .data(batch) }
        if case .streaming = phase {
            if unicastCredit > 0, let transmit = nextUnicast(at: now) { return transmit }
            if catchUpCredit > 0, let batch = nextCatchUp(at: now) { return .data(batch) }
            return nextFirstTransmission(at: now)
        }
        if let transmit = nextUnicast(at: now) { return transmit }
        return nextCatchUp(at: now).map { .data($0) }
    }

    // MARK: Control and table

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
        if destination == .group { groupBytesSent += UInt64(bytes + datagrams * DatagramOverhead.bytes) }
    }

    mutating func paced(_ packet: Packet, to destination: Destination = .group) -> Transmit {
        let bytes = encode(packet, to: destination)
        bucket.consume(bytes.count + DatagramOverhead.bytes)
        return .datagram(bytes, destination)
    }

    mutating func nextPageRepair() -> Packet? {
        if let index = pageRepairs.first {
            pageRepairs.remove(index)
            if let packet = table.packet(forPage: index) { return packet }
        }
        guard endRequested else { return nil }
        endRequested = false
        return table.finish()
    }

    // MARK: Data

    private mutating func nextFirstTransmission(at now: Instant) -> Transmit? {
        if let repeater, !repeater.isRelay { return nil }
        while position.chunk < chunkCount {
            guard isReady(position.chunk) else { return nil }
            if position.chunk >= table.pagedChunkCount { table.closePage(datagramLength: datagramLength) }
            // A chunk's page goes before it: who has the page can verify what follows.
            if let page = table.pageIndex(ofChunk: position.chunk), page >= pagesSent {
                pagesSent = page + 1
                if let packet = table.packet(forPage: page) {
                    copyToStreamChildren(.packet(packet))
                    return paced(packet)
                }
            }
            guard let record = table[position.chunk] else { return nil }
            let total = ChunkGeometry.packetCount(
                encodedLength: record.encodedLength, payloadLength: announce.payloadLength)
            guard total > 0 else {
                position = StreamPosition(chunk: position.chunk + 1, packet: 0)
                continue
            }
            return .data(firstTransmission(record: record, total: total, at: now))
        }
        guard isEverythingSentOnce else { return nil }
        endSent = true
        beginDraining(at: now)
        lastProgress = now
        nextHeartbeat = now
        events.append(.sentOnce)
        copyToStreamChildren(.packet(table.finish()))
        return paced(table.finish())
    }

    /// A relay sends a chunk once it has verified it, in order; its bytes may have to come back from the cache.
    private mutating func isReady(_ chunk: UInt32) -> Bool {
        guard repeater != nil, table[chunk]?.kind != .zero else { return true }
        guard holds(chunk) else { return false }
        if resident.contains(chunk) { return true }
        fetch(chunk)
        return false
    }

    private mutating func firstTransmission(record: ChunkRecord, total: Int, at now: Instant) -> DataBatch {
        let chunk = position.chunk
        var batch = makeBatch(chunk: chunk, record: record, isRepair: false)
        var packet = Int(position.packet)
        while packet < total, batch.count < batchLimit {
            batch.append(packet)
            packet += 1
        }
        position = packet == total ? StreamPosition(chunk: chunk + 1, packet: 0) : StreamPosition(chunk: chunk, packet: UInt16(packet))
        let bytes = account(batch)
        counters.firstBytes += UInt64(bytes)
        // One batch pays for several of repairs to come.
        firstDebt = max(-65_000, firstDebt - Double(bytes))
        unicastCredit = min(unicastCredit + Double(bytes) * configuration.unicastShareWhileStreaming, 1_000_000)
        catchUpCredit = min(catchUpCredit + Double(bytes) * configuration.catchUpShareWhileStreaming, 1_000_000)
        if packet == total { resident.touch(chunk, at: now) }
        copyToStreamChildren(.batch(batch))
        return batch
    }

    mutating func nextRepair(at now: Instant, to destination: Destination = .group) -> DataBatch? {
        // Each chunk in the queue is looked at once: those without their bytes go to the back.
        var examined = 0
        while examined < 8, let chunk = repairs.dueChunk(at: now), let record = table[chunk] {
            guard resident.contains(chunk) else {
                guard holds(chunk) else {
                    repairs.parkFirst()
                    continue
                }
                fetch(chunk)
                repairs.postponeFirst(to: now + configuration.repairAggregationDelay)
                examined += 1
                continue
            }
            let asker = destination == .group ? repairs.loneAsker(of: chunk) : nil
            let alone = asker.flatMap { children.address(of: $0) }
            var batch = makeBatch(chunk: chunk, record: record, isRepair: true, to: alone.map { .peer($0) } ?? destination)
            repairs.takeFirst(limit: batchLimit, to: alone == nil ? nil : asker, holdOff: repairHoldOff, at: now) { batch.append($0) }
            guard batch.count > 0 else { continue }
            resident.touch(chunk, at: now)
            let bytes = account(batch)
            counters.repairBytes += UInt64(bytes)
            let share = configuration.leastFirstShareWhileStreaming
            firstDebt = min(firstDebt + Double(bytes) * share / (1 - share), 1_000_000)
            return batch
        }
        return nil
    }

    mutating func nextCatchUp(at now: Instant, to destination: Destination = .group) -> DataBatch? {
        guard !catchUp.isEmpty else { return nil }
        for chunk in catchUp.upcoming(limit: configuration.maximumFetches) where table[chunk]?.kind != .zero {
            if !resident.contains(chunk) { fetch(chunk) }
        }
        guard let chunk = catchUp.select(), let record = table[chunk] else { return nil }
        let total = ChunkGeometry.packetCount(encodedLength: record.encodedLength, payloadLength: announce.payloadLength)
        guard total > 0 else {
            catchUp.advance(to: 0, of: 0, at: now)
            return nil
        }
        guard resident.contains(chunk), let start = catchUp.current?.nextPacket else { return nil }
        var batch = makeBatch(chunk: chunk, record: record, isRepair: true, to: destination)
        var packet = start
        while packet < total, batch.count < batchLimit {
            batch.append(packet)
            packet += 1
        }
        catchUp.advance(to: packet, of: total, at: now)
        resident.touch(chunk, at: now)
        let bytes = account(batch)
        counters.catchUpBytes += UInt64(bytes)
        if case .streaming = phase, destination == .group { catchUpCredit -= Double(bytes) }
        return batch
    }

    private mutating func fetch(_ chunk: UInt32) {
        guard resident.mayFetch, !resident.isFetching(chunk) else { return }
        resident.beginFetch(chunk)
        events.append(.fetch(chunk: chunk))
        makeRoom()
    }

    /// Mutating, though it changes nothing, as `pollTimeout` is.
    private mutating func makeBatch(
        chunk: UInt32, record: ChunkRecord, isRepair: Bool, to destination: Destination = .group
    ) -> DataBatch {
        DataBatch(
            chunk: chunk, isRepair: isRepair, destination: destination, sessionTag: session.tag, transmitter: transmitter,
            firstSequence: sequence(for: destination), encodedLength: record.encodedLength,
            payloadLength: announce.payloadLength)
    }

    mutating func account(_ batch: DataBatch) -> Int {
        let bytes = batch.byteCount
        advanceSequence(for: batch.destination, by: batch.count)
        if batch.isRepair, batch.destination != .group, case .streaming = phase { unicastCredit -= Double(bytes) }
        bucket.consume(bytes + batch.count * DatagramOverhead.bytes)
        count(bytes: bytes, datagrams: batch.count, to: batch.destination)
        return bytes
    }
}
