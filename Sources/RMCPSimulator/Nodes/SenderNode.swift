import RMCPProtocol

/// A sender's host in the simulator: it feeds the engine from a source that takes time, and keeps what the engine counts
/// as resident.
final class SenderNode {
    let index: Int
    let content: SimulatedContent
    var engine: SenderEngine
    let host: SenderHostModel
    /// The next chunk to start encoding, and to tell the engine of.
    private var nextChunk: UInt32 = 0
    private var told: UInt32 = 0
    private var ready: Set<UInt32> = []
    private var inFlight = 0
    private var endTold = false
    /// When each encoding thread is free.
    private var encoderFreeAt = Instant.zero
    /// Chunks whose bytes the host holds: sending any other is the engine's mistake.
    private(set) var resident: Set<UInt32> = []
    private(set) var peakResident = 0
    var outcome: SenderOutcome?
    var sentOnceAt: Instant?
    var startedAt: Instant?
    /// The source was written to while it is being sent.
    var sourceChanged = false
    /// Its link into the network.
    var egress: Link
    var isRunning = true
    var nextWake = Instant.distantFuture
    /// Datagrams that came to it, and when.
    var feedback: FeedbackMeter
    /// Set where it shares processors with others.
    var threads: HostThreads?
    /// Datagrams that have come for the network's thread while it had no processor.
    private var waiting = Waiting()

    struct Waiting {
        var datagrams: [([UInt8], Arrival)] = []
        var work: [Work] = []
    }

    /// - Parameter start: of the world, from which on feedback is counted.
    init(index: Int, content: SimulatedContent, engine: SenderEngine, host: SenderHostModel, egress: Link, start: Instant) {
        self.index = index
        self.egress = egress
        feedback = FeedbackMeter(since: start)
        self.content = content
        self.engine = engine
        self.host = host
    }

    /// Work that the encoding threads finish at a time.
    enum Work {
        case encoded(UInt32)
        case fetched(UInt32)
        case outlined(UInt32, OutlineShape)
    }

    /// Starts what the engine has credit for; what it starts is scheduled through `schedule`.
    func feed(at now: Instant, _ schedule: (Work, Instant) -> Void) {
        while nextChunk < content.chunkCount, inFlight + ready.count < engine.encodeCredit {
            schedule(.encoded(nextChunk), encoderDone(chunk: nextChunk, at: now))
            nextChunk += 1
            inFlight += 1
        }
        if nextChunk == content.chunkCount, inFlight == 0, ready.isEmpty, !endTold {
            endTold = true
            if sourceChanged { engine.stop(at: now) } else { engine.handle(.ended, at: now) }
        }
    }

    func enqueue(_ bytes: [UInt8], _ arrival: Arrival) { waiting.datagrams.append((bytes, arrival)) }
    func enqueue(_ work: Work) { waiting.work.append(work) }

    func takeWaiting() -> Waiting {
        defer { waiting = Waiting() }
        return waiting
    }

    /// Bytes of content that a piece of work goes through; holes are not read.
    func length(of work: Work) -> UInt32 {
        let chunk =
            switch work {
            case .encoded(let chunk), .fetched(let chunk), .outlined(let chunk, _): chunk
            }
        let record = content.record(of: chunk)
        return record.kind == .zero ? 0 : record.contentLength
    }

    private func encoderDone(chunk: UInt32, at now: Instant) -> Instant {
        let record = content.record(of: chunk)
        // Holes are not read.
        let length = record.kind == .zero ? 0 : Double(record.contentLength)
        encoderFreeAt = max(encoderFreeAt, now) + .seconds(length / host.encodeRate)
        return encoderFreeAt
    }

    func finish(_ work: Work, at now: Instant) {
        switch work {
        case .encoded(let chunk):
            inFlight -= 1
            ready.insert(chunk)
            while ready.remove(told) != nil {
                let record = content.record(of: told)
                if record.kind != .zero { hold(told) }
                engine.handle(.encoded(record), at: now)
                told += 1
            }
        case .outlined(let chunk, let shape):
            engine.handle(.outlined(chunk: chunk, SimulatedContent.outline(of: content.record(of: chunk), chunk: chunk, shape)), at: now)
        case .fetched(let chunk):
            // A source that changed does not encode to the same bytes again: the host notices and stops.
            guard !sourceChanged else { return engine.stop(at: now) }
            hold(chunk)
            engine.handle(.fetched(chunk: chunk), at: now)
        }
    }

    private func hold(_ chunk: UInt32) {
        resident.insert(chunk)
        peakResident = max(peakResident, resident.count)
    }

    func handle(_ event: SenderEvent, at now: Instant, _ schedule: (Work, Instant) -> Void) {
        switch event {
        case .started: startedAt = now
        case .fetch(let chunk): schedule(.fetched(chunk), encoderDone(chunk: chunk, at: now))
        case .outline(let chunk, let shape): schedule(.outlined(chunk, shape), encoderDone(chunk: chunk, at: now))
        case .release(let chunk): resident.remove(chunk)
        case .unicastFallback, .rateChanged: break
        case .sentOnce: sentOnceAt = now
        case .finished(let outcome): self.outcome = outcome
        }
    }
}

/// Abilities of a sender's host.
public struct SenderHostModel: Sendable {
    /// Content bytes a second that its encoders take in.
    public var encodeRate: Double
    public init(encodeRate: Double = 500e6) { self.encodeRate = encodeRate }
}
