import RMCPProtocol

/// A parent as it stands in one of a watcher's pictures.
private struct WatchedPlace {
    /// Number of the picture, from 1 on.
    var refresh: Int64
    var elapsed: Interval
    var session: WatchedSession
    var node: WatchedNode

    /// Measures that only a parent that has answered has.
    func reported(_ value: (WatchReport) -> Measure<WatchedPlace>.Value) -> Measure<WatchedPlace>.Value { node.report.map(value) ?? .absent }
}

extension Measure where Source == WatchedPlace {
    /// Measures of a parent.
    fileprivate static let watch = [
        Measure("refresh", .plain) { .count(UInt64($0.refresh)) },
        Measure("seconds", .seconds) { .number($0.elapsed.inSeconds) },
        Measure("session", .plain) { .text($0.session.announce.session.text) },
        Measure("name", .plain) { .text($0.session.announce.name) },
        Measure("bytes", .bytes) { $0.session.announce.contentLength.map { .count($0) } ?? .unknown },
        Measure("signature", .plain) { .text($0.session.signature.identifier) },
        Measure("key", .plain) { .text($0.session.announce.isSigned ? $0.session.announce.key.text : "") },
        Measure("node", .plain) { .text(WatchedNode.identifier($0.node.transmitter)) },
        Measure("parent", .plain) { .text($0.node.parent.map(WatchedNode.identifier) ?? "") },
        Measure("address", .plain) { .text($0.node.address.text) },
        Measure("role", .plain) { .text($0.node.role.identifier) },
        Measure("depth", .plain) { .count(UInt64($0.node.path.count)) },
        Measure("phase", .plain) { .text($0.node.phase.identifier) },
        Measure("rate", .bitsPerSecond) { .count($0.node.rate) },
        Measure("sending", .bitsPerSecond) { place in
            place.reported { _ in place.node.sending.map { .number($0) } ?? .absent }
        },
        Measure("gone", .plain) { .flag($0.node.isGone) },
        Measure("reported", .plain) { .flag($0.node.report != nil) },
        Measure("receivers", .plain) { $0.reported { .states($0.histogram, all: true) } },
        Measure("repair_nodes", .plain) { $0.reported { .count($0.histogram.tree.repairNodes) } },
        Measure("complete_repair_nodes", .plain) { $0.reported { .count($0.histogram.tree.completeRepairNodes) } },
        Measure("children", .plain) { $0.reported { .count(UInt64($0.children)) } },
        Measure("chunks", .plain) { $0.reported { $0.chunkCount.map { .count(UInt64($0)) } ?? .unknown } },
        Measure("chunks_held", .plain) { $0.reported { .count(UInt64($0.chunksHeld)) } },
        Measure("position", .plain) { $0.reported { .count(UInt64($0.position)) } },
        Measure("holes", .plain) { $0.reported { .count(UInt64($0.holes)) } },
        Measure("first_bytes", .bytes) { $0.reported { .count($0.counts.firstBytes) } },
        Measure("repair_bytes", .bytes) { $0.reported { .count($0.counts.repairBytes) } },
        Measure("catch_up_bytes", .bytes) { $0.reported { .count($0.counts.catchUpBytes) } },
        Measure("naks", .plain) { $0.reported { .count($0.counts.naks) } },
        Measure("loss", .ratio) { place in
            place.reported { _ in place.node.loss.map { .number($0) } ?? .absent }
        },
    ]
}

extension WatchUpdate {
    /// The lines for programs.
    /// - Parameter refresh: number of the picture, from 1 on.
    public func lines(refresh: Int64) -> [JSONLine] {
        switch self {
        case .listening(let interface, let group):
            return [JSONLine(event: "listening", ["interface": .string(interface), "group": .string(group.text)])]
        case .warning(let text): return [.warning(text)]
        case .stopped(let status): return [JSONLine(event: "stopped", ["exit_code": .integer(Int64(status.rawValue))])]
        case .picture(let snapshot):
            return snapshot.sessions.flatMap { session in
                session.nodes.map { node in
                    let place = WatchedPlace(refresh: refresh, elapsed: snapshot.elapsed, session: session, node: node)
                    return JSONLine(event: "node", Measure<WatchedPlace>.fields(Measure<WatchedPlace>.watch, of: place))
                }
            }
        }
    }
}

extension WatchedNode {
    /// An ephemeral id as text: eight hexadecimal digits.
    public static func identifier(_ transmitter: UInt32) -> String {
        let digits = String(transmitter, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}
