import RMCPProtocol

extension World {
    /// When datagrams of a subnet came to senders, in seconds since the world began, where `heardFrom` was asked for.
    func timesHeard(fromSubnet subnet: Int) -> [Double] {
        (heardFrom ?? [:]).filter { delivery.subnet(of: $0.key) == subnet }.values.joined().map { ($0 - World.start).inSeconds }
    }

    /// A datagram of a child.
    func take(_ bytes: [UInt8], _ arrival: Arrival, at sender: SenderNode) {
        heardFrom?[arrival.source, default: []].append(now)
        if let kind = unsafe try? PacketHeader(of: bytes.span.bytes).kind { sender.feedback.note(kind, at: now) }
        if sender.threads == nil {
            unsafe sender.engine.handle(datagram: bytes.span.bytes, from: arrival.source, at: now)
        } else {
            sender.enqueue(bytes, arrival)
        }
        drive(sender)
    }

    /// Drains a sender's engine, or wakes the thread that does.
    func drive(_ sender: SenderNode) {
        guard let threads = sender.threads else {
            driveOnce(sender, rounds: 4, trains: 64)
            return
        }
        sender.threads?.isDue = true
        wake(threads.network)
    }

    /// Drains a sender's engine: source, events, what it transmits, and its next timeout.
    /// - Returns: whether there is more to send.
    @discardableResult
    func driveOnce(_ sender: SenderNode, rounds: Int, trains: Int) -> Bool {
        guard sender.isRunning else { return false }
        if let due = sender.engine.pollTimeout(at: now), due <= now { sender.engine.handleTimeout(at: now) }
        var sent = 0
        for _ in 0..<rounds {
            sender.feed(at: now) { schedule($0, of: sender, at: $1) }
            sent = 0
            while sent < trains, let transmit = sender.engine.pollTransmit(at: now) {
                sent += 1
                send(transmit, from: sender)
            }
            handleEvents(of: sender)
            if sent == 0 { break }
        }
        guard !sender.engine.isFinished, let next = sender.engine.pollTimeout(at: now) else {
            sender.nextWake = .distantFuture
            return false
        }
        if sender.threads != nil, sent == trains { return true }
        let wake = max(next, now)
        guard wake != sender.nextWake || wake == now else { return false }
        sender.nextWake = wake
        queue.schedule(.senderWake(sender.index), at: wake)
        return false
    }

    /// Work of the encoders: done at a time, or as soon as their thread has had a processor for as long as it takes.
    private func schedule(_ work: SenderNode.Work, of sender: SenderNode, at time: Instant) {
        guard let workers = sender.threads?.workers, let model = sharedHost?.processors.model else {
            return queue.schedule(.senderWork(sender.index, work), at: time)
        }
        let cost = model.callCost + Double(sender.length(of: work)) * model.encodeCost
        enqueue(ThreadJob(cost: .seconds(cost), result: .senderWork(sender.index, work)), onOneOf: workers)
    }

    private func handleEvents(of sender: SenderNode) {
        while let event = sender.engine.pollEvent() {
            log(event, of: sender)
            if case .finished(let outcome) = event, outcome.kind == .complete { safety.checkSuccess(of: sender, among: self) }
            sender.handle(event, at: now) { schedule($0, of: sender, at: $1) }
        }
    }

    /// A change of the rate with what it was concluded from.
    private func log(_ event: SenderEvent, of sender: SenderNode) {
        guard trace != nil else { return }
        guard case .rateChanged(let decision) = event else { return log("sender \(sender.index): \(event)") }
        let receivers = sender.engine.receivers
        log("sender \(sender.index): \(decision); loss \(receivers.loss), pressure \(receivers.pressure)")
    }

    private func send(_ transmit: Transmit, from sender: SenderNode) {
        switch transmit {
        case .datagram(let bytes, let destination): send(.bytes(bytes), from: sender, to: destination)
        case .data(let batch):
            guard sender.resident.contains(batch.chunk), let record = sender.engine.record(of: batch.chunk) else {
                return safety.reportUnheld(chunk: batch.chunk, by: "sender \(sender.index)")
            }
            send(.batch(batch, record: record), from: sender, to: batch.destination)
        }
    }
}
