import RMCPHost
import RMCPProtocol

/// Prometheus text for node_exporter's textfile collector: written beside its place and renamed, so that a reader never
/// sees half of it. What cannot be written is not worth stopping a transfer for: a thread of its own tries, the newest
/// text only, and says once what is wrong.
final class MetricsFile {
    private let queue: BackgroundQueue<String>

    init(path: String) {
        let writer = MetricsWriter(ReplacedFile(path: path, content: "metrics"))
        queue = BackgroundQueue(name: "rmcp-metrics") { writer.replace(with: $0) }
    }

    /// Waits for the last text, for a while at most.
    func finish() { queue.drain(within: .seconds(2)) }

    /// Returns at once.
    func replace(with text: String) {
        queue.update { backlog in
            backlog.removeAll()
            backlog.append(text)
        }
    }
}

/// A file that is replaced again and again, by the thread that has this.
private final class MetricsWriter: @unchecked Sendable {
    private let file: ReplacedFile
    private var isToldOf = false

    init(_ file: ReplacedFile) { self.file = file }

    func replace(with text: String) {
        do throws(HostError) { try file.write(text) } catch {
            if !isToldOf { Console.error("no metrics: \(error)") }
            isToldOf = true
        }
    }
}
