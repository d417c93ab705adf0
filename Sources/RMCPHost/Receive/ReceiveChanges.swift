import OrderedCollections
import RMCPProtocol
import RMCPReport

/// Settings of a receiver that change while it runs, read anew.
public struct ReceiveChanges: Sendable {
    /// Request as a start would have it now.
    public var request: ReceiveRequest
    /// Lines for the user: what is different, and what needs a restart.
    public var notes: [String]

    public init(request: ReceiveRequest, notes: [String]) {
        self.request = request
        self.notes = notes
    }
}

extension ReceiveRequest {
    /// Takes over what may change while sessions are under way.
    mutating func adopt(_ other: ReceiveRequest) {
        trust.trustedKeys = other.trust.trustedKeys
        trust.allowsUnsigned = other.trust.allowsUnsigned
        trust.trustedNodes = other.trust.trustedNodes
        configuration.tree.trustedNodes = other.configuration.tree.trustedNodes
        configuration.feedback.label = other.configuration.feedback.label
        names = other.names
        hook = other.hook
        hookTimeout = other.hookTimeout
        reserve = other.reserve
    }
}

extension ReceiveSessions {
    /// Takes new settings. Sessions under way go on with those that they began with, but for those whose key is not trusted any more: they
    /// end, and what came of them stays.
    func adopt(_ changes: ReceiveChanges, at now: Instant) {
        request.adopt(changes.request)
        var trust = request.trust
        if let names = request.names { trust.wants = { names.match($0) } }
        endpoint.directory.adopt(trust)
        gate.trust(trust.trustedKeys)
        for session in sessions.values where !session.isFinishing && !endpoint.directory.trusts(session.announce) {
            observer(.warning("\(BundleName.printable(session.announce.name)): its key is not trusted any more; the session ends, and what came is kept"))
            session.engine.handle(.failed(.interrupted), at: now)
            session.engine.handleTimeout(at: now)
            transmit(session, at: now)
            end(session, mayReturn: true)
        }
        for entry in pending.values where !endpoint.directory.trusts(entry.announce) && !entry.hasBegun {
            giveUpOpening(entry.announce.session.tag)
            endpoint.directory.end(entry.announce.session, mayReturn: true)
        }
    }
}
