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
    /// Reads settings anew when SIGHUP has come, and takes them over when they are read.
    func followSettings(at now: Instant) {
        if loop.takeReload(), let rereader {
            loop.service?.reloading(at: now)
            do throws(HostError) { try rereader.begin() } catch { observer(.warning("\(error); everything is as before")) }
        }
        while let result = rereader?.take() {
            switch result {
            case .success(let changes):
                adopt(changes.trust, at: now)
                for note in changes.notes { observer(.notice(note)) }
            case .failure(let error): observer(.warning("\(error); everything is as before"))
            }
        }
        if rereader?.isReading == false { loop.service?.reloaded(at: now) }
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
