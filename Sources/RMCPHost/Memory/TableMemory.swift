import RMCPProtocol

/// Memory for the tables of one receiver's or repair node's sessions, in records. A session of which no chunk was verified has little of its
/// own. All others share what there is: each may have a share of what is left beside what it has, so that no two together have more.
struct TableMemory {
    /// Records of all sessions of which a chunk was verified: as many as the two largest bundles have that there can be.
    static let limit = 2 * Int(Limits.maximumChunks)
    /// Records of one session of which none was: those of 1,500 chunks, 200 KiB, beside as much of what is being sent just now.
    static let candidateLimit = 2_048

    static let candidate = TableRoom(records: candidateLimit, live: 2 * candidateLimit)

    /// Sessions among which what is left is divided.
    let sessions: Int

    /// Room of a session of which a chunk was verified.
    /// - Parameters:
    ///   - held: records that it has.
    ///   - all: records that all such sessions have.
    func room(held: Int, all: Int) -> TableRoom {
        let records = held + max(0, Self.limit - all) / sessions
        return TableRoom(records: records, live: records)
    }
}
