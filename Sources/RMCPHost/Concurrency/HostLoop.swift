import Glibc
import RMCPProtocol

/// The loop of every command: waits for descriptors, for workers' results, for signals and for the time, on the calling
/// thread. What is to be done in each turn is the command's.
///
/// ```
///   run ──▶ turn(now, isStopped) ──.again──▶ look what came ────────────┐
///            ▲      ├──.wait(until:room:)──▶ sleep, until that or input ┤
///            │      └──.over──▶ return                                  │
///            └──────────────────────────────────────────────────────────┘
/// ```
final class HostLoop {
    enum Turn {
        /// More is to be done, but arrivals have their turn first.
        case again
        /// Nothing to do before `until`, unless something comes, or there is room to write at `room`.
        case wait(until: Instant?, room: Poller.Token? = nil)
        case over
    }

    let poller = Poller()
    /// Bell of workers that have something for this thread.
    let wakeUp: WakeUp
    /// Manager that is told that this loop turns; nil where nobody wants to know.
    let service: ServiceNotifier?
    private let reloads: Bool
    /// The signal that asked to stop last; 0 while none has.
    private(set) var stopSignal: Int32 = 0
    private var isAskedToReload = false
    private var isAskedHowItGoes = false
    private let signals: SignalListener
    private let wakeToken: Poller.Token
    private let signalToken: Poller.Token

    /// Blocks the `StopSignals`, which `run` tells of: in this thread and in those that it starts later. So this comes
    /// after whatever may hang and should be ended by a signal as any program is, and before threads are started.
    /// - Parameter reloads: whether SIGHUP asks for settings to be read anew (`takeReload`), and not to stop.
    init(service: ServiceNotifier? = nil, reloads: Bool = false) throws(HostError) {
        self.service = service
        self.reloads = reloads
        signals = try SignalListener()
        wakeUp = try WakeUp()
        wakeToken = poller.watch(wakeUp.descriptor.raw)
        signalToken = poller.watch(signals.descriptor.raw)
    }

    /// Returns when a turn says that it is over.
    /// - Parameter turn: told the time, and whether a signal to stop has come since the turn before.
    func run(_ turn: (_ now: Instant, _ isStopped: Bool) -> Turn) {
        while true {
            if poller.isReadable(wakeToken) { wakeUp.clear() }
            let isStopped = poller.isReadable(signalToken) && takeStop()
            service?.tick(at: Poller.now())
            switch turn(Poller.now(), isStopped) {
            case .again: poller.wait(until: .zero)
            case .wait(let deadline, let room): poller.wait(until: Self.earlier(deadline, service?.deadline), room: room)
            case .over: return
            }
        }
    }

    private static func earlier(_ first: Instant?, _ second: Instant?) -> Instant? {
        guard let first, let second else { return first ?? second }
        return min(first, second)
    }

    /// Takes one signal: true when it asks to stop.
    private func takeStop() -> Bool {
        let number = signals.take()
        switch number {
        case 0: return false
        case SIGHUP where reloads: isAskedToReload = true
        case SIGUSR1: isAskedHowItGoes = true
        default:
            stopSignal = number
            return true
        }
        return false
    }

    /// Whether SIGUSR1 has come since this was last asked.
    func takeQuestion() -> Bool {
        defer { isAskedHowItGoes = false }
        return isAskedHowItGoes
    }

    /// Whether SIGHUP has come since this was last asked.
    func takeReload() -> Bool {
        defer { isAskedToReload = false }
        return isAskedToReload
    }
}
