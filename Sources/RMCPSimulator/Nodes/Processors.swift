public import RMCPProtocol

/// Processors that threads of several hosts share, as sender and receivers do on one machine.
///
/// Times are those of a host with the kernel's batches whole: a call for a train of datagrams, and a part for each byte. What a
/// datagram of its own costs more is nothing here.
public struct ProcessorModel: Sendable {
    /// Processors that there are.
    public var count: Int
    /// Mean time from a thread's being woken until it stands in the queue for a processor; exponentially distributed.
    public var wakeDelay = Interval.microseconds(50)
    /// Seconds that a thread takes, each time that it is woken, before it does anything: the switch to it, and finding out what there is.
    public var wakeCost = 20e-6
    /// Seconds that a sender's thread takes to wake each receiver that sleeps as its trains come there.
    public var wakingCost = 4e-6
    /// Time that a thread goes on while others wait.
    public var slice = Interval.milliseconds(3)
    /// Seconds that a call takes, to send or to receive one train.
    public var callCost = 5e-6
    /// Seconds that a datagram of a train takes, besides its bytes.
    public var datagramCost = 0.2e-6
    /// Seconds a byte: of sending it, of bringing it to one receiver (which the sender's thread does), of reading it.
    public var sendCost = 0.15e-9
    public var deliveryCost = 0.05e-9
    public var readCost = 0.3e-9
    /// Seconds a byte of content: encoding it at the sender, and storing it at a receiver.
    public var encodeCost = 0.4e-9
    public var storeCost = 0.46e-9
    /// The same besides, for as many bytes as a receiver reads into buffers that it has not used before: memory that is touched first.
    public var firstTouchCost = 1e-9
    /// Threads that encode.
    public var encoders = 2
    /// Other work of the machine: how often it wants a processor, and for how long, both on the average.
    public var disturbanceInterval = Interval.milliseconds(50)
    public var disturbance = Interval.milliseconds(3)

    /// - Parameter count: 1 or more.
    public init(count: Int) { self.count = max(1, count) }
}

/// Threads of one host that shares processors, by number.
struct HostThreads {
    var network: Int
    /// Workers that encode or store; whichever has the least to do takes what comes.
    var workers: [Int]
    /// The network's thread has something to do besides what waits at its socket.
    var isDue = false
}

/// Order of the threads at the processors: of those that wait the one that has had the least time comes next, as in Linux's fair scheduler.
/// A thread that was asleep does not save up time.
struct Processors {
    private enum State {
        case asleep
        /// Woken, and not in the queue yet.
        case rising
        case waiting
        case running
    }

    private struct Thread {
        var state = State.asleep
        /// It has been woken, and has not done anything since.
        var isWoken = false
        /// Time that it has had, or has missed by sleeping.
        var runtime = Interval.zero
        /// Time since it was last given a processor.
        var turn = Interval.zero
    }

    let model: ProcessorModel
    private var threads: ContiguousArray<Thread> = []
    private var running = 0

    init(model: ProcessorModel) { self.model = model }

    mutating func addThread() -> Int {
        threads.append(Thread())
        return threads.count - 1
    }

    /// The thread has something to do.
    /// - Returns: false where it knows that already.
    mutating func wake(_ thread: Int) -> Bool {
        guard threads[thread].state == .asleep else { return false }
        threads[thread].state = .rising
        threads[thread].isWoken = true
        return true
    }

    func isAsleep(_ thread: Int) -> Bool { threads[thread].state == .asleep }

    /// Time that the thread's having been woken takes, once each time.
    mutating func takeWakeCost(of thread: Int) -> Interval {
        defer { threads[thread].isWoken = false }
        return threads[thread].isWoken ? .seconds(model.wakeCost) : .zero
    }

    /// The thread stands in the queue.
    mutating func enqueue(_ thread: Int) {
        guard threads[thread].state == .rising else { return }
        threads[thread].state = .waiting
        threads[thread].runtime = max(threads[thread].runtime, leastRuntime(except: thread) - model.slice)
    }

    private func leastRuntime(except thread: Int) -> Interval {
        var least: Interval?
        for index in threads.indices where index != thread && (threads[index].state == .waiting || threads[index].state == .running) {
            least = min(least ?? threads[index].runtime, threads[index].runtime)
        }
        return least ?? threads[thread].runtime
    }

    /// Gives a free processor to the thread whose turn it is; nil where none is free or nobody waits.
    mutating func begin() -> Int? {
        guard running < model.count, let next = nextWaiting() else { return nil }
        running += 1
        threads[next].state = .running
        threads[next].turn = .zero
        return next
    }

    private func nextWaiting() -> Int? {
        var next: Int?
        for index in threads.indices where threads[index].state == .waiting {
            if let best = next, threads[best].runtime <= threads[index].runtime { continue }
            next = index
        }
        return next
    }

    /// A running thread has had its processor for some time.
    /// - Returns: true while it goes on; otherwise its processor is free.
    mutating func spend(_ time: Interval, by thread: Int, hasMore: Bool) -> Bool {
        threads[thread].runtime = threads[thread].runtime + time
        threads[thread].turn = threads[thread].turn + time
        if hasMore {
            if threads[thread].turn < model.slice || nextWaiting() == nil { return true }
            threads[thread].state = .waiting
        } else {
            threads[thread].state = .asleep
        }
        running -= 1
        return false
    }
}
