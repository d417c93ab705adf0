import RMCPProtocol

/// The zstd level of each chunk: the user's, or one that adapts. A chunk that is read again must come out the same, so
/// that the levels of all that were encoded are kept, a byte each.
struct CompressionLevels {
    /// Level for what is encoded next, which threads ask for when they begin with a chunk.
    let next: LockedValue<Int>
    private let isFixed: Bool
    private var controller: LevelController
    /// Levels by chunk; holes have 0. Empty where the level is the user's.
    private var chosen: [Int8] = []

    /// - Parameter fixed: nil adapts.
    init(fixed: Int?, configuration: Configuration, threads: Int) {
        isFixed = fixed != nil
        controller = LevelController(configuration: configuration, threads: threads)
        next = LockedValue(fixed ?? controller.level)
    }

    /// Level for what comes next.
    var level: Int { next.withLock { $0 } }

    func level(of chunk: UInt32) -> Int { isFixed ? level : Int(chosen[Int(chunk)]) }

    /// A chunk's turn has come to be told to the engine; chunks come in rising order.
    mutating func note(
        _ chunk: UInt32, _ record: ChunkRecord, effort: EncodeEffort, _ engine: borrowing SenderEngine, at now: Instant
    ) {
        guard !isFixed else { return }
        while chosen.count < Int(chunk) { chosen.append(0) }
        chosen.append(Int8(clamping: effort.level))
        guard case .streaming = engine.sessionPhase else { return }
        let sample = LevelController.Sample(
            level: effort.level, spent: effort.spent, worked: effort.worked, contentLength: record.contentLength, encodedLength: record.encodedLength,
            isStarved: engine.positionChunk == engine.chunkCount)
        controller.note(sample, rate: engine.rate, at: now)
        next.withLock { $0 = controller.level }
    }
}
