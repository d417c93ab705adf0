import DequeModule
import Glibc
public import RMCPProtocol

/// What must never hold up the network thread, done by a thread of its own: writes to terminals, pipes and files that may
/// stand still for as long as they like.
///
/// The owner decides what waits, and how much: it changes the backlog, which is the thread's to take from, front first.
@safe public final class BackgroundQueue<Item: Sendable>: @unchecked Sendable {
    /// Items that wait, and the sum of their sizes.
    public struct Backlog {
        private var items: Deque<Item> = []
        /// Total of what waits, in the unit in which the queue counts.
        public private(set) var size = 0
        private let measure: @Sendable (Item) -> Int

        fileprivate init(measure: @escaping @Sendable (Item) -> Int) { self.measure = measure }

        public var last: Item? { items.last }
        public var isEmpty: Bool { items.isEmpty }
        public var count: Int { items.count }

        public mutating func append(_ item: Item) {
            items.append(item)
            size += measure(item)
        }

        public mutating func removeLast() { if let item = items.popLast() { size -= measure(item) } }

        fileprivate mutating func popFirst() -> Item? {
            guard let item = items.popFirst() else { return nil }
            size -= measure(item)
            return item
        }
    }

    private let name: String
    private let handle: @Sendable (Item) -> Void
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    // Behind the mutex:
    private var backlog: Backlog
    private var isHandling = false
    private var isStarted = false
    /// No thread was to be had.
    private var isWithoutThread = false

    /// The thread starts with the first item.
    /// - Parameters:
    ///   - name: the thread's, shown by ps; the kernel keeps 15 bytes.
    ///   - size: of an item, for `Backlog.size`.
    ///   - handle: called on the thread, one item at a time; may block.
    public init(name: String, size: @escaping @Sendable (Item) -> Int = { _ in 1 }, handle: @escaping @Sendable (Item) -> Void) {
        self.name = name
        self.handle = handle
        backlog = Backlog(measure: size)
        unsafe mutex = .allocate(capacity: 1)
        unsafe condition = .allocate(capacity: 1)
        unsafe mutex.initialize(to: pthread_mutex_t())
        unsafe condition.initialize(to: pthread_cond_t())
        _ = unsafe pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        _ = unsafe pthread_condattr_init(&attributes)
        _ = unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        _ = unsafe pthread_cond_init(condition, &attributes)
        _ = unsafe pthread_condattr_destroy(&attributes)
    }

    deinit {
        // The thread holds a reference: where there is one this is never reached.
        _ = unsafe pthread_cond_destroy(condition)
        _ = unsafe pthread_mutex_destroy(mutex)
        unsafe condition.deallocate()
        unsafe mutex.deallocate()
    }

    /// Changes what waits. Never waits itself for what the thread does.
    public func update<Result>(_ change: (inout Backlog) -> Result) -> Result {
        _ = unsafe pthread_mutex_lock(mutex)
        defer { _ = unsafe pthread_mutex_unlock(mutex) }
        let result = change(&backlog)
        if !backlog.isEmpty {
            if !isStarted { start() }
            _ = unsafe pthread_cond_broadcast(condition)
        }
        // The caller may be held up by it. Undone, nobody would be told why there is no thread.
        while isWithoutThread, !isHandling, let item = backlog.popFirst() { handleUnlocked(item) }
        return result
    }

    /// Waits until everything is done, for `limit` at most; false when something is left.
    @discardableResult
    public func drain(within limit: Interval) -> Bool {
        let deadline = Poller.now() + limit
        var time = timespec(tv_sec: Int(deadline.nanoseconds / 1_000_000_000), tv_nsec: Int(deadline.nanoseconds % 1_000_000_000))
        _ = unsafe pthread_mutex_lock(mutex)
        defer { _ = unsafe pthread_mutex_unlock(mutex) }
        while isHandling || !backlog.isEmpty {
            if unsafe pthread_cond_timedwait(condition, mutex, &time) == ETIMEDOUT { return false }
        }
        return true
    }

    private func start() {
        isStarted = (try? HostThread(quiet: name) { self.run() }) != nil
        isWithoutThread = !isStarted
    }

    private func run() {
        _ = unsafe pthread_mutex_lock(mutex)
        while true {
            guard let item = backlog.popFirst() else {
                _ = unsafe pthread_cond_wait(condition, mutex)
                continue
            }
            handleUnlocked(item)
        }
    }

    /// The mutex is held before and afterwards, and not meanwhile.
    private func handleUnlocked(_ item: Item) {
        isHandling = true
        _ = unsafe pthread_mutex_unlock(mutex)
        handle(item)
        _ = unsafe pthread_mutex_lock(mutex)
        isHandling = false
        _ = unsafe pthread_cond_broadcast(condition)
    }
}
