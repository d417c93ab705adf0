import RMCPProtocol
import Synchronization

/// Decides, at the last moment and for one session at a time, whether a bundle may have its final name.
///
/// Sessions of one name may be under way together, and a session that is over may still be flushing gigabytes. Whichever
/// gets to the end last must not replace a newer one by an older one.
final class CommitGate: Sendable {
    private struct Published {
        var version: BundleVersion
        var session: SessionID
        /// Number of bundles that had been published by then.
        var turn: UInt64

        /// Whether it is the newer: of two that have the same version, one has to be.
        func isNewer(than announce: Announce) -> Bool {
            (version, session.high, session.low) > (announce.version, announce.session.high, announce.session.low)
        }
    }

    private struct State: ~Copyable {
        /// Bundles by path. Bounded by `pathLimit`.
        var published: [String: Published] = [:]
    }

    /// Paths that are remembered: those that sessions under way together can meet at.
    private static let pathLimit = 256

    /// Held for as long as a bundle is being published, which waits for other processes and for the disk.
    private let state = LockedValue(State())
    /// Count beside `state`, since the network thread asks for it.
    private let turns = Atomic<UInt64>(0)
    private let versions: VersionRecords?
    private let trustedKeys: LockedValue<Set<PublicKey>>

    /// - Parameter versions: nil where the user wants older versions, too.
    init(versions: VersionRecords?, trustedKeys: Set<PublicKey>) {
        self.versions = versions
        self.trustedKeys = LockedValue(trustedKeys)
    }

    /// Others are trusted from now on.
    func trust(_ keys: Set<PublicKey>) { trustedKeys.withLock { $0 = keys } }

    /// Number of bundles that were published so far. A session keeps it from its beginning, to know who came after: a bundle that is being
    /// published meanwhile, too. Waits for nothing.
    var turn: UInt64 { turns.load(ordering: .acquiring) }

    /// Lets `publish` run unless the session was cancelled or something newer is there.
    /// - Parameter since: `turn` when the session began.
    /// - Returns: a line for the user when the version could not be noted.
    /// - Throws: kind `.cancelled`, kind `.outdated`, or what `publish` throws.
    func publish(
        _ announce: Announce, at path: String, since: UInt64, isCancelled: () -> Bool, _ publish: () throws(HostError) -> Void
    ) throws(HostError) -> String? {
        try state.withLock { state throws(HostError) in
            guard !isCancelled() else { throw HostError("\(path): the session is over", kind: .cancelled) }
            // What was published before this session began the user may want to have replaced.
            if let other = state.published[path], other.turn > since, other.isNewer(than: announce) { throw .outdated(announce) }
            let warning: String?
            if let versions {
                warning = try versions.publish(announce, trusting: trustedKeys.withLock { $0 }, publish)
            } else {
                try publish()
                warning = nil
            }
            let turn = turns.add(1, ordering: .releasing).newValue
            if state.published.count >= Self.pathLimit, let oldest = state.published.min(by: { $0.value.turn < $1.value.turn }) {
                state.published[oldest.key] = nil
            }
            state.published[path] = Published(version: announce.version, session: announce.session, turn: turn)
            return warning
        }
    }
}

extension SessionID {
    /// Reads what `text` wrote.
    init?(text: String) {
        guard text.utf8.count == 32, let high = UInt64(text.prefix(16), radix: 16), let low = UInt64(text.suffix(16), radix: 16) else { return nil }
        self.init(high: high, low: low)
    }
}
