import RMCPProtocol

/// Decides when `recv --once` is over.
///
/// Anybody can announce something. So a session ends the waiting only if it is complete, if a chunk of it was verified, or
/// if it is the only one that was ever taken part in and more than an ANNOUNCE came of it.
struct OnceRule {
    private let isOn: Bool
    private let timeout: Interval?
    private let isStream: Bool
    /// Whether nothing can ever be accepted: waiting on would be in vain.
    private let isHopeless: Bool
    private var accepted = 0
    private var wasRefused = false
    /// When an outdated session was refused while nothing else had come. A repair node may offer it for as long as it
    /// runs: a newer one would have come by then.
    private var outdatedSince: Instant?
    /// Time of the first refusal where nothing can ever be accepted.
    private var hopelessSince: Instant?
    private var lastProgress: Instant

    init(_ request: ReceiveRequest, at now: Instant) {
        isOn = request.once
        timeout = request.once ? request.timeout : nil
        isStream = request.output == .standardOutput
        isHopeless = request.once && request.trust.trustedKeys.isEmpty && !request.trust.allowsUnsigned
        lastProgress = now
    }

    mutating func noteAccepted(at now: Instant) {
        accepted += 1
        noteProgress(at: now)
    }

    mutating func noteProgress(at now: Instant) { lastProgress = max(lastProgress, now) }

    mutating func noteRefused(_ reason: SessionRefusal, at now: Instant) {
        guard isOn, !reason.isForNow, reason != .completedBefore else { return }
        wasRefused = true
        if case .rollback = reason { outdatedSince = outdatedSince ?? now }
        if isHopeless { hopelessSince = hopelessSince ?? now }
    }

    /// Meaning of a session's end.
    func outcome(of session: ReceiveSession, _ state: ReceiverState) -> ReceiveOutcome? {
        // What standard output has had of a bundle cannot be taken back, whoever waits for another one.
        if isStream, state != .complete, session.isProven { return .failed(state) }
        guard isOn else { return nil }
        if state == .complete { return .complete }
        let isTheOnlyOne = accepted == 1 && (session.wasHeard || state != .failedSender)
        return session.isProven || isTheOnlyOne ? .failed(state) : nil
    }

    /// - Parameter hasToldWhy: senders have heard of each refusal, or do not answer. One that has not would say that nobody came.
    mutating func outcome(isIdle: Bool, isFinishing: Bool, hasToldWhy: Bool, at now: Instant) -> ReceiveOutcome? {
        if let since = hopelessSince, hasToldWhy || now - since >= HostLimits.refusalPatience { return .refused }
        return outcome(isIdle: isIdle, isFinishing: isFinishing, at: now)
    }

    /// Meaning of the time. A bundle that is being flushed, or whose command runs, is progress however long it takes.
    private mutating func outcome(isIdle: Bool, isFinishing: Bool, at now: Instant) -> ReceiveOutcome? {
        if isFinishing { noteProgress(at: now) }
        if let since = outdatedSince, isIdle, accepted == 0, now - since >= HostLimits.outdatedPatience { return .refused }
        guard let timeout, now - lastProgress >= timeout else { return nil }
        return wasRefused && isIdle ? .refused : .timedOut
    }

    func deadline(isIdle: Bool) -> Instant? {
        var deadline = timeout.map { lastProgress + $0 }
        if let since = outdatedSince, isIdle, accepted == 0 { deadline = min(deadline ?? .distantFuture, since + HostLimits.outdatedPatience) }
        if let since = hopelessSince { deadline = min(deadline ?? .distantFuture, since + HostLimits.refusalPatience) }
        return deadline
    }
}
