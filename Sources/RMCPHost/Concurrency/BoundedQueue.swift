import DequeModule

/// A first-in-first-out queue between threads with room for `capacity` elements.
final class BoundedQueue<Element: Sendable>: @unchecked Sendable {
    private let monitor = Monitor()
    private var elements: Deque<Element> = []
    private let capacity: Int
    private var isClosed = false

    init(capacity: Int) { self.capacity = capacity }

    /// False when the queue is full or closed.
    func tryPush(_ element: Element) -> Bool {
        monitor.withLock {
            guard !isClosed, elements.count < capacity else { return false }
            elements.append(element)
            monitor.notifyOne()
            return true
        }
    }

    /// Nil when the queue is empty.
    func tryPop() -> Element? { monitor.withLock { elements.popFirst() } }

    /// Waits for an element; nil when the queue is closed and empty.
    func pop() -> Element? {
        monitor.withLock {
            while elements.isEmpty, !isClosed { monitor.wait() }
            return elements.popFirst()
        }
    }

    /// The queue takes no more; who waits is let go once it is empty.
    func close() {
        monitor.withLock {
            isClosed = true
            monitor.notifyAll()
        }
    }
}
