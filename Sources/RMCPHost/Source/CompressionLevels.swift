import RMCPProtocol

/// The zstd level of each chunk: the user's, or one that adapts. A chunk that is read again must come out the same, so
/// that the levels of all that were encoded are kept, a byte each.
struct CompressionLevels {
    private let fixed: Int?
    private var controller: LevelController
    /// Levels by chunk; holes have 0. Empty where the level is the user's.
    private var chosen: [Int8] = []

    /// - Parameter fixed: nil adapts.
    init(fixed: Int?, configuration: Configuration, threads: Int) {
        self.fixed = fixed
        controller = LevelController(configuration: configuration, threads: threads)
    }

    /// Level for a chunk that is encoded for the first time; chunks come in rising order.
    mutating func choose(for chunk: UInt32) -> Int {
        if let fixed { return fixed }
        while chosen.count < Int(chunk) { chosen.append(0) }
        chosen.append(Int8(clamping: controller.level))
        return controller.level
    }

    /// Level for what comes next.
    var level: Int { fixed ?? controller.level }

    func level(of chunk: UInt32) -> Int { fixed ?? Int(chosen[Int(chunk)]) }

    /// A chunk's turn has come to be told to the engine.
    mutating func note(_ record: ChunkRecord, effort: EncodeEffort, _ engine: borrowing SenderEngine, at now: Instant) {
        guard fixed == nil, case .streaming = engine.sessionPhase else { return }
        let sample = LevelController.Sample(
            spent: effort.spent, worked: effort.worked, contentLength: record.contentLength, encodedLength: record.encodedLength,
            isStarved: engine.positionChunk == engine.chunkCount)
        controller.note(sample, rate: engine.rate, at: now)
    }
}
