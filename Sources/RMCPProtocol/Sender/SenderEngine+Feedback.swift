import DequeModule

extension SenderEngine {
    /// Takes a datagram that came by unicast. Anything that is not a child's NAK or STATUS of this session is counted
    /// and dropped.
    public mutating func handle(datagram: RawSpan, from source: SocketAddress, at now: Instant) {
        let header: PacketHeader
        let packet: Packet
        do throws(WireError) {
            (header, packet) = try Packet.parse(datagram)
        } catch {
            counters.malformed += 1
            return
        }
        guard header.sessionTag == session.tag, header.transmitter != transmitter else {
            counters.foreign += 1
            return
        }
        guard !isFinished else { return }
        switch packet {
        case .status(let report): handle(report, header: header, from: source, at: now)
        case .nak(let nak): handle(nak, from: header.transmitter, at: now)
        default: counters.foreign += 1
        }
        advancePhase(at: now)
    }

    private mutating func handle(_ report: StatusReport, header: PacketHeader, from source: SocketAddress, at now: Instant) {
        guard report.histogram.population > 0 else {
            counters.malformed += 1
            return
        }
        counters.statusesReceived += 1
        sample(report.echo, at: now)
        let before = (children.summary.states, children.summary.progress)
        children.update(id: header.transmitter, report: report, at: now)
        if (children.summary.states, children.summary.progress) != before { lastProgress = now }
        noteDelivery(report, from: header.transmitter, at: source, now: now)
        if report.histogram.active == 0 {
            // Final: the child repeats it until it hears this.
            enqueue(.acknowledgement(sequence: header.sequence), to: .peer(source))
        }
        if children.active > 0 { idleSince = nil }
        // A receiver that is being overrun cannot wait for the next tick.
        if report.histogram.pressure.suffix(PressureBucket.count - Int(PressureBucket.overload)).contains(where: { $0 > 0 }) {
            updateRate(at: now)
        }
    }

    private mutating func sample(_ echo: TimestampEcho, at now: Instant) {
        guard echo.timestamp > 0 else { return }
        let clock = UInt64(clamping: now.nanoseconds / 1_000)
        // A timestamp that was not sent yet, or long ago, is a forgery or a suspended host.
        guard echo.timestamp <= clock, clock - echo.timestamp < 60_000_000 else { return }
        let elapsed = Int64(clock - echo.timestamp) - Int64(echo.delay)
        guard elapsed >= 0 else { return }
        roundTrip.record(.microseconds(elapsed), at: now)
        newestEcho = max(newestEcho, Instant(nanoseconds: Int64(echo.timestamp) * 1_000))
    }

    private mutating func handle(_ nak: NegativeAcknowledgement, from child: UInt32, at now: Instant) {
        counters.naksReceived += 1
        sample(nak.echo, at: now)
        children.heard(child, at: now)
        if withNeeds(ofChild: child, { _ = $0.accept(nak.request, at: now) }) { return }
        let confirmed = accept(nak.request, at: now)
        // A lone child has nobody to be kept from asking.
        if !confirmed.isEmpty, children.childCount > 1 { enqueue(.ncf(confirmed), to: .group) }
    }

    /// Queues what has been sent before and is asked for; tells what will come.
    private mutating func accept(_ request: RepairRequest, at now: Instant) -> RepairRequest {
        var confirmed = RepairRequest()
        for entry in request.packets {
            let wanted = clipToSent(entry)
            guard !wanted.packets.isEmpty else { continue }
            if repairs.isFull, !repairs.needs(entry.chunk) {
                guard catchUp.request(entry.chunk..<entry.chunk + 1, holdOff: repairHoldOff, at: now) else { continue }
            } else {
                repairs.request(chunk: entry.chunk, packets: wanted.packets, holdOff: repairHoldOff, at: now)
            }
            confirmed.packets.append(wanted)
        }
        for range in request.chunks {
            let sent = range.clamped(to: 0..<position.chunk)
            guard !sent.isEmpty, catchUp.request(sent, holdOff: repairHoldOff, at: now) else { continue }
            confirmed.chunks.append(sent)
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
        if !confirmed.isEmpty { lastProgress = now }
        return confirmed
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
        if control.count >= configuration.maximumControlQueue { control.removeFirst() }
        control.append((packet, destination))
    }
}
