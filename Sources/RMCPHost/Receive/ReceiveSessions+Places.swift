import OrderedCollections
import RMCPProtocol
import RMCPReport

/// Places of sessions. Anybody can repeat an ANNOUNCE, and all that the sender has signed, years later. So a session is a candidate at first,
/// with an engine that answers its sender and nothing else, until a chunk has come; the storage is made when it is verified.
extension ReceiveSessions {
    /// A chunk of the session is to be verified and stored: it takes a place, or it ends.
    func takePlace(_ session: ReceiveSession, at now: Instant) -> Bool {
        let id = session.announce.session
        if endpoint.directory.promote(id) { return true }
        if let idle = idlePlace(at: now) {
            giveWay(idle, at: now)
            if endpoint.directory.promote(id) { return true }
        }
        // Its next ANNOUNCE is refused, of which its sender is told.
        end(session, mayReturn: true)
        return false
    }

    /// Session with a place that nothing has come of for longest, if that is long; nil when there is none.
    func idlePlace(at now: Instant) -> ReceiveSession? {
        guard request.output == .directory else { return nil }
        let idle = sessions.values.filter { session in
            guard endpoint.directory.hasPlace(session.announce.session), !session.isFinishing, !session.engine.state.isFinal else { return false }
            return now - (session.lastProgress ?? .zero) >= HostLimits.placePatience
        }
        return idle.min { ($0.lastProgress ?? .zero) < ($1.lastProgress ?? .zero) }
    }

    /// The first candidate has the one output, if somebody speaks for it: for a while, since that may be anybody.
    func keepOutput(for session: ReceiveSession, at now: Instant) {
        let id = session.announce.session
        guard request.output != .directory, !endpoint.directory.hasPlace(id) else { return }
        if let since = session.heldSince {
            if now - since >= HostLimits.placePatience { endpoint.directory.release(id) }
        } else if session.engine.isAnswered, endpoint.directory.hold(id) {
            session.heldSince = now
        }
    }

    /// Makes room among candidates for the one that has come.
    func thinOutCandidates(at now: Instant) {
        let id = endpoint.directory.superfluous { sessions[$0.tag]?.engine.isAnswered ?? false }
        guard let id else { return }
        if let session = sessions[id.tag], session.announce.session == id { return giveWay(session, at: now) }
        giveUpOpening(id.tag)
        endpoint.directory.end(id, mayReturn: true)
    }

    /// Ends a session that others need the place of. It comes back with its next ANNOUNCE, if there is room.
    private func giveWay(_ session: ReceiveSession, at now: Instant) {
        tell("\(BundleName.printable(session.announce.name)): gives way to other sessions, since nothing came of it", at: now)
        end(session, mayReturn: true)
    }
}
