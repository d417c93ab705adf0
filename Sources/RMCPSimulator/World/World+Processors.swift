import RMCPProtocol
import RealModule

/// Hosts that share processors: each of their threads does its work when it has one, piece by piece.
extension World {
    /// Task of a thread of such a host.
    enum ThreadRole {
        case sender(Int)
        case receiver(Int)
        /// Encoding, storing, or what else the machine does.
        case worker
    }

    /// Next job of a worker: how long it takes, and what comes of it.
    struct ThreadJob {
        var cost: Interval
        var result: Event?
        /// Bytes that a receiver's disk takes when that is done.
        var disk: (receiver: Int, bytes: Int)?
    }

    enum ProcessorStep {
        /// A thread that was woken stands in the queue.
        case ready(Int)
        /// A thread's piece of work is done.
        case done(Int, cost: Interval)
        /// Other work wants a processor.
        case disturb(Int)
    }

    /// Threads by number, and what they have to do.
    final class SharedHost {
        var processors: Processors
        private(set) var roles: [ThreadRole] = []
        var jobs: [[ThreadJob]] = []

        init(_ model: ProcessorModel) { processors = Processors(model: model) }

        func addThread(_ role: ThreadRole) -> Int {
            roles.append(role)
            jobs.append([])
            return processors.addThread()
        }
    }

    /// All senders and receivers that there are share processors from now on; whoever is added later has a host of its own.
    public func shareProcessors(_ model: ProcessorModel) {
        let host = SharedHost(model)
        for sender in senders {
            sender.threads = HostThreads(
                network: host.addThread(.sender(sender.index)), workers: (0..<max(1, model.encoders)).map { _ in host.addThread(.worker) })
        }
        for receiver in receivers {
            receiver.threads = HostThreads(network: host.addThread(.receiver(receiver.index)), workers: [host.addThread(.worker)])
        }
        sharedHost = host
        queue.schedule(.processor(.disturb(host.addThread(.worker))), at: now + random.interval(withMean: model.disturbanceInterval))
    }

    func wake(_ thread: Int) {
        guard let host = sharedHost, host.processors.wake(thread) else { return }
        let delay = random.interval(withMean: host.processors.model.wakeDelay)
        queue.schedule(.processor(.ready(thread)), at: now + delay)
    }

    func enqueue(_ job: ThreadJob, onOneOf threads: [Int]) {
        guard let host = sharedHost, let thread = threads.min(by: { host.jobs[$0].count < host.jobs[$1].count }) else { return }
        host.jobs[thread].append(job)
        wake(thread)
    }

    func perform(_ step: ProcessorStep) {
        guard let host = sharedHost else { return }
        switch step {
        case .ready(let thread): host.processors.enqueue(thread)
        case .disturb(let thread):
            let model = host.processors.model
            enqueue(ThreadJob(cost: random.interval(withMean: model.disturbance)), onOneOf: [thread])
            queue.schedule(.processor(.disturb(thread)), at: now + random.interval(withMean: model.disturbanceInterval))
        case .done(let thread, let cost):
            finishJob(of: thread)
            if host.processors.spend(cost, by: thread, hasMore: hasMore(thread, on: host)) { beginPiece(of: thread, on: host) }
        }
        while let thread = host.processors.begin() { beginPiece(of: thread, on: host) }
    }

    private func hasMore(_ thread: Int, on host: SharedHost) -> Bool {
        switch host.roles[thread] {
        case .worker: return !host.jobs[thread].isEmpty
        case .sender(let index): return senders[index].threads?.isDue ?? false
        case .receiver(let index):
            return receivers[index].isRunning && (!receivers[index].socket.isEmpty || receivers[index].threads?.isDue ?? false)
        }
    }

    /// Does what is next at once, and keeps the processor for as long as it takes; a worker's result comes at its end.
    private func beginPiece(of thread: Int, on host: SharedHost) {
        var cost = host.processors.takeWakeCost(of: thread)
        switch host.roles[thread] {
        case .worker: cost = cost + (host.jobs[thread].first?.cost ?? .zero)
        case .sender(let index): cost = cost + runPiece(of: senders[index], host.processors.model)
        case .receiver(let index): cost = cost + runPiece(of: receivers[index], host.processors.model)
        }
        queue.schedule(.processor(.done(thread, cost: max(cost, .microseconds(1)))), at: now + max(cost, .microseconds(1)))
    }

    private func finishJob(of thread: Int) {
        guard let host = sharedHost, case .worker = host.roles[thread], !host.jobs[thread].isEmpty else { return }
        let job = host.jobs[thread].removeFirst()
        let time = job.disk.map { receivers[$0.receiver].disk.schedule(bytes: $0.bytes, at: now, using: &random) } ?? now
        if let result = job.result { queue.schedule(result, at: time) }
    }

    private func runPiece(of node: ReceiverNode, _ model: ProcessorModel) -> Interval {
        guard node.isRunning else { return .zero }
        node.threads?.isDue = false
        guard let item = node.socket.dequeue() else {
            drive(node)
            return .seconds(model.callCost)
        }
        let (bytes, datagrams) = item.payload.size
        read(item.payload, item.arrival, at: node)
        let isFirst = node.socket.takenBytes < UInt64(node.configuration.value.memory.storageQueue)
        return .seconds(
            model.callCost + Double(datagrams) * model.datagramCost + Double(bytes) * (model.readCost + (isFirst ? model.firstTouchCost : 0)))
    }

    private func runPiece(of node: SenderNode, _ model: ProcessorModel) -> Interval {
        let before = node.engine.counters
        node.threads?.isDue = false
        let waiting = node.takeWaiting()
        for (bytes, arrival) in waiting.datagrams { unsafe node.engine.handle(datagram: bytes.span.bytes, from: arrival.source, at: now) }
        for work in waiting.work { node.finish(work, at: now) }
        if driveOnce(node, rounds: 1, trains: Self.trainsInPiece) { node.threads?.isDue = true }
        let after = node.engine.counters
        let bytes = Double(after.bytesSent - before.bytesSent)
        let datagrams = Double(after.datagramsSent - before.datagramsSent)
        let copies = model.sendCost + model.deliveryCost * Double(receivers.count)
        let waking = datagrams > 0 ? Double(sleepers) * model.wakingCost : 0
        return .seconds(model.callCost * Double(1 + waiting.datagrams.count) + datagrams * model.datagramCost + bytes * copies + waking)
    }

    /// Receivers that sleep, each of which a train to the group wakes.
    private var sleepers: Int {
        guard let processors = sharedHost?.processors else { return 0 }
        return receivers.reduce(0) { $0 + ($1.threads.map { processors.isAsleep($0.network) } ?? false ? 1 : 0) }
    }

    /// Trains that a sender's thread sends before others get at its processor.
    private static let trainsInPiece = 4
}
