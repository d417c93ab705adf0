/// Which encoded chunks the sender's host holds in memory. The engine decides, the host obeys: it frees what is
/// released and encodes again what is fetched.
///
/// Few are held as long as none is asked for again. Their memory is in a processor's cache then, where filling it and sending from it
/// cost a fifth less. Each fetch tells that a chunk went too early, and doubles what is held.
struct ResidentChunks: Sendable {
    private var limit: Int
    private(set) var fetchLimit: Int
    /// Chunks that are held at the least, where there may be so many.
    private let least: Int
    /// Chunks that may be held now, up to `limit`.
    private var allowance: Int
    /// When each was last sent from; the least recently used is released first.
    private var lastUse: [UInt32: Instant] = [:]
    private var fetching: Set<UInt32> = []

    init(configuration: Configuration) {
        limit = configuration.memory.maximumResidentChunks
        fetchLimit = configuration.memory.maximumFetches
        least = configuration.memory.encodeAhead + Self.leastSent
        allowance = min(limit, least)
    }

    /// More may be held, or fewer: those that are too many go by `evict`.
    mutating func setLimit(_ count: Int, fetches: Int) {
        limit = count
        fetchLimit = fetches
        allowance = min(limit, max(allowance, least))
    }

    /// Chunks that have been sent and are held at the least: at a gigabyte a second NAKs come for what left within the last 8 ms.
    private static let leastSent = 8
    /// Factor by which a fetch raises what is held.
    private static let growth = 2

    var count: Int { lastUse.count }
    var mayFetch: Bool { fetching.count < fetchLimit }

    func contains(_ chunk: UInt32) -> Bool { lastUse[chunk] != nil }
    func isFetching(_ chunk: UInt32) -> Bool { fetching.contains(chunk) }

    mutating func insert(_ chunk: UInt32, at now: Instant) {
        fetching.remove(chunk)
        lastUse[chunk] = now
    }

    mutating func touch(_ chunk: UInt32, at now: Instant) { lastUse[chunk] = now }
    mutating func failFetch(_ chunk: UInt32) { fetching.remove(chunk) }
    mutating func beginFetch(_ chunk: UInt32) {
        fetching.insert(chunk)
        allowance = min(limit, allowance * Self.growth)
    }

    /// Makes room for one more: the chunk to release, if there must be one. Chunks at or behind `position` have not
    /// been sent and stay, as do those for which `isNeeded` holds.
    mutating func evict(before position: UInt32, unless isNeeded: (UInt32) -> Bool) -> UInt32? {
        guard lastUse.count + fetching.count > allowance else { return nil }
        // Ties are broken by the chunk's index: the order of a dictionary must not show in a run.
        var candidate: (Instant, UInt32)?
        for (chunk, used) in lastUse where chunk < position && !isNeeded(chunk) {
            if candidate.map({ (used, chunk) < $0 }) ?? true { candidate = (used, chunk) }
        }
        guard let candidate else { return nil }
        lastUse[candidate.1] = nil
        return candidate.1
    }
}
