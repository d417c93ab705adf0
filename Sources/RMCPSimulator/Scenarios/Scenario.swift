public import RMCPProtocol

/// One thing that may happen to a transfer, and what must be true afterwards. The seed decides everything that the
/// scenario leaves open.
public struct Scenario: Sendable {
    public let name: String
    public let summary: String
    /// Simulated time after which whoever is not done has failed to make progress.
    let limit: Interval
    let build: @Sendable (World) -> Void
    /// What is wrong in the end, in words; empty when all is well.
    let check: @Sendable (World) -> [String]

    init(
        _ name: String, _ summary: String, limit: Interval = .seconds(60), build: @escaping @Sendable (World) -> Void,
        check: @escaping @Sendable (World) -> [String] = { Expect.allComplete($0) }
    ) {
        self.name = name
        self.summary = summary
        self.limit = limit
        self.build = build
        self.check = check
    }

    public func run(seed: UInt64, trace: ((String) -> Void)? = nil) -> ScenarioResult {
        let world = World(seed: seed)
        world.trace = trace
        build(world)
        world.run(limit: limit)
        return ScenarioResult(
            scenario: name, seed: seed, failures: world.violations + check(world), traceHash: world.traceHash,
            events: world.eventCount, simulated: world.now - World.start)
    }

    public static func named(_ name: String) -> Scenario? { all.first { $0.name == name } }

    public static let all: [Scenario] =
        lossScenarios + lostKindScenarios + lifeScenarios + shapeScenarios + hostileScenarios + strangerScenarios + claimScenarios + phantomScenarios
        + poisonScenarios + refusalScenarios + replayScenarios + impostorScenarios + hostScenarios + rateScenarios + treeScenarios + treeFaultScenarios
        + moveScenarios + endpointScenarios + stormScenarios
}

public struct ScenarioResult: Sendable {
    public let scenario: String
    public let seed: UInt64
    public let failures: [String]
    /// Equal for equal runs.
    public let traceHash: UInt64
    public let events: Int
    public let simulated: Interval

    /// What replays this very run.
    public var replayCommand: String { "scripts/simulate run \(scenario) --seed \(seed) --trace" }

    public var report: String {
        failures.map { "\(scenario), seed \(seed): \($0)" }.joined(separator: "\n") + "\nreplay: \(replayCommand)"
    }
}

/// Settings that scenarios share.
enum Setting {
    /// Small chunks, so that a run of a few megabytes has many; short waits.
    static var configuration: Configuration {
        var configuration = Configuration()
        configuration.joining.minimumWait = .milliseconds(300)
        configuration.joining.maximumWait = .seconds(5)
        return configuration
    }

    static func content(_ world: World, megabytes: Int = 8, zeroShare: Double = 0.05, ratio: Double = 0.7) -> SimulatedContent {
        SimulatedContent(seed: world.seed &* 31 &+ 7, length: UInt64(megabytes) << 20, zeroShare: zeroShare, ratio: ratio)
    }

    /// One sender and `receivers` receivers behind links of one kind, on a network that carries 1 Gb/s.
    @discardableResult
    static func plain(
        _ world: World, receivers: Int = 8, megabytes: Int = 8, downlink: LinkModel = gigabit, uplink: LinkModel = LinkModel(),
        change: (inout Configuration) -> Void = { _ in }
    ) -> Int {
        var configuration = configuration
        change(&configuration)
        for _ in 0..<receivers { world.addReceiver(configuration: configuration, downlink: downlink, uplink: uplink) }
        return world.addSender(content: content(world, megabytes: megabytes), configuration: configuration, egress: gigabit)
    }

    /// A sender that waits for four receivers, of which three are there.
    static func threeOfFour(_ world: World, maximumWait: Interval) {
        var configuration = configuration
        configuration.joining.waitForReceivers = 4
        configuration.joining.minimumWait = .zero
        configuration.joining.maximumWait = maximumWait
        for _ in 0..<3 { world.addReceiver(configuration: configuration, downlink: gigabit) }
        world.addSender(content: content(world), configuration: configuration, egress: gigabit)
    }

    /// Datagrams that fill frames of 9000 bytes.
    static let jumbo = 8_972

    static var gigabit: LinkModel { LinkModel(latency: .microseconds(100), rate: 1e9, queueLimit: 1 << 20) }

    static func lossy(_ loss: LinkModel.Loss) -> LinkModel {
        var model = gigabit
        model.loss = loss
        return model
    }
}
