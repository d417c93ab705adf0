/// Reports for watchers: so many a second and no more, so that whoever asks takes next to nothing from the children.
extension SenderEngine {
    mutating func answer(_ query: WatchQuery, to source: SocketAddress, at now: Instant) {
        if let report = report(for: query, at: now) { enqueue(.report(report), to: .peer(source)) }
    }

    /// The same for a host that was asked at the socket of its upper half, and answers from there.
    mutating func answer(toWatcher datagram: RawSpan, from source: SocketAddress, at now: Instant) -> [UInt8]? {
        let (header, packet): (PacketHeader, Packet)
        do throws(WireError) { (header, packet) = try Packet.parse(datagram) } catch {
            counters.note(error)
            return nil
        }
        guard case .query(let query) = packet, header.sessionTag == session.tag, header.transmitter != transmitter, !isFinished else {
            counters.foreign += 1
            return nil
        }
        return report(for: query, at: now).map { encode(.report($0), to: .peer(source)) }
    }

    /// Nil when enough have been answered in the last second.
    private mutating func report(for query: WatchQuery, at now: Instant) -> WatchReport? {
        guard reports.take(at: now) else { return nil }
        let nodes = children.nodes(from: query.firstNode, limit: WatchReport.maximumNodes)
        var counts = WatchReport.Counts()
        counts.firstBytes = counters.firstBytes &+ counters.relayedBytes
        counts.repairBytes = counters.repairBytes
        counts.catchUpBytes = counters.catchUpBytes
        counts.naks = counters.naksReceived
        let reached = min(window.position.chunk, Limits.maximumChunks)
        let held = window.held.map { UInt32(clamping: $0.count) } ?? reached
        let behind = window.held.map { $0.overlap(with: 0..<reached).reduce(0) { $0 + UInt32($1.count) } } ?? reached
        return WatchReport(
            nonce: query.nonce, session: session, phase: sessionPhase, role: repeater.map { $0.isRelay ? .relay : .repair } ?? .sender,
            rate: UInt64(rate), position: reached, chunkCount: announcedChunkCount, chunksHeld: held, holes: reached - behind, counts: counts,
            children: UInt32(clamping: children.childCount), nodeCount: UInt32(clamping: children.nodeCount), firstNode: query.firstNode,
            nodes: nodes, path: repeater?.path ?? [], histogram: children.receivers)
    }

    /// By END, or by the length that was announced.
    private var announcedChunkCount: UInt32? {
        if let end = endOfTable { return end.chunkCount }
        guard let length = announce.contentLength else { return nil }
        let chunkLength = UInt64(announce.chunkLength)
        return UInt32(clamping: length / chunkLength + (length % chunkLength == 0 ? 0 : 1))
    }
}
