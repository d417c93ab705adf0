public import RMCPProtocol

extension Measure where Source == ReceiveSnapshot {
    /// Worst smoothed loss.
    static let loss = Measure("loss", .ratio) { .number($0.loss) }

    /// Measures of a session at a receiver.
    static let receive = [
        Measure("name", .plain) { .text($0.announce.name) },
        Measure("session", .plain) { .text($0.announce.session.text) },
        Measure("state", .plain) { .text($0.state.identifier) },
        Measure("seconds", .seconds) { .number($0.elapsed.inSeconds) },
        Measure("bytes_done", .bytes) { .count($0.contentDone) },
        Measure("bytes_kept", .bytes) { .count($0.contentKept) },
        Measure("bytes", .bytes) { $0.contentLength.map { .count($0) } ?? .unknown },
        Measure("files_done", .plain) { $0.tree.map { .count(UInt64($0.done)) } ?? .absent },
        Measure("files_unchanged", .plain) { $0.tree.map { .count(UInt64($0.unchanged)) } ?? .absent },
        Measure("files", .plain) { $0.tree.map { .count(UInt64($0.files)) } ?? .absent },
        Measure("file_bytes", .bytes) { $0.tree.map { .count($0.bytes) } ?? .absent },
        loss,
        Measure("datagrams", .plain, isInLines: false, label: "datagrams") { .count($0.counters.datagrams) },
        Measure("duplicates", .plain, isInLines: false, label: "duplicates") { .count($0.counters.duplicates) },
        Measure("naks", .plain, label: "NAKs") { .count($0.counters.naksSent) },
        Measure("suppressed", .plain, isInLines: false, label: "suppressed") { .count($0.counters.naksSuppressed) },
        Measure("statuses", .plain, isInLines: false, label: "statuses") { .count($0.counters.statusesSent) },
        Measure("window_drops", .plain, isInLines: false, label: "window drops") { .count($0.counters.windowDrops) },
        Measure("overflow", .plain, label: "overflow") { .count($0.counters.overflowed) },
        Measure("rejected_chunks", .plain, label: "rejected chunks") { .count($0.counters.chunksRejected) },
        Measure("malformed", .plain, isInLines: false, label: "malformed") { .count($0.counters.malformed) },
        Measure("foreign", .plain, isInLines: false, label: "foreign") { .count($0.counters.foreign) },
        Measure("forged", .plain, isInLines: false, label: "forged") { .count($0.counters.forged) },
    ]
}

/// A receive daemon as a whole.
public struct ReceiveTotals: Sendable {
    public var sessions: [ReceiveSnapshot]
    /// Bundles since the start.
    public var completed: Int
    public var failed: Int
    /// Bundles that failed, by what they ended with.
    public private(set) var failures: [ReceiverState: Int] = [:]
    /// Milliseconds since 1970; nil before the first bundle is complete.
    public private(set) var lastCompleted: UInt64?
    public var figures: ReceiveFigures

    public init(sessions: [ReceiveSnapshot] = [], completed: Int = 0, failed: Int = 0, figures: ReceiveFigures = ReceiveFigures()) {
        self.sessions = sessions
        self.completed = completed
        self.failed = failed
        self.figures = figures
    }

    /// Takes in what the daemon tells.
    /// - Parameter time: milliseconds since 1970.
    /// - Returns: whether anything is different now.
    public mutating func count(_ update: ReceiveUpdate, at time: UInt64) -> Bool {
        switch update {
        case .completed(let snapshot, _):
            completed += 1
            lastCompleted = time
            remove(snapshot)
        case .failed(let snapshot, _):
            failed += 1
            failures[snapshot.state, default: 0] += 1
            remove(snapshot)
        case .progress(let snapshots): sessions = snapshots
        case .figures(let figures): self.figures = figures
        default: return false
        }
        return true
    }

    private mutating func remove(_ snapshot: ReceiveSnapshot) { sessions.removeAll { $0.announce.session == snapshot.announce.session } }
}

extension ReceiveUpdate {
    /// The lines for programs.
    public var lines: [JSONLine] {
        switch self {
        case .listening(let interface, let group):
            [JSONLine(event: "listening", ["interface": .string(interface), "group": .string(group.text)])]
        case .warning(let text): [.warning(text)]
        case .figures: []
        case .notice(let text): [JSONLine(event: "notice", ["message": .string(text)])]
        case .region(let group): [JSONLine(event: "region", ["group": .string(group.text)])]
        case .parentChanged(let announce, let depth):
            [JSONLine(event: "parent", announce.identity(with: ["parent_depth": .integer(Int64(depth - 1))]))]
        case .refused(let announce, let reason):
            [
                JSONLine(
                    event: "refused", announce.identity(with: ["reason": .string(reason.identifier), "message": .string(SessionText.explain(reason))]))
            ]
        case .began(let snapshot): [Self.line("began", snapshot)]
        case .asked: []
        case .progress(let snapshots): snapshots.map { Self.line("progress", $0) }
        case .completed(let snapshot, let path):
            [
                Self.line(
                    "completed", snapshot,
                    ["path": .string(path), "key": .string(snapshot.announce.isSigned ? snapshot.announce.key.text : "")])
            ]
        case .failed(let snapshot, let reason): [Self.line("failed", snapshot, ["message": .string(reason)])]
        case .stopped(let strays, let status, let unspooled):
            [
                JSONLine(
                    event: "stopped",
                    [
                        "malformed": .unsigned(strays.malformed), "foreign": .unsigned(strays.foreign),
                        "exit_code": .integer(Int64(status.rawValue)),
                    ].merging(unspooled.map { ["unspooled": .integer(Int64($0))] } ?? [:]) { $1 })
            ]
        }
    }

    private static func line(_ event: String, _ snapshot: ReceiveSnapshot, _ more: [String: JSONLine.Value] = [:]) -> JSONLine {
        JSONLine(event: event, Measure<ReceiveSnapshot>.fields(Measure<ReceiveSnapshot>.receive, of: snapshot).merging(more) { $1 })
    }
}
