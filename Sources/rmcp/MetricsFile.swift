import Glibc
import RMCPHost
import RMCPProtocol

/// Prometheus text for node_exporter's textfile collector: written beside its place and renamed, so that a reader never
/// sees half of it. What cannot be written is not worth stopping a transfer for.
final class MetricsFile {
    private let path: String

    init(path: String) { self.path = path }

    func write(_ snapshot: SendSnapshot) {
        var text = ""
        Self.gauge("rmcp_send_content_bytes_sent", "Content bytes sent at least once.", Double(snapshot.contentSent), &text)
        Self.gauge("rmcp_send_wire_bytes", "Bytes of all datagrams sent.", Double(snapshot.counters.bytesSent), &text)
        Self.gauge("rmcp_send_repair_bytes", "Bytes of repairs.", Double(snapshot.counters.repairBytes + snapshot.counters.catchUpBytes), &text)
        Self.gauge("rmcp_send_rate_bits_per_second", "Current rate.", snapshot.rate, &text)
        Self.gauge("rmcp_send_naks_received", "NAK datagrams received.", Double(snapshot.counters.naksReceived), &text)
        text += "# HELP rmcp_send_receivers Receivers by state.\n# TYPE rmcp_send_receivers gauge\n"
        for state in ReceiverState.allCases { text += "rmcp_send_receivers{state=\"\(state)\"} \(snapshot.receivers.count(state))\n" }
        replace(with: text)
    }

    func write(_ snapshots: [ReceiveSnapshot], completed: Int, failed: Int) {
        var text = ""
        Self.gauge("rmcp_recv_sessions", "Sessions under way.", Double(snapshots.count), &text)
        Self.gauge("rmcp_recv_bundles_completed", "Bundles completed since the start.", Double(completed), &text)
        Self.gauge("rmcp_recv_bundles_failed", "Bundles failed since the start.", Double(failed), &text)
        Self.gauge(
            "rmcp_recv_content_bytes_done", "Verified content bytes of the sessions under way.", snapshots.reduce(0) { $0 + Double($1.contentDone) }, &text)
        Self.gauge("rmcp_recv_loss_ratio", "Worst smoothed loss of the sessions under way.", snapshots.map(\.loss).max() ?? 0, &text)
        replace(with: text)
    }

    func write(_ snapshots: [RepairSnapshot]) {
        var text = ""
        func sum(_ value: (RepairSnapshot) -> UInt64) -> Double { snapshots.reduce(0) { $0 + Double(value($1)) } }
        Self.gauge("rmcp_repair_sessions", "Sessions that are served.", Double(snapshots.count), &text)
        Self.gauge("rmcp_repair_complete_sessions", "Of these, held whole.", Double(snapshots.count { $0.isComplete }), &text)
        Self.gauge("rmcp_repair_children", "Children of all sessions.", Double(snapshots.reduce(0) { $0 + $1.children }), &text)
        Self.gauge("rmcp_repair_repair_bytes", "Bytes of repairs.", sum { $0.counters.repairBytes + $0.counters.catchUpBytes }, &text)
        Self.gauge("rmcp_repair_naks_received", "NAK datagrams from below.", sum { $0.counters.naksReceived }, &text)
        Self.gauge("rmcp_repair_naks_sent", "NAK datagrams to parents.", sum { $0.upstreamCounters?.naksSent ?? 0 }, &text)
        Self.gauge("rmcp_repair_loss_ratio", "Worst loss on the way here.", snapshots.map(\.loss).max() ?? 0, &text)
        replace(with: text)
    }

    private static func gauge(_ name: String, _ help: String, _ value: Double, _ text: inout String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) gauge\n\(name) \(value)\n"
    }

    private func replace(with text: String) {
        let temporary = path + ".tmp"
        guard let file = unsafe fopen(temporary, "we") else { return }
        let isWritten = unsafe fputs(text, file) >= 0
        guard unsafe fclose(file) == 0, isWritten else { return }
        _ = unsafe rename(temporary, path)
    }
}
