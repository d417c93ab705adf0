import DequeModule

/// Acknowledgements of final STATUSes that a repair node holds back until its own parent knows what they said: a child may be gone as
/// soon as it hears one, and the node soon after.
struct HeldAcknowledgements: Sendable {
    struct Acknowledgement: Sendable {
        let child: ChildName
        /// Sequence number of the child's STATUS.
        var sequence: UInt32
        var address: SocketAddress
        let due: Instant
    }

    private var held: Deque<Acknowledgement> = []
    private let delay: Interval
    private let limit: Int

    init(configuration: Configuration) {
        delay = configuration.feedback.acknowledgementDelay
        limit = configuration.memory.maximumControlQueue
    }

    var count: Int { held.count }
    var nextDue: Instant? { held.first?.due }

    /// Holds one back. A child's later STATUS takes the place of its earlier one.
    /// - Returns: the oldest, where there was no room for it any more: to be said now.
    mutating func hold(sequence: UInt32, of child: ChildName, at address: SocketAddress, now: Instant) -> Acknowledgement? {
        if let index = held.firstIndex(where: { $0.child == child }) {
            held[index].sequence = sequence
            held[index].address = address
            return nil
        }
        let oldest = held.count >= limit ? held.popFirst() : nil
        held.append(Acknowledgement(child: child, sequence: sequence, address: address, due: now + delay))
        return oldest
    }

    /// The next one to say when the parent knows; nil when all are said.
    mutating func release() -> Acknowledgement? { held.popFirst() }

    /// The next one that was held back long enough.
    mutating func release(dueAt now: Instant) -> Acknowledgement? {
        guard let first = held.first, first.due <= now else { return nil }
        return held.popFirst()
    }
}
