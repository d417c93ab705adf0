import OrderedCollections
import RMCPProtocol

/// Shares of the memory. Most of it goes to one session of which a chunk was verified, as at a receiver: to one that has somebody above, where there
/// is one. A session that only waits in the cache for latecomers has no chunk in memory.
extension RepairLoop {
    /// Chunks that a session may have in memory at first.
    func configuration(for announce: Announce) -> Configuration {
        var configuration = request.configuration
        configuration.joining.timeToLive = UInt8(clamping: request.regionTimeToLive)
        configuration.packets.overhead = DatagramOverhead.bytes(over: region.family)
        configuration.packets.longestOnward = DatagramLength.longest(
            ordinary: configuration.packets.datagramLength, mtu: regionMTU, timeToLive: request.regionTimeToLive, over: region.family)
        let counts = counts(holder == nil ? cache.memory.candidateLimit : besideBytes, of: announce)
        configuration.memory.assemblySlots = counts.slots
        configuration.memory.maximumResidentChunks = counts.resident
        configuration.memory.maximumFetches = counts.fetches
        return configuration
    }

    /// Claim that a session has to most of the memory. Who has it keeps it before others of the same kind.
    private enum Claim: Comparable {
        case none, ofUse, ofUseWithMost, flowing, flowingWithMost

        init(_ session: RepairSession) {
            let holds = session.share == .most
            if session.share == .candidate {
                self = .none
            } else if session.engine.hasUpstream {
                self = holds ? .flowingWithMost : .flowing
            } else {
                self = session.engine.isOfUse() ? holds ? .ofUseWithMost : .ofUse : .none
            }
        }
    }

    /// Session that most of the memory is for: the first of those with the best claim.
    private var holder: RepairSession? {
        var (holder, best): (RepairSession?, Claim) = (nil, .none)
        for session in sessions.values {
            let claim = Claim(session)
            if claim > best { (holder, best) = (session, claim) }
        }
        return holder
    }

    /// Bytes of the one session that most of the memory is for, and of each other. What all ask for together the pool bounds.
    private var mostBytes: Int { cache.memory.limit / 4 * 3 }
    private var besideBytes: Int { cache.memory.limit / 8 }

    /// Half of it is for chunks that come, and half for those that children are served from, of which a quarter is read back at one time.
    private func counts(_ bytes: Int, of announce: Announce) -> (slots: Int, resident: Int, fetches: Int) {
        let (memory, chunks) = (request.configuration.memory, bytes / Int(announce.chunkLength))
        return (
            max(HostLimits.fewestSlots, min(memory.assemblySlots, chunks / 2)),
            max(HostLimits.fewestSlots, min(memory.maximumResidentChunks, chunks / 2)), max(2, min(memory.maximumFetches, chunks / 8))
        )
    }

    /// A chunk of the session was verified, or was found in the cache as it should be.
    func noteVerified(_ session: RepairSession) {
        guard session.share == .candidate else { return }
        cache.memory.noteVerified(session.account)
        give(.idle, to: session)
        shareChunks()
    }

    /// Gives each session its share anew: parents and children have come or gone.
    func shareChunks() {
        let holder = holder
        for session in sessions.values where session.share != .candidate {
            let share: RepairSession.MemoryShare = session === holder ? .most : session.engine.isOfUse() ? .beside : .idle
            if share != session.share { give(share, to: session) }
        }
    }

    private func give(_ share: RepairSession.MemoryShare, to session: RepairSession) {
        session.share = share
        let counts = share == .idle ? Self.idle : counts(share == .most ? mostBytes : besideBytes, of: session.announce)
        session.engine.giveChunks(slots: counts.slots, resident: counts.resident, fetches: counts.fetches)
    }

    /// Chunks of a session that nobody asks for anything. The first that is asked for is read back.
    private static let idle = (slots: HostLimits.fewestSlots, resident: 0, fetches: 1)

    private static let tables = TableMemory(sessions: HostLimits.repairSessions)

    /// Records of all sessions of which a chunk was verified.
    private var tableRecords: Int { sessions.values.reduce(0) { $0 + ($1.share == .candidate ? 0 : $1.engine.tableRecords()) } }

    /// Room for the table of a session that the cache has from before. It is here at once, or not.
    func tableRoomOfKept() -> TableRoom {
        let left = max(0, TableMemory.limit - sessions.values.reduce(0) { $0 + $1.engine.tableRecords() })
        return TableRoom(records: left, live: left)
    }

    /// Says to each session how much of its table there may be.
    func shareTables(at now: Instant) {
        let all = tableRecords
        for session in sessions.values {
            let isKnown = session.share != .candidate
            session.engine.giveTable(isKnown ? Self.tables.room(held: session.engine.tableRecords(), all: all) : TableMemory.candidate, at: now)
        }
    }
}
