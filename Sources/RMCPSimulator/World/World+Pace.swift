import RMCPProtocol

/// Samples of how the first sender's stream fares, time by time.
extension World {
    /// Collects samples while the world runs; a class, since actions of the world add to it.
    final class PaceRecorder {
        private(set) var samples: [PaceSample] = []
        private var last: (time: Instant, counts: PaceCounts)?

        func note(_ world: World) {
            guard let start = world.senders.first?.startedAt else { return }
            let counts = world.paceCounts
            defer { last = (world.now, counts) }
            guard let (time, before) = last, world.now > time else { return }
            let seconds = (world.now - time).inSeconds
            let perSecond = { (bytes: UInt64) in Double(bytes) * 8 / seconds }
            let link = world.delivery.topology.links[1]
            samples.append(
                PaceSample(
                    time: (world.now - start).inSeconds, rate: world.senders[0].engine.rate, sent: perSecond(counts.sentBytes - before.sentBytes),
                    arrived: perSecond(counts.arrivedBytes - before.arrivedBytes) / Double(max(1, world.receivers.count)),
                    others: perSecond(counts.otherBytes - before.otherBytes),
                    queue: link?.delay(at: world.now).inSeconds ?? 0, socket: world.receivers.map(\.socket.share).max() ?? 0,
                    storage: world.receivers.map { Double($0.storing) / Double($0.configuration.value.memory.assemblySlots) }.max() ?? 0,
                    lost: min(1, (counts.dropped - before.dropped) / Double(max(1, counts.sentDatagrams - before.sentDatagrams)))))
        }
    }

    /// Samples every so often from now until a time after the start, or the end of the run if that comes first.
    func recordPace(every interval: Interval) -> PaceRecorder {
        let recorder = PaceRecorder()
        recordNext(every: interval, into: recorder)
        return recorder
    }

    private func recordNext(every interval: Interval, into recorder: PaceRecorder) {
        queue.schedule(.pace(recorder, interval), at: now + interval)
    }

    func record(into recorder: PaceRecorder, every interval: Interval) {
        recorder.note(self)
        recordNext(every: interval, into: recorder)
    }

    private var paceCounts: PaceCounts {
        var counts = PaceCounts()
        guard let sender = senders.first else { return counts }
        counts.sentDatagrams = sender.engine.counters.datagramsSent
        counts.sentBytes = Self.wireBytes(of: sender)
        counts.otherBytes = crossTraffic.reduce(0) { $0 + $1.deliveredBytes } + senders.dropFirst().reduce(0) { $0 + Self.wireBytes(of: $1) }
        let links = delivery.topology.links.values.reduce(0) { $0 + $1.dropped }
        var own: UInt64 = 0
        for receiver in receivers {
            counts.arrivedBytes += receiver.socket.takenBytes
            own += delivery.downlinks[receiver.index].dropped + receiver.socket.droppedTotal
        }
        counts.dropped = Double(links) + Double(own) / Double(max(1, receivers.count))
        return counts
    }

    static func wireBytes(of sender: SenderNode) -> UInt64 {
        let counters = sender.engine.counters
        return counters.bytesSent + UInt64(DatagramOverhead.bytes) * counters.datagramsSent
    }
}
