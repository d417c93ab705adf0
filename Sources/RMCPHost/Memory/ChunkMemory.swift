import RMCPProtocol

/// A session that has chunks in memory.
protocol ChunkHolder: AnyObject {
    /// Gives back the buffer of the slot that has come least far; false when all that it has wait for storage.
    func giveUpBuffer(at now: Instant) -> Bool
}

/// Account of one session's part of the memory for chunks. Its slots have a small share of that, together with those of all others like it, until a
/// chunk of it was verified: what comes before that may be anybody's.
final class MemoryAccount {
    let pool: BufferPool
    fileprivate let chunkLength: Int
    /// Buffers of slots that it holds.
    fileprivate(set) var lent = 0
    fileprivate(set) var isVerified = false
    weak var holder: (any ChunkHolder)?
    /// Time at which something of the session came.
    var lastHeard = Instant.zero

    fileprivate init(pool: BufferPool, chunkLength: Int) {
        self.pool = pool
        self.chunkLength = chunkLength
    }

    fileprivate var bytes: Int { lent * pool.stride }
}

/// Memory for the chunks of one receiver or repair node, whatever the number of its sessions and the lengths of their chunks: there is one
/// budget for all. One thread uses it.
///
/// ```
///   ├──────────── limit ────────────────────────────────────────────┤
///   ├─ candidates: a quarter at the most ─┤      │─ reserve: theirs ─┤
/// ```
final class ChunkMemory {
    /// Bytes.
    let limit: Int
    /// Buffers that there may be of one length, however long they are.
    private let fewest: Int
    /// Buffers of each length in use; nearly always one. Of those that nobody uses the last is kept, since its memory is there already.
    private var pools: [Int: BufferPool] = [:]
    /// Sessions by the length of their chunks.
    private var users: [Int: Int] = [:]
    /// Accounts of sessions of which no chunk was verified.
    private var candidates: [MemoryAccount] = []
    /// Bytes that somebody holds, and that candidates' slots hold of it.
    private(set) var lentBytes = 0
    private(set) var candidateBytes = 0

    /// Part of the memory that all candidates have together: at 5 Gb/s, chunks of 50 ms, within which the first of them is verified.
    private static let candidateDivisor = 4
    /// Part of the memory that others leave to candidates: some chunks of ordinary length, so that there is a first one.
    private static let reserveDivisor = 16

    /// - Parameters:
    ///   - limit: bytes.
    ///   - fewest: buffers that there may be of one length, however long they are.
    init(limit: Int = MemoryLimit.receiveBuffers, fewest: Int) {
        self.limit = limit
        self.fewest = fewest
    }

    /// Bytes of slots of all candidates together.
    var candidateLimit: Int { limit / Self.candidateDivisor }

    // MARK: Sessions

    /// A session begins.
    func open(chunkLength: UInt32) -> MemoryAccount {
        let account = MemoryAccount(pool: pool(for: Int(chunkLength)), chunkLength: Int(chunkLength))
        users[Int(chunkLength), default: 0] += 1
        candidates.append(account)
        return account
    }

    /// A chunk of the session was verified.
    func noteVerified(_ account: MemoryAccount) {
        guard !account.isVerified else { return }
        account.isVerified = true
        candidateBytes -= account.bytes
        candidates.removeAll { $0 === account }
    }

    /// The session is over. Some of its buffers may be with threads still.
    func close(_ account: MemoryAccount) {
        candidates.removeAll { $0 === account }
        let left = (users[account.chunkLength] ?? 1) - 1
        users[account.chunkLength] = left > 0 ? left : nil
        settle(account.pool)
    }

    func pool(for length: Int) -> BufferPool {
        if let pool = pools[length] { return pool }
        let pool = BufferPool(bufferLength: length, limit: max(fewest, limit / length), memory: self)
        pools[length] = pool
        return pool
    }

    /// Puts another pool in the place of one that would be made.
    func use(_ pool: BufferPool, for length: Int) { pools[length] = pool }

    /// Gives a buffer back to where it is from.
    func giveBack(_ buffer: ChunkBuffer) { pools[buffer.length]?.giveBack(buffer) }

    /// Bytes that are taken from others in this process: what somebody holds, and what is warm.
    var residentBytes: Int { pools.values.reduce(lentBytes) { $0 + $1.warmCount * $1.stride } }
    var poolCount: Int { pools.count }

    // MARK: Buffers

    /// Room for one more buffer is there. A candidate that finds none may take one from another that has more.
    func admits(_ account: MemoryAccount?, to pool: BufferPool, at now: Instant) -> Bool {
        if let account, !account.isVerified {
            while !hasRoomForCandidate(pool.stride) { guard takeFromOther(for: account, at: now) else { return false } }
        } else {
            let reserve = max(0, limit / Self.reserveDivisor - candidateBytes)
            guard lentBytes + pool.stride <= max(limit - reserve, fewest * pool.stride) else { return false }
        }
        if pool.warmCount == 0, residentBytes + pool.stride > limit { for other in pools.values where other !== pool { other.cool() } }
        return true
    }

    private func hasRoomForCandidate(_ length: Int) -> Bool {
        (candidateBytes == 0 || candidateBytes + length <= candidateLimit) && lentBytes + length <= max(limit, fewest * length)
    }

    /// The candidate that has most gives a buffer, if it then has no less than whoever asks; of several the one that was silent for longest.
    private func takeFromOther(for account: MemoryAccount, at now: Instant) -> Bool {
        // What changes hands without need goes to and fro.
        let least = account.bytes + account.pool.stride + (account.lent > 0 ? 1 : 0)
        let others = candidates.filter { $0 !== account && $0.bytes >= least }
        let inTurn = others.sorted { ($1.bytes, $0.lastHeard) < ($0.bytes, $1.lastHeard) }
        return inTurn.contains { $0.holder?.giveUpBuffer(at: now) ?? false }
    }

    func noteLent(_ buffer: ChunkBuffer, to account: MemoryAccount?, of pool: BufferPool) {
        lentBytes += pool.stride
        guard let account else { return }
        buffer.borrower = account
        account.lent += 1
        if !account.isVerified { candidateBytes += pool.stride }
    }

    func noteBack(_ buffer: ChunkBuffer, of pool: BufferPool) {
        lentBytes -= pool.stride
        if let account = buffer.borrower {
            buffer.borrower = nil
            account.lent -= 1
            if !account.isVerified { candidateBytes -= pool.stride }
        }
        if users[pool.bufferLength] == nil { settle(pool) }
    }

    /// A pool that nobody may use any more is kept in place of the one that was kept before.
    private func settle(_ pool: BufferPool) {
        guard users[pool.bufferLength] == nil, pool.lentCount == 0 else { return }
        pools = pools.filter { length, other in other === pool || users[length] != nil || other.lentCount > 0 }
    }
}
