import Glibc
import OrderedCollections
import RMCPContent
import RMCPProtocol
public import RMCPReport

/// Takes sessions from a group until it is told to stop: sockets, signals and time for `ReceiveSessions`, on the calling
/// thread. Nothing that it calls waits for a disk.
public final class ReceiveLoop {
    private let request: ReceiveRequest
    private let reception: Reception
    private let loop: HostLoop
    private let threads: StorageThreads
    private let completed: CompletedSessions
    private let known: [CompletedSessions.Known]
    private let identity: ReceiverIdentity?
    /// Nil where nothing is sealed.
    private let guarding: ControlGuard?
    private var warnings: [String] = []
    /// Nil where SIGHUP ends the process.
    private let rereader: Rereader<ReceiveChanges>?
    private var observer: (ReceiveUpdate) -> Void = { _ in }
    private lazy var sessions = ReceiveSessions(
        request, network: reception, executor: threads, completed: completed, known: known,
        identity: identity, seed: .random(in: 0...(.max)), at: Poller.now(),
        observer: { [unowned self] in self.observer($0) })
    /// Hooks that are waited for, by what becomes readable when they end.
    private var watchedHooks: [Int32: Poller.Token] = [:]
    private var figurePace = FigurePace(at: Poller.now())

    /// - Parameters:
    ///   - service: the manager that is told how it goes.
    ///   - reread: reads settings anew when SIGHUP asks for it, on a thread of its own; nil where SIGHUP ends the process.
    public init(
        _ request: ReceiveRequest, service: ServiceNotifier? = nil, reread: (@Sendable () -> Result<ReceiveChanges, HostError>)? = nil
    ) throws(HostError) {
        try request.group.requireMulticast()
        // What may hang, on a server that is gone, comes before signals are blocked: they end it as they end any program.
        var request = request
        let checked = try OutputCheck.run(request.output, directory: request.directory)
        request.output = checked.output
        warnings += checked.warning.map { [$0] } ?? []
        if let warning = try request.spool?.check() { warnings.append(warning) }
        if request.output == .directory { warnings += try LeftFiles.sweep(request.directory) }
        self.request = request
        let interface = try NetworkInterface.forGroup(request.group, named: request.interfaceName)
        identity = ReceiverIdentity(place: CompletedSessions.place(interface: interface, request: request))
        completed = CompletedSessions(place: CompletedSessions.place(interface: interface, request: request))
        do throws(HostError) { known = try completed.sessions() } catch {
            known = []
            warnings.append("\(error.description); bundles that were received before may be taken again")
        }
        // Before threads are started: they inherit the blocked signals.
        let loop = try HostLoop(service: service, reloads: reread != nil)
        self.loop = loop
        rereader = reread.map { Rereader(wakeUp: loop.wakeUp, read: $0) }
        guarding = request.groupKey.map { ControlGuard(key: $0.control) }
        if guarding != nil { MemoryLimit.keepMemoryOfCipher() }
        reception = try Reception(
            group: request.group, follower: InterfaceFollower(interface, for: request.group, named: request.interfaceName), guarding: guarding)
        threads = try StorageThreads(wakeUp: loop.wakeUp)
        reception.watch(by: loop.poller)
    }

    /// Faults that a start would find with where bundles go; nothing is left there.
    /// - Returns: lines for the user.
    public static func check(_ request: ReceiveRequest) throws(HostError) -> [String] {
        try request.group.requireMulticast()
        if let name = request.interfaceName { _ = try NetworkInterface.forGroup(request.group, named: name) }
        return [try OutputCheck.run(request.output, directory: request.directory).warning, try request.spool?.check()].compactMap { $0 }
    }

    /// Before each wait: the descriptor of a hook that has ended is closed, and may be another's.
    private func watchHooks() {
        let hooks = sessions.hookDescriptors
        guard !(hooks.isEmpty && watchedHooks.isEmpty), Set(hooks) != Set(watchedHooks.keys) else { return }
        for token in watchedHooks.values { loop.poller.forget(token) }
        watchedHooks = Dictionary(hooks.map { ($0, loop.poller.watch($0)) }) { $1 }
    }

    /// Returns when `once` is fulfilled or a signal comes.
    public func run(observer: @escaping (ReceiveUpdate) -> Void) throws(HostError) -> ReceiveOutcome {
        self.observer = observer
        // The observer may hold this, which would keep both.
        defer { self.observer = { _ in } }
        observer(.listening(interface: reception.interface.name, group: request.group))
        for text in warnings { observer(.warning(text)) }
        loop.service?.ready(at: Poller.now())
        if let warning = reception.bufferWarning { observer(.warning(warning)) }
        loop.run { now, isStopped in
            for line in reception.lookAround(at: now) { observer(.warning(line)) }
            let isBusy = receive(at: now)
            if let guarding, guarding.foreignAnnounces > 0 { sessions.noteForeignGroup(at: now) }
            sessions.collect(at: now)
            sessions.drive(at: Poller.now())
            if isStopped { sessions.outcome = isService && loop.stopSignal == SIGTERM ? .terminated : .interrupted }
            followSettings(at: now)
            if loop.takeQuestion() { observer(.asked) }
            reception.keepMembership(isIdle: sessions.isEmpty, at: now)
            if figurePace.advance(to: now) { observer(.figures(figures)) }
            guard sessions.outcome == nil else { return .over }
            watchHooks()
            return isBusy ? .again : .wait(until: deadline(at: now))
        }
        var outcome = sessions.outcome ?? .interrupted
        for line in reception.lookAround(at: Poller.now(), isEnd: true) { observer(.warning(line)) }
        stop()
        if outcome == .complete, let spool = request.spool, spool.failures > 0 { outcome = .untold }
        let last = figures
        observer(.figures(last))
        observer(.stopped(last.strays, outcome.exitStatus, unspooled: request.spool?.failures))
        return outcome
    }

    /// All that was counted since the start.
    private var figures: ReceiveFigures {
        var result = sessions.figures
        result.strays.malformed += reception.truncated
        result.strays.foreign += (guarding?.forged ?? 0) + (guarding?.replayed ?? 0)
        result.network = reception.figures
        return result
    }

    /// Whether nobody waits for a certain bundle, so that to end when asked to is no failure.
    private var isService: Bool { !request.once && request.output != .standardOutput }

    private func followSettings(at now: Instant) {
        rereader?.follow(loop, at: now, warn: { observer(.warning($0)) }) { changes in
            sessions.adopt(changes, at: now)
            for note in changes.notes { observer(.notice(note)) }
        }
    }

    private func deadline(at now: Instant) -> Instant {
        let own = min(reception.nextLook, min(reception.idleRejoin ?? .distantFuture, figurePace.deadline ?? .distantFuture))
        return min(own, sessions.deadline(at: now) ?? .distantFuture)
    }

    // MARK: Arrivals

    private func receive(at now: Instant) -> Bool {
        let sessions = sessions
        var isBusy = false
        for round in 0..<HostLimits.receiveRounds {
            let now = round == 0 ? now : Poller.now()
            isBusy = reception.receive { sessions.handle($0, at: now) }
            if !isBusy { break }
            // What was assembled goes to the storage threads at once, so that they work while more is read.
            sessions.handleEvents(at: now)
        }
        sessions.followRegions(at: now)
        // Whoever has read everything need not ask.
        let share = isBusy && !sessions.sessions.isEmpty ? reception.backlogShare : 0
        sessions.noteSocket(dropped: reception.takeOverflow(), share: share, at: now)
        return isBusy
    }

    // MARK: The end

    /// Says goodbye and waits for disks and hooks: not for long, and not at all once a second signal has come.
    private func stop() {
        reception.unwatch()
        let begun = Poller.now()
        loop.service?.stopping(within: HostLimits.hookPatience * 2 + HostLimits.stopPatience)
        sessions.stop(at: begun)
        loop.run { now, isStopped in
            sessions.collect(at: now)
            sessions.drive(at: now)
            // Asked to end, told to end, and a moment to do so.
            let patience = sessions.hookDescriptors.isEmpty ? HostLimits.stopPatience : HostLimits.hookPatience * 2 + .seconds(1)
            guard !sessions.isAtRest, !isStopped, now < begun + patience else { return .over }
            watchHooks()
            return .wait(until: min(begun + patience, sessions.deadline(at: now) ?? .distantFuture))
        }
        sessions.abort()
        threads.stop()
        rereader?.stop()
    }
}

extension Reception: SessionNetwork {
    var interfaceName: String { interface.name }
    func send(_ bytes: [UInt8], to destination: SocketAddress) -> Bool { answer(bytes, to: destination) }
    func rejoin() { rejoin(.silence) }
}
