public import RMCPProtocol

/// An engine as all of them are: told of the time, and then drained of events and of what it says.
public protocol DrivenEngine {
    associatedtype Event
    /// A datagram that it has to send, and to whom; for a train of DATA, how to make it.
    associatedtype Speech

    mutating func nextTimeout(at now: Instant) -> Instant?
    mutating func handleTimeout(at now: Instant)
    mutating func pollEvent() -> Event?
    mutating func pollSpeech(at now: Instant) -> Speech?
}

extension ReceiverEngine: DrivenEngine {
    public mutating func nextTimeout(at now: Instant) -> Instant? { pollTimeout() }
    public mutating func pollSpeech(at now: Instant) -> (bytes: [UInt8], destination: SocketAddress)? { pollTransmit(at: now) }
}

extension SenderEngine: DrivenEngine {
    public mutating func nextTimeout(at now: Instant) -> Instant? { pollTimeout(at: now) }
    public mutating func pollSpeech(at now: Instant) -> Transmit? { pollTransmit(at: now) }

    /// Tells it of as many chunks as it has credit for, and of the end behind the last.
    public mutating func encode(_ records: [ChunkRecord], atMost limit: Int = .max, at now: Instant) {
        var left = limit
        while left > 0, encodeCredit > 0, Int(chunkCount) < records.count {
            handle(.encoded(records[Int(chunkCount)]), at: now)
            left -= 1
        }
        if Int(chunkCount) == records.count { handle(.ended, at: now) }
    }
}

/// A repair node's words to its parents, or to its children.
public enum RepairSpeech {
    case up([UInt8], SocketAddress)
    case down(Transmit)
}

extension RepairEngine: DrivenEngine {
    public mutating func nextTimeout(at now: Instant) -> Instant? { pollTimeout(at: now) }

    public mutating func pollSpeech(at now: Instant) -> RepairSpeech? {
        if let (bytes, parent) = pollUpstream(at: now) { return .up(bytes, parent) }
        return pollDownstream(at: now).map { .down($0) }
    }
}

/// The least that a host does for an engine. Whoever adopts it answers what the engine asks and hears what it says; the
/// loop around that, and its bounds, are here.
public protocol EngineHost {
    associatedtype Engine: DrivenEngine

    var engine: Engine { get set }
    var now: Instant { get set }
    /// Events and datagrams that one call of the engine may lead to.
    var drainLimit: Int { get }

    mutating func answer(_ event: Engine.Event)
    mutating func hear(_ speech: Engine.Speech)
    /// Checks that hold whenever the engine is drained.
    mutating func check()
    /// Tells of an engine that never comes to rest.
    func fail(_ message: String)
}

extension EngineHost {
    public var drainLimit: Int { 4_000 }
    public mutating func check() {}
    public func fail(_ message: String) { fatalError(message) }

    /// Answers all events, each before the engine says anything more, and hears all that it says.
    public mutating func drain() {
        var left = drainLimit
        repeat {
            answerEvents(&left)
            while left > 0, let speech = engine.pollSpeech(at: now) {
                left -= 1
                hear(speech)
                answerEvents(&left)
            }
        } while answerEvents(&left)
        if left <= 0 { fail("no end of what it asks and says at \(now)") }
        check()
    }

    /// - Returns: whether there were any.
    @discardableResult
    private mutating func answerEvents(_ left: inout Int) -> Bool {
        let before = left
        while left > 0, let event = engine.pollEvent() {
            left -= 1
            answer(event)
        }
        return left > 0 && left < before
    }

    /// Handles what is due, and drains it.
    public mutating func handleTimers() {
        var spins = 0
        while let due = engine.nextTimeout(at: now), due <= now {
            spins += 1
            guard spins < 64 else { return fail("it wants to be called at \(due) over and over at \(now)") }
            engine.handleTimeout(at: now)
            drain()
        }
        drain()
    }

    public mutating func sleep(_ interval: Interval) {
        now = now + interval
        handleTimers()
    }
}
