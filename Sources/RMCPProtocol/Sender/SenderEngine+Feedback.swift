import DequeModule

extension SenderEngine {
    /// Takes a datagram that came by unicast. Anything that a child of this session does not send is counted and
    /// dropped.
    public mutating func handle(datagram: RawSpan, from source: SocketAddress, at now: Instant) {
        let header: PacketHeader
        let packet: Packet
        do throws(WireError) {
            (header, packet) = try Packet.parse(datagram)
        } catch {
            counters.malformed += 1
            return
        }
        handle(packet, header, from: source, at: now)
    }

    /// The same for a packet that was read already.
    mutating func handle(_ packet: Packet, _ header: PacketHeader, from source: SocketAddress, at now: Instant) {
        if case .solicitation = packet { return announce(to: source) }
        guard header.sessionTag == session.tag, header.transmitter != transmitter else {
            counters.foreign += 1
            return
        }
        guard !isFinished else { return }
        switch packet {
        case .status(let report): handle(report, header: header, from: source, at: now)
        case .nak(let nak): handle(nak, from: header.transmitter, at: source, now: now)
        case .attach(let request): handle(request, from: header.transmitter, at: source)
        case .detach(let cookie): handleDetach(cookie: cookie, header: header, from: source, at: now)
        case .query(let query): answer(query, to: source, at: now)
        default: counters.foreign += 1
        }
        advancePhase(at: now)
    }

    mutating func sample(_ echo: TimestampEcho, at now: Instant) {
        guard echo.timestamp > 0 else { return }
        let clock = UInt64(clamping: now.nanoseconds / 1_000)
        // A timestamp that was not sent yet, or long ago, is a forgery or a suspended host.
        guard echo.timestamp <= clock, clock - echo.timestamp < 60_000_000 else { return }
        let elapsed = Int64(clock - echo.timestamp) - Int64(echo.delay)
        guard elapsed >= 0 else { return }
        roundTrip.record(.microseconds(elapsed), at: now)
        newestEcho = max(newestEcho, Instant(nanoseconds: Int64(echo.timestamp) * 1_000))
    }

    private mutating func handle(_ nak: NegativeAcknowledgement, from child: UInt32, at source: SocketAddress, now: Instant) {
        counters.naksReceived += 1
        let name = ChildName(child, at: source)
        // Who has not proven its address is helped as one of the group, and is heard of in no other way.
        let isKnown = children.hasShown(nak.cookie, from: source, child)
        if isKnown {
            sample(nak.echo, at: now)
            children.heard(name, at: now)
        }
        // Who says that it is under way is waited for anyway, and when it is done, what it asked for before is done as well.
        if !children.isActive(name), isKnown || isProven(nak.cookie, of: child, at: source), asksForSent(nak.request) { lastRequest = now }
        if isKnown, withNeeds(ofChild: name, { _ = $0.accept(nak.request, from: nil, at: now) }) { return }
        // A region's children lose alone what the stream's do not, and a child repair node speaks for its region. What one leaf of
        // the sender lacks many do: an NCF at once keeps them from asking.
        let isAnswerable = configuration.multicastRepairAskers > 1 && isKnown && (repeater != nil || children.isRepairNode(name))
        let confirmed = accept(nak.request, from: isAnswerable ? name : nil, at: now)
        // A lone child has nobody to be kept from asking.
        if !confirmed.isEmpty, children.childCount > 1 { enqueue(.ncf(confirmed), to: .group) }
    }

    /// Queues what has been sent before and is asked for; tells what will come. Packets are told of once: of what a
    /// hundred children lose alike, the second and the hundredth NAK is no news to anybody.
    private mutating func accept(_ request: RepairRequest, from child: ChildName?, at now: Instant) -> RepairRequest {
        var confirmed = RepairRequest()
        for entry in request.packets {
            var wanted = clipToSent(entry)
            guard !wanted.packets.isEmpty else { continue }
            if repairs.isFull, !repairs.needs(entry.chunk) {
                // A repair node gets itself what it lacks.
                guard holds(entry.chunk), catchUp.request(entry.chunk..<entry.chunk + 1, holdOff: repairHoldOff, at: now) else { continue }
            } else {
                wanted.packets = repairs.request(
                    chunk: entry.chunk, packets: wanted.packets, by: child, holdOff: repairHoldOff, at: now)
                guard !wanted.packets.isEmpty else { continue }
                // What goes to one child alone must keep nobody else from asking.
                if child != nil, repairs.loneAsker(of: entry.chunk) == child { continue }
            }
            confirmed.packets.append(wanted)
        }
        for range in request.chunks {
            for sent in available(in: range) where catchUp.request(sent, holdOff: repairHoldOff, at: now) {
                confirmed.chunks.append(sent)
            }
        }
        for range in request.pages {
            let sent = range.clamped(to: 0..<pagesSent)
            pageRepairs.insert(sent)
            if !sent.isEmpty { confirmed.pages.append(sent) }
        }
        if request.needsEnd, endSent {
            endRequested = true
            confirmed.needsEnd = true
        }
        return confirmed
    }

    /// Whether anything of a request has been sent: what has not been comes anyway.
    private func asksForSent(_ request: RepairRequest) -> Bool {
        if request.needsEnd, endSent { return true }
        return request.packets.contains { $0.chunk <= position.chunk } || request.chunks.contains { $0.lowerBound < position.chunk }
            || request.pages.contains { $0.lowerBound < pagesSent }
    }

    /// Whole chunks that can be served: sent once, and at a repair node, here. It gets the others itself, and children
    /// ask for them again.
    private func available(in range: Range<UInt32>) -> [Range<UInt32>] {
        let sent = range.clamped(to: 0..<position.chunk)
        guard !sent.isEmpty else { return [] }
        return repeater.map { $0.held.overlap(with: sent) } ?? [sent]
    }

    /// What of a request has been sent once: the rest will come anyway.
    private func clipToSent(_ entry: RepairRequest.ChunkPackets) -> RepairRequest.ChunkPackets {
        var result = entry
        guard let record = table[entry.chunk], entry.chunk <= position.chunk else {
            result.packets = PacketSet()
            return result
        }
        let total = ChunkGeometry.packetCount(encodedLength: record.encodedLength, payloadLength: announce.payloadLength)
        let sent = entry.chunk < position.chunk ? total : min(total, Int(position.packet))
        if let last = entry.packets.last, last >= sent {
            result.packets.subtract(PacketSet(sent..<last + 1))
        }
        return result
    }

    mutating func enqueue(_ packet: Packet, to destination: Destination) {
        if case .peer = destination {
            if answers.count >= configuration.maximumControlQueue { answers.removeFirst() }
            return answers.append((packet, destination))
        }
        if control.count >= configuration.maximumControlQueue { control.removeFirst() }
        control.append((packet, destination))
    }
}
