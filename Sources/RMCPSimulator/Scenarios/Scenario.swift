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
        lossScenarios + lifeScenarios + shapeScenarios + hostileScenarios + strangerScenarios + hostScenarios + rateScenarios + treeScenarios
        + treeFaultScenarios + endpointScenarios + stormScenarios
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

    static var gigabit: LinkModel { LinkModel(latency: .microseconds(100), rate: 1e9, queueLimit: 1 << 20) }

    static func lossy(_ loss: LinkModel.Loss) -> LinkModel {
        var model = gigabit
        model.loss = loss
        return model
    }
}

/// What scenarios check.
enum Expect {
    /// Every receiver has every sender's bundle, and every sender knows it.
    static func allComplete(_ world: World) -> [String] {
        var failures: [String] = []
        for sender in world.senders.indices where world.senders[sender].isRunning {
            failures += complete(world, sender: sender, receivers: Array(world.receivers.indices))
            failures += outcome(world, sender: sender, .complete)
        }
        return failures
    }

    static func complete(_ world: World, sender: Int = 0, receivers: [Int]) -> [String] {
        let session = world.session(ofSender: sender)
        return receivers.filter { world.completion(ofReceiver: $0, session: session) == nil }.map {
            let state = world.failure(ofReceiver: $0, session: session).map { "\($0)" } ?? progress(world, sender: sender, receiver: $0)
            return "receiver \($0) did not complete sender \(sender)'s bundle: \(state)"
        }
    }

    private static func progress(_ world: World, sender: Int, receiver: Int) -> String {
        guard let session = world.receivers[receiver].session(world.session(ofSender: sender).tag) else { return "not joined" }
        return "\(session.engine.chunksDone) of \(session.engine.chunkTotal ?? 0) chunks, \(session.engine.state); \(session.engine.diagnosis)"
    }

    static func outcome(_ world: World, sender: Int = 0, _ kind: SenderOutcome.Kind) -> [String] {
        guard let outcome = world.outcome(ofSender: sender) else {
            return ["sender \(sender) is not done: \(world.senders[sender].engine.sessionPhase), expected \(kind)"]
        }
        return outcome.kind == kind ? [] : ["sender \(sender) ends with \(outcome.kind), expected \(kind)"]
    }

    /// What left the sender is at most `factor` times the encoded bundle, besides what a session of any size costs.
    static func copies(_ world: World, sender: Int = 0, atMost factor: Double) -> [String] {
        let counters = world.counters(ofSender: sender)
        let data = counters.firstBytes + counters.repairBytes + counters.catchUpBytes
        let copies = Double(data) / Double(max(1, world.encodedLength(ofSender: sender)))
        return copies <= factor ? [] : ["\(copies) copies left sender \(sender), expected at most \(factor)"]
    }

    /// Receivers that finished took no longer than this from the start of the stream.
    static func finish(_ world: World, receivers: [Int], within seconds: Double) -> [String] {
        let session = world.session(ofSender: 0)
        guard let start = world.startTime(ofSender: 0) else { return ["never started"] }
        return receivers.compactMap { index in
            guard let done = world.completion(ofReceiver: index, session: session) else { return nil }
            let time = (done - start).inSeconds
            return time <= seconds ? nil : "receiver \(index) took \(time) s, expected at most \(seconds)"
        }
    }

    static func that(_ condition: Bool, _ otherwise: @autoclosure () -> String) -> [String] { condition ? [] : [otherwise()] }
}
