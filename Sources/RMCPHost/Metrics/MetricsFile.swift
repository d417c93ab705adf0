import Glibc
public import RMCPProtocol

/// Prometheus text for node_exporter's textfile collector: written beside its place and renamed, so that a reader never sees
/// half of it. What cannot be written is not worth stopping a transfer for: a thread of its own tries, and says once what is wrong.
public final class MetricsFile {
    private let board: MetricsBoard
    private let writer: Writer
    private let wakeUp: WakeUp
    /// Signalled when the file is what it is to be at the end.
    private let done: WakeUp
    private let end = LockedValue(End())

    private struct End {
        var isAsked = false
        var keepsFile = false
    }

    /// The file is at least as new as this, also when nothing happens: readers tell by its age whether anybody is there.
    static let renewal = Interval.seconds(15)
    /// Metrics are for others: node_exporter is another user, whatever this process's umask is.
    private static let mode: UInt32 = 0o644
    /// Least time between two changes of the file.
    private static let pause = Interval.seconds(1)

    /// - Parameter warn: told what is wrong, in a line.
    public init(path: String, board: MetricsBoard, warn: @escaping @Sendable (String) -> Void) throws(HostError) {
        self.board = board
        writer = Writer(file: ReplacedFile(path: path, content: "metrics", mode: Self.mode), warn: warn)
        let (wakeUp, done) = (try WakeUp(), try WakeUp())
        (self.wakeUp, self.done) = (wakeUp, done)
        board.onChange { wakeUp.signal() }
        // May stand still for as long as its disk does, and is never joined.
        _ = try HostThread(quiet: "rmcp-metrics") { [board, writer, end] in
            Self.run(board, writer, wakeUp, end)
            done.signal()
        }
    }

    /// Returns when the file is what it is to be at the end, or when its disk takes longer than `limit`.
    /// - Parameter keepsFile: a job's last word stays. That of a daemon would look as if it were there.
    public func finish(keepsFile: Bool, within limit: Interval) {
        end.withLock {
            $0.isAsked = true
            $0.keepsFile = keepsFile
        }
        wakeUp.signal()
        let poller = Poller()
        let token = poller.watch(done.descriptor.raw)
        let deadline = Poller.now() + limit
        while !poller.isReadable(token), Poller.now() < deadline { poller.wait(until: deadline) }
    }

    private static func run(_ board: MetricsBoard, _ writer: Writer, _ wakeUp: WakeUp, _ end: LockedValue<End>) {
        let poller = Poller()
        let token = poller.watch(wakeUp.descriptor.raw)
        var written = -1
        var last = Instant.zero
        while true {
            let asked = end.withLock { $0 }
            let edition = board.edition
            let now = Poller.now()
            if asked.isAsked {
                return asked.keepsFile ? writer.write(board.text, at: now) : writer.remove()
            }
            let due = written < 0 ? now : last + (edition == written ? renewal : pause)
            if now >= due {
                writer.write(board.text, at: now)
                (written, last) = (edition, now)
            } else {
                // Changes meanwhile are written at their time, and need not wake anybody.
                poller.wait(until: due)
                if poller.isReadable(token) { wakeUp.clear() }
            }
        }
    }

    /// Writes, and tells of the first failure of many: again only when it has worked meanwhile, and not for a while.
    private final class Writer: @unchecked Sendable {
        private let file: ReplacedFile
        private let warn: @Sendable (String) -> Void
        private var isFailing = false
        private var quietUntil = Instant.zero
        private static let silence = Interval.seconds(600)

        init(file: ReplacedFile, warn: @escaping @Sendable (String) -> Void) {
            self.file = file
            self.warn = warn
        }

        func write(_ text: String, at now: Instant) {
            do throws(HostError) {
                try file.write(text)
                isFailing = false
            } catch {
                if !isFailing, now >= quietUntil {
                    warn("no metrics: \(error)")
                    quietUntil = now + Self.silence
                }
                isFailing = true
            }
        }

        func remove() { file.remove() }
    }
}
