import RMCPProtocol

/// Reads settings anew when SIGHUP asks for it, on a thread of its own: the disk that has them may not answer.
final class Rereader<Settings: Sendable> {
    private let read: @Sendable () -> Result<Settings, HostError>
    private let wakeUp: WakeUp
    /// Nil before the first SIGHUP.
    private var worker: WorkerPool<Void, Result<Settings, HostError>>?

    init(wakeUp: WakeUp, read: @escaping @Sendable () -> Result<Settings, HostError>) {
        self.wakeUp = wakeUp
        self.read = read
    }

    /// Whether something is being read.
    var isReading: Bool { worker.map { $0.outstanding > 0 } ?? false }

    /// Files that are read after this was called are in a result that follows, however often it was called before.
    func begin() throws(HostError) {
        if worker == nil {
            let read = read
            worker = try WorkerPool(name: "rmcp-reread", threads: 1, wakeUp: wakeUp) { { _ in read() } }
        }
        worker?.submit(())
    }

    func take() -> Result<Settings, HostError>? { worker?.collect() }

    /// Reads settings anew when SIGHUP has come to `loop`, and has them taken over when they are read. The manager hears of both.
    func follow(_ loop: HostLoop, at now: Instant, warn: (String) -> Void, adopt: (Settings) -> Void) {
        if loop.takeReload() {
            loop.service?.reloading(at: now)
            do throws(HostError) { try begin() } catch { warn("\(error); everything is as before") }
        }
        while let result = take() {
            switch result {
            case .success(let settings): adopt(settings)
            case .failure(let error): warn("\(error); everything is as before")
            }
        }
        if !isReading { loop.service?.reloaded(at: now) }
    }

    func stop() { worker?.stop() }
}
