import RMCPProtocol

/// Answers to parents that could not be sent. It is told to whom and why once it has lasted: while an interface is given another
/// address, everything fails for a moment.
struct UnsentAnswers {
    /// Time since which nothing has left for an address, and whether that was told.
    private var failing: [SocketAddress: (since: Instant, isTold: Bool)] = [:]
    private var untold: [String] = []

    /// Patience before it is told of.
    private static let patience = Interval.seconds(1)
    /// Addresses that are remembered. Anybody can announce something.
    private static let limit = 64

    /// Asked after each datagram, and the clock only after those that failed.
    mutating func note(_ result: SendResult, to destination: SocketAddress, through interface: String, at clock: () -> Instant) {
        switch result {
        case .sent: if !failing.isEmpty { failing[destination] = nil }
        // Room may come in a moment, or a shorter one may go.
        case .wouldBlock, .tooLong: break
        case .unreachable(let code), .failed(let code):
            let now = clock()
            guard let entry = failing[destination] else {
                if failing.count < Self.limit { failing[destination] = (now, false) }
                return
            }
            guard !entry.isTold, now - entry.since >= Self.patience else { return }
            failing[destination]?.isTold = true
            let found = Diagnosis.ofSending(code, to: destination, through: interface)?.text
            untold.append("cannot answer \(destination.host): \(found ?? HostError.errorText(code))")
        }
    }

    mutating func takeWarnings() -> [String] {
        guard !untold.isEmpty else { return [] }
        defer { untold = [] }
        return untold
    }
}

/// Looks what the kernel has dropped while nothing comes.
struct SilenceWatch {
    private var filter: ReversePathFilter
    private var wasHeard = false
    /// Said once for each time that nothing comes.
    private var isTold = false
    /// Time of the next look.
    private(set) var next: Instant

    /// Long enough that a sender which is there would have been heard many times.
    private static let interval = Interval.seconds(5)

    init(interface: String, group: SocketAddress, at now: Instant) {
        filter = ReversePathFilter(interface: interface, group: group)
        next = now + Self.interval
    }

    /// Something came.
    mutating func noteArrival() { wasHeard = true }

    private mutating func startOver() {
        isTold = isTold && !wasHeard
        wasHeard = false
    }

    /// Cause that was found; nil before `next`, where something came, and where nothing was dropped.
    /// - Parameter isEnd: looks at once, since nobody will do so later.
    mutating func look(at now: Instant, isEnd: Bool = false) -> Diagnosis? {
        guard now >= next || isEnd else { return nil }
        // Nobody will be told of anything: the counters need not be read.
        if isEnd, wasHeard || isTold { return nil }
        next = now + Self.interval
        defer { startOver() }
        guard let found = filter.look(), !wasHeard, !isTold else { return nil }
        isTold = true
        return found
    }
}
