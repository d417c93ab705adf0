import DequeModule

/// Threads that turn jobs into results, for what would hold up the network thread: compressing, digesting, disks.
///
/// Owned by the network thread, which submits and collects; jobs that find the queue full wait in a backlog that is the
/// owner's to bound.
final class WorkerPool<Job: Sendable, Output: Sendable> {
    private let jobs: BoundedQueue<Job>
    private let outputs: BoundedQueue<Output>
    private var threads: [HostThread] = []
    private var backlog: Deque<Job> = []
    private let wakeUp: WakeUp
    /// Jobs submitted whose results have not been collected.
    private(set) var outstanding = 0

    /// - Parameter makeWorker: called on each thread, so that what a worker owns is never shared.
    init(
        name: String, threads count: Int, wakeUp: WakeUp, makeWorker: @escaping @Sendable () -> (Job) -> Output
    ) throws(HostError) {
        self.wakeUp = wakeUp
        let jobs = BoundedQueue<Job>(capacity: count * 2)
        // Each job in the queue or in a worker's hands may become a result before one is collected.
        let outputs = BoundedQueue<Output>(capacity: .max)
        self.jobs = jobs
        self.outputs = outputs
        for index in 0..<count {
            let thread = try HostThread(name: "\(name)-\(index)") {
                let worker = makeWorker()
                while let job = jobs.pop() {
                    _ = outputs.tryPush(worker(job))
                    wakeUp.signal()
                }
            }
            threads.append(thread)
        }
    }

    func submit(_ job: Job) {
        outstanding += 1
        if !backlog.isEmpty || !jobs.tryPush(job) { backlog.append(job) }
    }

    /// The next result, if there is one; makes room in the queue for what waits.
    func collect() -> Output? {
        // Nothing is under way: the queues' locks are left alone.
        guard outstanding > 0 else { return nil }
        while let job = backlog.first, jobs.tryPush(job) { backlog.removeFirst() }
        guard let output = outputs.tryPop() else { return nil }
        outstanding -= 1
        return output
    }

    /// Jobs that no thread has begun are not done, and have no result.
    func drop() {
        outstanding -= backlog.count
        backlog.removeAll()
        while jobs.tryPop() != nil { outstanding -= 1 }
    }

    /// Lets the threads end once they have nothing left to do, and waits for none: one that hangs in a call goes with the
    /// process.
    func stop() {
        backlog.removeAll()
        jobs.close()
    }

    /// Lets the workers finish what is in their queue, drops the backlog, and waits for the threads.
    func shutDown() {
        backlog.removeAll()
        jobs.close()
        for thread in threads { thread.join() }
    }
}
