/// The way of a datagram: whether it is of this session, what it says, and where its payload goes.
extension ReceiverEngine {
    /// Takes one datagram of this session. For DATA that is wanted it answers where the payload goes; the host copies
    /// it there before it polls for events.
    /// - Parameter arrival: where it came from and when; not after `now`.
    public mutating func handle(datagram: RawSpan, arrival: Arrival, at now: Instant) -> Placement? {
        do throws(WireError) {
            var reader = ByteReader(datagram)
            let header = try PacketHeader(reading: &reader)
            // What comes a hundred thousand times a second is not wrapped up with all that comes now and then.
            guard header.kind == .data else {
                try takeControl(from: &reader, header, arrival: arrival, at: now)
                return nil
            }
            let data = try DataHeader(reading: &reader)
            return handle(data, header, length: reader.remaining, arrival: arrival, at: now)
        } catch {
            counters.note(error)
            return nil
        }
    }

    private mutating func takeControl(from reader: inout ByteReader, _ header: PacketHeader, arrival: Arrival, at now: Instant) throws(WireError) {
        guard isWorthReading(header) else { return counters.foreign += 1 }
        let length = reader.byteCount
        switch header.kind {
        case .page: try takePage(from: &reader, header, length: length, arrival: arrival, at: now)
        case .ncf:
            guard length <= DataHeader.length + Int(announce.payloadLength) else { throw .invalidField("length") }
            let request = try RepairRequest(reading: &reader, packetsOfChunk: announce.packetsOfChunk)
            take(.ncf(request), header, length: length, arrival: arrival, at: now)
        default: take(try Packet.body(of: header.kind, from: &reader), header, length: length, arrival: arrival, at: now)
        }
    }

    /// A header that a parent of this session may have sent. Nothing behind any other is read, or means that the parent is heard.
    private func isWorthReading(_ header: PacketHeader) -> Bool {
        guard header.sessionTag == session.tag else { return false }
        switch header.kind {
        // Parents become known by these.
        case .heartbeat, .statement, .place: return true
        case .announce, .page, .end, .ncf, .outline, .acknowledgement, .attached: return link.knows(header.transmitter)
        case .data, .nak, .status, .solicitation, .attach, .detach, .advertisement, .query, .report, .refusal: return false
        }
    }

    /// Takes a packet of DATA whose headers were read.
    /// - Parameter length: bytes of payload.
    @inline(__always)
    public mutating func handle(_ data: DataHeader, _ header: PacketHeader, length: Int, arrival: Arrival, at now: Instant) -> Placement? {
        guard accept(header, length: DataHeader.length + length, isData: true, arrival, at: now) else { return nil }
        let isDirect = header.transmitter == stream.transmitter
        guard isDirect || !link.isDistrusted(header.transmitter) else {
            counters.forged += 1
            return nil
        }
        let placement = place(data, payloadOffset: DataHeader.length, length: length, at: now)
        if let placement, !isDirect, !placement.isDuplicate { slots[placement.slot].note(Int(data.packet), from: header.transmitter) }
        return placement
    }

    /// Takes any other packet that was read already, such as one that is multicast to many engines of one host.
    /// - Parameter length: bytes of the datagram.
    public mutating func handle(_ packet: Packet, _ header: PacketHeader, length: Int, arrival: Arrival, at now: Instant) {
        guard isWorthReading(header) else { return counters.foreign += 1 }
        take(packet, header, length: length, arrival: arrival, at: now)
    }

    private mutating func take(_ packet: Packet, _ header: PacketHeader, length: Int, arrival: Arrival, at now: Instant) {
        admit(packet, header, arrival, at: now)
        guard accept(header, length: length, isData: false, arrival, at: now) else { return }
        let origin = VerificationBudget.Origin(source: arrival.source, transmitter: header.transmitter)
        switch packet {
        case .heartbeat(let heartbeat):
            note(heartbeat, from: header.transmitter, timeToLive: header.isUnicast ? nil : arrival.timeToLive, at: now)
            take(heartbeat, from: header.transmitter, arrivedAt: arrival.at, at: now)
            judgeParents(at: now)
        case .page(let page, let body, let signature): take(page, body: body, signature: signature, from: origin, at: now)
        case .end(let end, let signature): take(end, signature: signature, from: origin, at: now)
        case .statement(let statement, let signature): take(statement, signature: signature, header, from: arrival.source, at: now)
        case .ncf(let request): postpone(for: request, at: now)
        case .outline(let part): take(part, at: now)
        case .announce(let announce, let signature): update(announce, signature: signature, from: origin, at: now)
        case .acknowledgement(let sequence):
            if !takeDetached(sequence, from: header.transmitter, at: now) { handleAcknowledgement(of: sequence, from: header.transmitter, at: now) }
        case .attached(let answer): take(answer, from: header.transmitter, at: now)
        case .place: break
        // None of these is worth reading.
        case .data, .nak, .status, .solicitation, .attach, .detach, .advertisement, .query, .report, .refusal: break
        }
    }

    /// Whether a datagram is of this session and of a parent that is known; notes that it came.
    @inline(__always)
    mutating func accept(_ header: PacketHeader, length: Int, isData: Bool, _ arrival: Arrival, at now: Instant) -> Bool {
        guard header.sessionTag == session.tag, link.noteHeard(header, from: arrival.source, at: now) else {
            counters.foreign += 1
            return false
        }
        counters.datagrams += 1
        if length >= DataHeader.length + Int(announce.payloadLength) { stream.path.noteFullLength() }
        if link.takeMoved() { events.append(.parentMoved(link.address)) }
        if !header.isUnicast || role.wantsStream {
            lastHeardGroup = now
            hearing = .group
            stream.note(header, length: length, over: arrival.source.family, dataAt: isData ? (arrival.at, now) : nil)
        } else if case .silent(unicastSince: nil) = hearing {
            hearing = .silent(unicastSince: now)
        }
        return true
    }

    /// Multicast datagrams of the sender count that came before there was an engine.
    /// - Parameter length: bytes of the longest.
    public mutating func noteEarlier(longestDatagram length: Int) {
        stream.noteLength(length)
        if length >= DataHeader.length + Int(announce.payloadLength) { stream.path.noteFullLength() }
    }

    private mutating func take(_ heartbeat: Heartbeat, from sender: UInt32, arrivedAt: Instant, at now: Instant) {
        // It says nothing else that is of use, and is believed when silence follows.
        if heartbeat.phase == .leaving || heartbeat.phase == .aborted { return }
        if sender == link.transmitter { follow(heartbeat, arrivedAt: arrivedAt, at: now) }
        stream.note(heartbeat, from: sender, arrivedAt: arrivedAt)
        if !announce.isSigned { judgePath(heartbeat.position, phase: heartbeat.phase, at: now) }
        if limits.believesClaims(at: now) {
            ledger.noteSent(pages: min(heartbeat.pageCount, limits.pages), hasEnd: heartbeat.hasEnd)
            if heartbeat.position > .start { noteFront(heartbeat.position, at: now) }
        }
        armNAKIfNeeded(at: now)
    }

    // MARK: Data

    @inline(__always)
    private mutating func place(_ data: DataHeader, payloadOffset: Int, length: Int, at now: Instant) -> Placement? {
        guard case .receiving = phase else { return nil }
        let full = Int(announce.payloadLength)
        let offset = Int(data.packet) * full
        guard length <= full, offset + length <= Int(announce.chunkLength), data.chunk < limits.chunks else {
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
        guard let slot = slot(for: data, at: now) else { return nil }
        guard fill(slot: slot, with: data, at: now) else {
            guard slots[slot].isAssembling else { return nil }
            return Placement(slot: slot, chunk: data.chunk, payloadOffset: payloadOffset, offset: offset, length: length, isDuplicate: true)
        }
        counters.payloadBytes += UInt64(length)
        if let encodedLength { handOverIfWhole(slot: slot, encodedLength: encodedLength) }
        return Placement(slot: slot, chunk: data.chunk, payloadOffset: payloadOffset, offset: offset, length: length)
    }

    /// Where the packet's chunk is put together; nil when it is not wanted, or there is no room.
    private mutating func slot(for data: DataHeader, at now: Instant) -> Int? {
        let state = ledger[data.chunk]
        switch state {
        case .consulting where role.isRepairNode, .done, .verifying:
            counters.duplicates += 1
            return nil
        case .assembling: return slots.slot(ofChunk: data.chunk)
        // A disk may take longer to look than the network to bring it: whichever comes first is taken. A cache is not
        // written to where it is being read.
        case .consulting, .absent:
            guard let allocated = slots.allocate(chunk: data.chunk, isCatchUp: data.isRepair, at: now) else {
                counters.windowDrops += 1
                return nil
            }
            ledger[data.chunk] = .assembling
            slots[allocated].isConsulted = state == .consulting
            if data.isRepair {
                naks.noteCatchUpChunk()
                // Packets that are lost of it are missed soon, and not only when the next chunks are asked for.
                armNAK(at: now)
            }
            reportRisingPressure(at: now)
            return allocated
        }
    }

    /// False when the packet is not wanted.
    @inline(__always)
    private mutating func fill(slot: Int, with data: DataHeader, at now: Instant) -> Bool {
        guard !slots[slot].isWithHost else { return false }
        guard slots[slot].received.insert(Int(data.packet)) else {
            counters.duplicates += 1
            return false
        }
        if data.isRepair {
            slots[slot].hold.noteRepair(until: now + link.pace.groupRoundTrip * 2)
            if slots[slot].isCatchUp {
                naks.noteCatchUp(at: now)
                slots[slot].awaitRest(until: now + configuration.feedback.catchUpHoldOff)
            }
            link.noteHelped()
        }
        return true
    }

    func packetCount(of record: ChunkRecord) -> Int {
        ChunkGeometry.packetCount(encodedLength: record.encodedLength, payloadLength: announce.payloadLength)
    }

    /// A chunk whose record came after its packets may have more of them than it should: they were forged.
    @inline(__always)
    mutating func handOverIfWhole(slot: Int, encodedLength: UInt32) {
        // Asked after each packet, so that it has to do without a division.
        if slots[slot].received.count * Int(announce.payloadLength) >= Int(encodedLength), !slots[slot].isWithHost { handOver(slot) }
    }

    private mutating func handOver(_ slot: Int) {
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
        guard let position = front.position else {
            // Joined here: what came before is caught up with, behind the live stream.
            return front.begin(at: next, settled: StreamPosition(chunk: data.chunk, packet: 0), now: now)
        }
        if position.chunk == data.chunk, position.packet == data.packet {
            // In order, as nearly all are.
            front.settle(at: now)
            front.move(to: max(position, next))
            return
        }
        guard position < next, limits.mayLead(to: data.chunk, from: position.chunk, at: now) else { return }
        let isGap = !isContiguous(from: position, to: StreamPosition(chunk: data.chunk, packet: data.packet))
        moveFront(to: next, from: position, at: now)
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
    mutating func noteFront(_ claim: StreamPosition, at now: Instant) {
        let position = min(claim, limits.position)
        guard let current = front.position else { return front.begin(at: position, settled: position, now: now) }
        if current < position { moveFront(to: position, from: current, at: now) } else { front.settle(at: now) }
    }

    /// Chunks of which nothing came at all are part of the live window while there is room.
    private mutating func moveFront(to position: StreamPosition, from old: StreamPosition, at now: Instant) {
        front.settle(at: now)
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
        front.move(to: position)
    }
}
