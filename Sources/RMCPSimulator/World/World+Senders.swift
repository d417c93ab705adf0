import RMCPProtocol

extension World {
    /// A datagram of a child.
    func take(_ bytes: [UInt8], _ arrival: Arrival, at sender: SenderNode) {
        if let kind = unsafe try? PacketHeader(of: bytes.span.bytes).kind { sender.feedback.note(kind, at: now) }
        unsafe sender.engine.handle(datagram: bytes.span.bytes, from: arrival.source, at: now)
        drive(sender)
    }

    /// Drains a sender's engine: source, events, what it transmits, and its next timeout.
    func drive(_ sender: SenderNode) {
        guard sender.isRunning else { return }
        if let due = sender.engine.pollTimeout(at: now), due <= now { sender.engine.handleTimeout(at: now) }
        for _ in 0..<4 {
            sender.feed(at: now) { queue.schedule(.senderWork(sender.index, $0), at: $1) }
            var sent = 0
            while sent < 64, let transmit = sender.engine.pollTransmit(at: now) {
                sent += 1
                send(transmit, from: sender)
            }
            handleEvents(of: sender)
            if sent == 0 { break }
        }
        guard !sender.engine.isFinished, let next = sender.engine.pollTimeout(at: now) else {
            sender.nextWake = .distantFuture
            return
        }
        let wake = max(next, now)
        guard wake != sender.nextWake || wake == now else { return }
        sender.nextWake = wake
        queue.schedule(.senderWake(sender.index), at: wake)
    }

    private func handleEvents(of sender: SenderNode) {
        while let event = sender.engine.pollEvent() {
            log(event, of: sender)
            if case .finished(let outcome) = event, outcome.kind == .complete { safety.checkSuccess(of: sender, among: self) }
            sender.handle(event, at: now) { queue.schedule(.senderWork(sender.index, $0), at: $1) }
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
