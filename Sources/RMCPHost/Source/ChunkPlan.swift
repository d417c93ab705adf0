import DequeModule
import RMCPContent
import RMCPProtocol

/// Consecutive chunks that are all holes, or that may hold data.
struct ChunkStretch: Sendable, Equatable {
    var chunks: UInt32
    var isHole: Bool
}

/// Progress of handing out the content, and what is known of what follows.
struct ChunkPlan {
    let map: ChunkMap
    let pool: BufferPool
    let length: UInt64
    private var chunk: UInt32 = 0
    /// Data or hole from `chunk` on, as far as it is known.
    private var stretches: Deque<ChunkStretch> = []
    private var surveyedTo: UInt32 = 0
    private var isSurveying = false
    /// Chunks that are known about in advance, so that encoding does not wait for a survey.
    private static let surveyedAhead: UInt32 = 64

    init(_ map: ChunkMap, pool: BufferPool, length: UInt64) {
        self.map = map
        self.pool = pool
        self.length = length
    }

    private var chunkCount: UInt32 { UInt32(clamping: map.chunkCount(for: length)) }

    mutating func next() -> SourcePiece {
        guard let extent = map.extent(of: chunk, in: length) else { return .ended }
        guard let stretch = stretches.first else { return .waiting }
        if stretch.isHole {
            let chunks = min(Int(stretch.chunks), TablePage.maximumRecords)
            pass(UInt32(chunks))
            return .hole(chunks: chunks)
        }
        guard let buffer = pool.take() else { return .waiting }
        pass(1)
        return .data(extent, buffer)
    }

    private mutating func pass(_ chunks: UInt32) {
        chunk += chunks
        stretches[0].chunks -= chunks
        if stretches[0].chunks == 0 { stretches.removeFirst() }
    }

    /// Chunk at which a survey is to begin; nil when enough is known, or one is under way.
    mutating func beginSurvey() -> UInt32? {
        guard !isSurveying, surveyedTo < chunkCount, surveyedTo - chunk < Self.surveyedAhead else { return nil }
        isSurveying = true
        return surveyedTo
    }

    mutating func endSurvey(_ found: [ChunkStretch]) {
        isSurveying = false
        for stretch in found {
            stretches.append(stretch)
            surveyedTo += stretch.chunks
        }
    }

    mutating func skipSurvey() { if chunkCount > 0 { endSurvey([ChunkStretch(chunks: chunkCount, isHole: false)]) } }
}

/// A source of known length that is read in order by a plan, while its holes are found ahead of what is read.
protocol PlannedSource: BundleSource {
    /// Nil until `start`.
    var plan: LockedValue<ChunkPlan?> { get }
    var mayHaveHoles: Bool { get }

    /// Stretches from chunk `first` on: one at least, unless the content ends there. It may take a file system as long as it likes.
    func survey(from first: UInt32, _ map: ChunkMap) -> [ChunkStretch]
}

extension PlannedSource {
    func start(_ map: ChunkMap, pool: BufferPool, wakeUp: WakeUp) throws(HostError) {
        var begun = ChunkPlan(map, pool: pool, length: contentLength ?? 0)
        if !mayHaveHoles { begun.skipSurvey() }
        plan.withLock { $0 = begun }
    }

    func next() throws(HostError) -> SourcePiece { plan.withLock { $0?.next() ?? .waiting } }

    func lookAhead() -> (@Sendable () -> Void)? {
        plan.withLock { plan in
            guard let first = plan?.beginSurvey(), let map = plan?.map else { return nil }
            return { [self] in
                let found = survey(from: first, map)
                self.plan.withLock { $0?.endSurvey(found) }
            }
        }
    }
}
