public import RMCPProtocol

/// One transfer to many: a sender, repair nodes in a subnet each, and receivers spread evenly over the subnets. Not one
/// of the scenarios, since it is about what a run costs and what the sender hears, and takes minutes.
public struct Scale: Sendable {
    /// Those that receivers are below.
    public var repairNodes: Int
    /// Those right below the sender, with further levels between both where one would have more than `fanOut` child nodes; 0 for
    /// one level, all right below the sender.
    public var topNodes: Int
    public var fanOut: Int
    public var receivers: Int
    public var chunks: Int
    public var chunkLength: UInt32
    /// Chance that a datagram is lost on the link of each repair node and each receiver, independently (0...1).
    public var loss: Double
    /// Bits per second; fixed, so that runs of different sizes can be compared.
    public var rate: UInt64
    public var seed: UInt64

    public init(
        repairNodes: Int, topNodes: Int = 0, fanOut: Int = 100, receivers: Int, chunks: Int = 64, chunkLength: UInt32 = 8 << 10, loss: Double = 0.01,
        rate: UInt64 = 2_000_000, seed: UInt64 = 1
    ) {
        self.repairNodes = repairNodes
        self.topNodes = topNodes
        self.fanOut = max(2, fanOut)
        self.receivers = receivers
        self.chunks = chunks
        self.chunkLength = chunkLength
        self.loss = loss
        self.rate = rate
        self.seed = seed
    }

    /// Simulated time after which a run is given up.
    private static let limit = Interval.seconds(300)
    /// Receivers are started over this time, as a script that walks a list of hosts would: in so many steps.
    private static let joinTime = Interval.seconds(1)
    private static let joinSteps = 50

    /// Repair nodes by level, those right below the sender first.
    public var levels: [Int] {
        guard repairNodes > 0, topNodes > 0 else { return [repairNodes] }
        var levels = [repairNodes]
        while levels[0] > topNodes * fanOut { levels.insert((levels[0] + fanOut - 1) / fanOut, at: 0) }
        return [topNodes] + levels
    }

    public func run() -> ScaleResult {
        let world = World(seed: seed)
        build(world)
        world.run(limit: Self.limit)
        return ScaleResult(of: world, settings: self)
    }

    private var configuration: Configuration {
        var configuration = Tree.configuration
        configuration.rate.fixedRate = rate
        // All have joined by then. A receiver that left for its repair node stays on the sender's books for two status
        // intervals, which many joins make long; the start does not wait for the lengths that such entries once said.
        configuration.joining.minimumWait = .seconds(2)
        configuration.joining.maximumWait = .seconds(2)
        // Longer trains than a switch likes: here an event for each train and receiver is what costs time.
        configuration.rate.batchDuration = .milliseconds(40)
        return configuration
    }

    private func build(_ world: World) {
        let configuration = configuration
        let firstSubnet = addRepairNodes(to: world, configuration: configuration)
        var host = ReceiverHostModel()
        host.exitsWhenDone = true
        host.readsAtOnce = true
        host.datagramRate = .infinity
        let shared = SharedConfiguration(configuration)
        for index in 0..<receivers {
            let receiver = world.addReceiver(
                sharing: shared, downlink: Setting.lossy(.random(loss)), host: host,
                subnet: index * max(1, repairNodes) / receivers + firstSubnet)
            world.setMulticast(ofReceiver: receiver, delivered: false)
        }
        for step in 0..<Self.joinSteps {
            world.after(Self.joinTime * (Double(step) / Double(Self.joinSteps))) { world in
                for receiver in stride(from: step, to: world.receiverCount, by: Self.joinSteps) {
                    world.setMulticast(ofReceiver: receiver, delivered: true)
                }
            }
        }
        addSender(to: world, configuration: configuration)
    }

    /// Each in a subnet of its own, one router farther from the sender than the one above it, with a region that reaches all
    /// subnets below. Nobody is told who is above: that they find out.
    /// - Returns: the first of the subnets where receivers are.
    private func addRepairNodes(to world: World, configuration: Configuration) -> Int {
        let levels = levels
        var subnets: [Range<Int>] = []
        for count in levels {
            let first = subnets.last?.upperBound ?? 1
            subnets.append(first..<first + max(1, count))
        }
        for (level, range) in subnets.enumerated() {
            for subnet in range {
                world.setSubnet(subnet, link: Setting.gigabit)
                world.setDistance(level + 1, ofSubnet: subnet)
                guard repairNodes > 0 else { continue }
                var reach = subnet..<subnet + 1
                var all = [subnet]
                for below in subnets[(level + 1)...] {
                    // Those whose share of the level above is in the reach so far.
                    let above = subnets[subnets.firstIndex(of: below).map { $0 - 1 } ?? 0]
                    func first(_ upper: Int) -> Int { below.lowerBound + (upper - above.lowerBound) * below.count / above.count }
                    reach = first(reach.lowerBound)..<first(reach.upperBound)
                    all += reach
                }
                world.addRepairNode(
                    RepairNodeModel(subnet: subnet, reach: all), configuration: configuration, downlink: Setting.lossy(.random(loss)),
                    egress: Setting.gigabit)
            }
        }
        return subnets.last?.lowerBound ?? 1
    }

    private func addSender(to world: World, configuration: Configuration) {
        let content = SimulatedContent(seed: seed, length: UInt64(chunks) * UInt64(chunkLength), chunkLength: chunkLength)
        world.addSender(content: content, configuration: configuration, egress: Setting.gigabit)
    }
}

/// What a run at scale came to. Rates at the sender are those from the start of the stream until the last receiver has
/// everything; what comes while receivers join is counted apart.
public struct ScaleResult: Sendable {
    public let settings: Scale
    /// What is wrong, in words; empty when every receiver has everything and the sender knows it.
    public let failures: [String]
    public let traceHash: UInt64
    public let events: Int
    public let simulated: Interval
    /// From the start of the stream to the last receiver.
    public let transfer: Interval
    public let joinStatuses: Int
    public let naks: Int
    public let statuses: Int
    /// STATUS and NAK datagrams in the busiest second of the transfer.
    public let busiestSecond: Int
    /// DATA bytes that left the sender over the bundle's.
    public let copies: Double
    public let median: Interval
    public let percentile99: Interval
    /// NAKs that receivers and repair nodes sent, to whomever.
    public let naksOfReceivers: UInt64
    public let naksOfRepairNodes: Int

    init(of world: World, settings: Scale) {
        self.settings = settings
        let session = world.session(ofSender: 0)
        let start = world.startTime(ofSender: 0) ?? World.start
        let times = world.receivers.compactMap { $0.record.completed[session] }.map { $0 - start }.sorted()
        failures = world.violations + Self.failures(of: world, completed: times.count)
        traceHash = world.traceHash
        events = world.eventCount
        simulated = world.now - World.start
        transfer = times.last ?? .zero
        median = times.isEmpty ? .zero : times[times.count / 2]
        percentile99 = times.isEmpty ? .zero : times[min(times.count - 1, times.count * 99 / 100)]
        let feedback = world.senders[0].feedback
        joinStatuses = feedback.count(.status, from: World.start, to: start)
        naks = feedback.count(.nak, from: start, to: start + transfer)
        statuses = feedback.count(.status, from: start, to: start + transfer)
        busiestSecond = feedback.busiestSecond(from: start, to: start + transfer)
        let counters = world.counters(ofSender: 0)
        let data = counters.firstBytes + counters.repairBytes + counters.catchUpBytes
        copies = Double(data) / Double(max(1, world.encodedLength(ofSender: 0)))
        naksOfReceivers = world.receivers.indices.reduce(0) { $0 + world.counters(ofReceiver: $1).naksSent }
        naksOfRepairNodes = world.repairNodes.reduce(0) { $0 + $1.record.naksSent }
    }

    private static func failures(of world: World, completed: Int) -> [String] {
        let missing = world.receiverCount - completed
        return (missing > 0 ? ["\(missing) of \(world.receiverCount) receivers did not complete"] : []) + Expect.outcome(world, .complete)
    }

    private func perSecond(_ count: Int) -> Double { transfer > .zero ? Double(count) / transfer.inSeconds : 0 }
    public var naksPerSecond: Double { perSecond(naks) }
    public var statusesPerSecond: Double { perSecond(statuses) }
}
