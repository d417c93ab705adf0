import OrderedCollections
public import RMCPProtocol
import RMCPReport

/// Settings of a repair node that change while it runs, read anew.
public struct RepairChanges: Sendable {
    public var trust: TrustPolicy
    /// Lines for the user: what is different, and what needs a restart.
    public var notes: [String]

    public init(trust: TrustPolicy, notes: [String]) {
        self.trust = trust
        self.notes = notes
    }
}

extension RepairLoop {
    func followSettings(at now: Instant) {
        rereader?.follow(loop, at: now, warn: { observer(.warning($0)) }) { changes in
            adopt(changes.trust, at: now)
            for note in changes.notes { observer(.notice(note)) }
        }
    }

    /// Sessions of keys that are not trusted any more are not served any more; the others go on as they began.
    private func adopt(_ trust: TrustPolicy, at now: Instant) {
        request.trust.trustedKeys = trust.trustedKeys
        request.trust.allowsUnsigned = trust.allowsUnsigned
        request.trust.trustedNodes = trust.trustedNodes
        request.configuration.tree.trustedNodes = trust.trustedNodes
        endpoint.directory.adopt(request.trust)
        for session in sessions.values where !endpoint.directory.trusts(session.announce) {
            retire(session, .untrusted, at: now)
        }
    }
}
