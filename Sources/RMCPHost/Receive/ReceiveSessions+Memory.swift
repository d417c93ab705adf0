import OrderedCollections
import RMCPProtocol

/// Shares of the memory. Most of it goes to the first session of which a chunk was verified: ANNOUNCEs and pages are anybody's to repeat, and
/// garbage is anybody's.
extension ReceiveSessions {
    /// Chunks that a session may put together at first.
    func firstSlots(of announce: Announce) -> Int {
        // Slots of all such sessions together are bounded once more where they take buffers.
        slots(holder == nil ? memory.candidateLimit : besideBytes, of: announce)
    }

    /// Session that most of the memory is for.
    private var holder: ReceiveSession? { sessions.values.first { $0.share == .most } }

    /// Bytes of the one session that most of the memory is for, and of each other: seven of those have the last quarter together.
    private var mostBytes: Int { memory.limit / 4 * 3 }
    private var besideBytes: Int { memory.limit / 4 / (HostLimits.sessions - 1) }

    private func slots(_ bytes: Int, of announce: Announce) -> Int {
        max(HostLimits.fewestSlots, min(request.configuration.memory.assemblySlots, bytes / Int(announce.chunkLength)))
    }

    /// A chunk of the session was verified and stored.
    func noteVerified(_ session: ReceiveSession, at now: Instant) {
        if session.share == .most { return }
        memory.noteVerified(session.account)
        if let holder {
            // The session that has most of the memory keeps it as long as something comes of that session.
            guard now - (holder.lastProgress ?? .zero) >= HostLimits.placePatience else {
                if session.share == .candidate { give(.beside, to: session) }
                return
            }
            give(.beside, to: holder)
        }
        give(.most, to: session)
    }

    private func give(_ share: ReceiveSession.MemoryShare, to session: ReceiveSession) {
        session.share = share
        session.engine.giveSlots(slots(share == .most ? mostBytes : besideBytes, of: session.announce))
    }

    private static let tables = TableMemory(sessions: HostLimits.sessions)

    /// Says to each session how much of its table there may be.
    func shareTables(at now: Instant) {
        let all = sessions.values.reduce(0) { $0 + ($1.isTableKnown ? $1.engine.tableRecords : 0) }
        for session in sessions.values {
            let room = session.isTableKnown ? Self.tables.room(held: session.engine.tableRecords, all: all) : TableMemory.candidate
            session.engine.giveTable(room, at: now)
        }
    }
}
