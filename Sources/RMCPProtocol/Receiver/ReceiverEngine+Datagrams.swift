extension ReceiverEngine {
    /// Takes one datagram of this session. For DATA that is wanted it answers where the payload goes; the host copies
    /// it there before it polls for events.
    /// - Parameters:
    ///   - arrival: where it came from and when; not after `now`.
    public mutating func handle(datagram: RawSpan, arrival: Arrival, at now: Instant) -> Placement? {
        do throws(WireError) {
            var reader = ByteReader(datagram)
            let header = try PacketHeader(reading: &reader)
            // What comes a hundred thousand times a second is not wrapped up with all that comes now and then.
            guard header.kind == .data else {
                let packet = try Packet.body(of: header.kind, from: &reader)
                handle(packet, header, length: datagram.byteCount, arrival: arrival, at: now)
                return nil
            }
            let data = try DataHeader(reading: &reader)
            guard reader.remaining > 0 else { throw .truncated }
            return handle(data, header, length: reader.remaining, arrival: arrival, at: now)
        } catch {
            counters.malformed += 1
            return nil
        }
    }

    /// Takes a packet of DATA whose headers were read.
    /// - Parameter length: bytes of payload.
    public mutating func handle(_ data: DataHeader, _ header: PacketHeader, length: Int, arrival: Arrival, at now: Instant) -> Placement? {
        guard accept(header, length: DataHeader.length + length, isData: true, arrival, at: now) else { return nil }
        let isDirect = header.transmitter == streamTransmitter
        guard isDirect || !isDistrusted(header.transmitter) else {
            counters.forged += 1
            return nil
        }
        let placement = place(data, payloadOffset: DataHeader.length, length: length, at: now)
        if let placement, !isDirect { slots[placement.slot].supplier = header.transmitter }
        return placement
    }

    /// Takes any other packet that was read already, such as one that is multicast to many engines of one host.
    /// - Parameter length: bytes of the datagram.
    public mutating func handle(_ packet: Packet, _ header: PacketHeader, length: Int, arrival: Arrival, at now: Instant) {
        guard accept(header, length: length, isData: false, arrival, at: now) else { return }
        switch packet {
        case .heartbeat(let heartbeat):
            note(heartbeat, from: header.transmitter, timeToLive: arrival.timeToLive, isUnicast: header.isUnicast, at: now)
            handle(heartbeat, from: header.transmitter, arrivedAt: arrival.at, at: now)
            judgeParents(at: now)
        case .page(let page, let body, let signature): handle(page, body: body, signature: signature, at: now)
        case .end(let end, let signature): handle(end, signature: signature, at: now)
        case .ncf(let request): postpone(for: request, at: now)
        case .announce(let announce, let signature): update(announce, signature: signature, at: now)
        case .acknowledgement(let sequence):
            if !handleDetached(sequence, from: header.transmitter, at: now) { handleAcknowledgement(of: sequence, from: header.transmitter) }
        case .attached(let answer): handle(answer, from: header.transmitter, at: now)
        case .data, .nak, .status, .solicitation, .attach, .detach, .advertisement, .query, .report: counters.foreign += 1
        }
    }

    /// Whether a datagram is of this session and of a parent that is known; notes that it came.
    private mutating func accept(_ header: PacketHeader, length: Int, isData: Bool, _ arrival: Arrival, at now: Instant) -> Bool {
        guard header.sessionTag == session.tag, isKnown(header, from: arrival.source, at: now) else {
            counters.foreign += 1
            return false
        }
        counters.datagrams += 1
        lastHeard = now
        if !header.isUnicast || wantsStream {
            lastHeardGroup = now
            isDeaf = false
            if header.transmitter == streamTransmitter {
                arrivals.record(header.sequence, bytes: length, dataAt: isData ? (arrival.at, now) : nil)
            }
            longestDatagram = max(longestDatagram, length)
        }
        return true
    }

    /// Takes an authentic page or END that was kept from before; nothing of it is told the host again.
    mutating func restore(_ datagram: [UInt8], at now: Instant) {
        guard let (_, packet) = unsafe try? Packet.parse(datagram.span.bytes) else { return }
        switch packet {
        case .page(let page, let body, let signature): handle(page, body: body, signature: signature, at: now)
        case .end(let end, let signature): handle(end, signature: signature, at: now)
        default: break
        }
        events.removeAll {
            switch $0 {
            case .page, .end: true
            default: false
            }
        }
    }

    // MARK: Data

    private mutating func place(_ data: DataHeader, payloadOffset: Int, length: Int, at now: Instant) -> Placement? {
        guard case .receiving = phase else { return nil }
        let full = Int(announce.payloadLength)
        let offset = Int(data.packet) * full
        guard length <= full, offset + length <= Int(announce.chunkLength), data.chunk < chunkTotal ?? Limits.maximumChunks else {
            counters.malformed += 1
            return nil
        }
        // Where the record is known, a packet of any other length is forged or damaged. Where it is not, only the last
        // packet may be short, which the chunk's digest finds out.
        let encodedLength = ledger.encodedLength(of: data.chunk)
        if let encodedLength, offset + length != min(Int(encodedLength), offset + full) {
            counters.malformed += 1
            return nil
        }
        if !data.isRepair { advanceFront(pastPacket: data, at: now) }
        let slot: Int
        switch ledger[data.chunk] {
        case .done, .verifying, .consulting:
            counters.duplicates += 1
            return nil
        case .assembling:
            guard let assembling = slots.slot(ofChunk: data.chunk) else { return nil }
            slot = assembling
        case .absent:
            guard let allocated = slots.allocate(chunk: data.chunk, isCatchUp: data.isRepair, at: now) else {
                counters.windowDrops += 1
                return nil
            }
            ledger[data.chunk] = .assembling
            slot = allocated
            reportRisingPressure(at: now)
        }
        guard fill(slot: slot, with: data, at: now) else { return nil }
        counters.payloadBytes += UInt64(length)
        if let encodedLength { handOverIfWhole(slot: slot, encodedLength: encodedLength) }
        return Placement(slot: slot, chunk: data.chunk, payloadOffset: payloadOffset, offset: offset, length: length)
    }

    /// False when the packet is not wanted.
    private mutating func fill(slot: Int, with data: DataHeader, at now: Instant) -> Bool {
        guard !slots[slot].isWithHost else { return false }
        guard slots[slot].received.insert(Int(data.packet)) else {
            counters.duplicates += 1
            return false
        }
        if data.isRepair {
            // Repairs come in a train: what it will still bring must not be asked for again.
            let quiet = now + groupRoundTrip * 2
            if slots[slot].holdUntil < quiet { slots[slot].holdUntil = quiet }
            slots[slot].coverings = 0
            if slots[slot].isCatchUp { catchUpHold.extend(until: now + configuration.catchUpHoldOff) }
            attachment.askingSince = nil
        }
        return true
    }

    func packetCount(of record: ChunkRecord) -> Int {
        ChunkGeometry.packetCount(encodedLength: record.encodedLength, payloadLength: announce.payloadLength)
    }

    /// A chunk whose record came after its packets may have more of them than it should: they were forged.
    private mutating func handOverIfWhole(slot: Int, encodedLength: UInt32) {
        // Asked after each packet, so that it has to do without a division.
        guard !slots[slot].isWithHost, slots[slot].received.count * Int(announce.payloadLength) >= Int(encodedLength) else { return }
        let chunk = slots[slot].chunk
        guard let record = ledger.record(of: chunk) else { return }
        let total = packetCount(of: record)
        if let last = slots[slot].received.last, last >= total {
            slots[slot].received.removeAll()
            counters.forged += 1
            return
        }
        slots.setWithHost(slot, true)
        ledger[chunk] = .verifying
        events.append(.assembled(slot: slot, chunk: chunk, record: record))
    }

    // MARK: The front

    private mutating func advanceFront(pastPacket data: DataHeader, at now: Instant) {
        let next = StreamPosition(chunk: data.chunk, packet: data.packet &+ 1)
        guard let front else {
            // Joined here: what came before is caught up with, behind the live stream.
            self.front = next
            settledFront = StreamPosition(chunk: data.chunk, packet: 0)
            candidateFront = next
            candidateTime = now
            return
        }
        if front.chunk == data.chunk, front.packet == data.packet {
            // In order, as nearly all are.
            settle(at: now)
            self.front = max(front, next)
            return
        }
        guard front < next else { return }
        let isGap = !isContiguous(from: front, to: StreamPosition(chunk: data.chunk, packet: data.packet))
        moveFront(to: next, from: front, at: now)
        if isGap { armNAK(at: now) }
    }

    /// Whether nothing that goes over the wire lies between two positions, as far as the table tells.
    private func isContiguous(from front: StreamPosition, to position: StreamPosition) -> Bool {
        if front.chunk == position.chunk { return front.packet == position.packet }
        guard position.packet == 0 else { return false }
        if let record = ledger.record(of: front.chunk), Int(front.packet) < packetCount(of: record) { return false }
        guard position.chunk - front.chunk <= UInt32(TablePage.maximumRecords) else { return false }
        return (front.chunk + 1..<position.chunk).allSatisfy { ledger.record(of: $0)?.kind == .zero }
    }

    /// Everything before `position` has been sent once.
    mutating func moveFront(to position: StreamPosition, from old: StreamPosition, at now: Instant) {
        settle(at: now)
        // Chunks of which nothing came at all are part of the live window while there is room.
        if position.chunk > old.chunk {
            var chunk = old.chunk
            let end = position.packet == 0 ? position.chunk : position.chunk + 1
            while chunk < end, slots.freeCount > 0 {
                if ledger[chunk] == .absent, ledger.record(of: chunk)?.kind != .zero {
                    _ = slots.allocate(chunk: chunk, isCatchUp: false, at: now)
                    ledger[chunk] = .assembling
                }
                chunk += 1
            }
        }
        front = position
    }

    /// Lets the settled front follow: what lies before it is not merely reordered any more.
    mutating func settle(at now: Instant) {
        guard let front, now - candidateTime >= configuration.reorderDelay else { return }
        settledFront = max(settledFront, candidateFront)
        candidateFront = front
        candidateTime = now
    }

    // MARK: Table

    private mutating func handle(_ page: TablePage, body: [UInt8], signature: Signature, at now: Instant) {
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
        if let end, ledger.contradicts(end) { return finish(as: .failedVerification, at: now) }
        attachment.askingSince = nil
        pagesHold.noteProgress()
        if isRepairNode { events.append(.page(page, body: body, signature)) }
        if page.index + 1 > knownPages {
            if page.index > knownPages { armNAK(at: now) }
            knownPages = page.index + 1
        }
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

    private mutating func handle(_ end: EndOfTable, signature: Signature, at now: Instant) {
        guard case .receiving = phase, self.end == nil else { return }
        guard isAuthentic(signature, end.signedMessage(session: session)) else { return }
        self.end = end
        guard !ledger.contradicts(end) else { return finish(as: .failedVerification, at: now) }
        if isRepairNode { events.append(.end(end, signature)) }
        dropChunks(from: end.chunkCount)
        knownPages = max(knownPages, end.pageCount)
        noteFront(StreamPosition(chunk: end.chunkCount, packet: 0), at: now)
        armNAK(at: now)
        commitIfWhole(at: now)
    }

    /// Chunks beyond the end were never sent by the sender: somebody forged packets of them.
    private mutating func dropChunks(from count: UInt32) {
        for slot in slots.indices where slots[slot].isInUse && slots[slot].chunk >= count && !slots[slot].isWithHost {
            ledger[slots[slot].chunk] = .absent
            slots.release(slot)
            counters.forged += 1
        }
    }

    private mutating func isAuthentic(_ signature: Signature, _ message: [UInt8]) -> Bool {
        guard announce.isSigned else { return true }
        if verifier.isValid(signature, for: message, by: announce.key) { return true }
        counters.forged += 1
        return false
    }

    /// While nothing has been sent the sender may lower its datagrams' length to fit the path.
    private mutating func update(_ newer: Announce, signature: Signature, at now: Instant) {
        // The length first: all others repeat what is known, and are held against all of it otherwise.
        guard newer.payloadLength < announce.payloadLength, newer.session == session, newer.key == announce.key else { return }
        var expected = newer
        expected.payloadLength = announce.payloadLength
        guard expected == announce, isAuthentic(signature, newer.signedMessage) else { return }
        announce = newer
        if isRepairNode { events.append(.announced(newer, signature)) }
        // Who missed this until data came has put it into the wrong places.
        for slot in slots.indices where slots[slot].isInUse && !slots[slot].isWithHost {
            ledger[slots[slot].chunk] = .absent
            slots.release(slot)
        }
        settledFront.packet = 0
        candidateFront.packet = 0
        hastenStatus(to: now + groupRoundTrip)
    }

    // MARK: Heartbeat

    private mutating func handle(_ heartbeat: Heartbeat, from transmitter: UInt32, arrivedAt: Instant, at now: Instant) {
        // It says nothing else that is of use, and is believed when silence follows.
        if heartbeat.phase == .leaving || heartbeat.phase == .aborted { return }
        if transmitter == parentTransmitter { follow(heartbeat, arrivedAt: arrivedAt, at: now) }
        if transmitter == streamTransmitter {
            streamRate = Double(heartbeat.rate)
            queueing.record(timestamp: heartbeat.timestamp, at: arrivedAt)
        }
        knownPages = max(knownPages, heartbeat.pageCount)
        senderHasEnd = senderHasEnd || heartbeat.hasEnd
        if heartbeat.position > .start { noteFront(heartbeat.position, at: now) }
        if nakAt == nil, hasNeeds(at: now) { armNAK(at: now) }
    }

    private mutating func follow(_ heartbeat: Heartbeat, arrivedAt: Instant, at now: Instant) {
        parentPhase = heartbeat.phase
        groupRoundTrip = min(
            max(.microseconds(Int64(heartbeat.groupRoundTrip)), configuration.minimumGroupRoundTrip),
            configuration.maximumGroupRoundTrip)
        population = Double(max(1, heartbeat.population))
        liveLossLimit = heartbeat.liveLossLimit
        livePressureLimit = heartbeat.livePressureLimit
        echo = (heartbeat.timestamp, arrivedAt)
        nakInterval = min(.milliseconds(Int64(heartbeat.nakInterval)), configuration.maximumNAKInterval)
        adoptStatusInterval(.milliseconds(Int64(heartbeat.statusInterval)), at: now)
    }

    private mutating func noteFront(_ position: StreamPosition, at now: Instant) {
        guard let front else {
            self.front = position
            settledFront = position
            candidateFront = position
            candidateTime = now
            return
        }
        if front < position { moveFront(to: position, from: front, at: now) } else { settle(at: now) }
    }
}
