import Glibc
import RMCPHost
import RMCPProtocol

/// Prometheus text for node_exporter's textfile collector: written beside its place and renamed, so that a reader never
/// sees half of it. What cannot be written is not worth stopping a transfer for: a thread of its own tries, the newest
/// text only, and says once what is wrong.
final class MetricsFile {
    private let queue: BackgroundQueue<String>

    init(path: String) {
        let file = ReplacedFile(path: path)
        queue = BackgroundQueue(name: "rmcp-metrics") { file.replace(with: $0) }
    }

    /// Waits for the last text, for a while at most.
    func finish() { queue.drain(within: .seconds(2)) }

    func write(_ snapshot: SendSnapshot) { replace(with: Self.text(snapshot)) }

    static func text(_ snapshot: SendSnapshot) -> String {
        var text = ""
        gauge("rmcp_send_content_bytes_sent", "Content bytes sent at least once.", Double(snapshot.contentSent), &text)
        gauge("rmcp_send_wire_bytes", "Bytes of all datagrams sent.", Double(snapshot.counters.bytesSent), &text)
        gauge("rmcp_send_repair_bytes", "Bytes of repairs.", Double(snapshot.counters.repairBytes + snapshot.counters.catchUpBytes), &text)
        gauge("rmcp_send_rate_bits_per_second", "Current rate.", snapshot.rate, &text)
        gauge("rmcp_send_naks_received", "NAK datagrams received.", Double(snapshot.counters.naksReceived), &text)
        text += "# HELP rmcp_send_receivers Receivers by state.\n# TYPE rmcp_send_receivers gauge\n"
        for state in ReceiverState.allCases { text += "rmcp_send_receivers{state=\"\(state)\"} \(snapshot.receivers.count(state))\n" }
        return text
    }

    func write(_ snapshots: [ReceiveSnapshot], completed: Int, failed: Int) { replace(with: Self.text(snapshots, completed: completed, failed: failed)) }

    static func text(_ snapshots: [ReceiveSnapshot], completed: Int, failed: Int) -> String {
        var text = ""
        gauge("rmcp_recv_sessions", "Sessions under way.", Double(snapshots.count), &text)
        gauge("rmcp_recv_bundles_completed", "Bundles completed since the start.", Double(completed), &text)
        gauge("rmcp_recv_bundles_failed", "Bundles failed since the start.", Double(failed), &text)
        gauge(
            "rmcp_recv_content_bytes_done", "Verified content bytes of the sessions under way.", snapshots.reduce(0) { $0 + Double($1.contentDone) }, &text)
        gauge("rmcp_recv_loss_ratio", "Worst smoothed loss of the sessions under way.", snapshots.map(\.loss).max() ?? 0, &text)
        return text
    }

    func write(_ snapshots: [RepairSnapshot]) { replace(with: Self.text(snapshots)) }

    static func text(_ snapshots: [RepairSnapshot]) -> String {
        var text = ""
        func sum(_ value: (RepairSnapshot) -> UInt64) -> Double { snapshots.reduce(0) { $0 + Double(value($1)) } }
        gauge("rmcp_repair_sessions", "Sessions that are served.", Double(snapshots.count), &text)
        gauge("rmcp_repair_complete_sessions", "Of these, held whole.", Double(snapshots.count { $0.isComplete }), &text)
        gauge("rmcp_repair_children", "Children of all sessions.", Double(snapshots.reduce(0) { $0 + $1.children }), &text)
        gauge("rmcp_repair_repair_bytes", "Bytes of repairs.", sum { $0.counters.repairBytes + $0.counters.catchUpBytes }, &text)
        gauge("rmcp_repair_naks_received", "NAK datagrams from below.", sum { $0.counters.naksReceived }, &text)
        gauge("rmcp_repair_naks_sent", "NAK datagrams to parents.", sum { $0.upstreamCounters?.naksSent ?? 0 }, &text)
        gauge("rmcp_repair_loss_ratio", "Worst loss on the way here.", snapshots.map(\.loss).max() ?? 0, &text)
        return text
    }

    private static func gauge(_ name: String, _ help: String, _ value: Double, _ text: inout String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) gauge\n\(name) \(value)\n"
    }

    private func replace(with text: String) {
        queue.update { backlog in
            backlog.removeAll()
            backlog.append(text)
        }
    }
}

/// A file that is replaced again and again, by the thread that has this.
private final class ReplacedFile: @unchecked Sendable {
    private let path: String
    private var isToldOf = false

    init(path: String) { self.path = path }

    func replace(with text: String) {
        do throws(HostError) { try write(text) } catch {
            if !isToldOf { Console.error("no metrics: \(error)") }
            isToldOf = true
        }
    }

    private func write(_ text: String) throws(HostError) {
        let target = try target()
        let temporary = Self.temporary(for: target)
        // A name of this process alone, so what is there was left by one that was killed and had its number.
        _ = unsafe unlink(temporary)
        let raw = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
        guard raw >= 0 else { throw .system("create", temporary) }
        let descriptor = OwnedDescriptor(raw)
        if let code = DescriptorWriter.write(Array(text.utf8), to: descriptor.raw) {
            _ = unsafe unlink(temporary)
            errno = code
            throw .system("write", temporary)
        }
        guard unsafe rename(temporary, target) == 0 else {
            let error = HostError.system("rename the metrics to", target)
            _ = unsafe unlink(temporary)
            throw error
        }
    }

    /// Where the text goes: what `path` is a link to, if it is one. Nothing but a regular file is replaced.
    private func target() throws(HostError) -> String {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else {
            guard errno == ENOENT else { throw .system("look at", path) }
            return path
        }
        var target = path
        if status.st_mode & S_IFMT == S_IFLNK {
            guard let resolved = unsafe realpath(path, nil) else { throw .system("follow the link", path) }
            target = unsafe String(cString: resolved)
            unsafe free(resolved)
            guard unsafe stat(target, &status) == 0 else { throw .system("look at", target) }
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw HostError("\(path) is no regular file, and metrics replace no other") }
        return target
    }

    private static func temporary(for path: String) -> String {
        let cut = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
        return "\(path[..<cut]).\(path[cut...]).\(getpid()).tmp"
    }
}
