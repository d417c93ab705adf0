public import RMCPProtocol
import RealModule

/// A situation in which a rate has to be found and kept, and how well that went is measured and not judged: what scripts/bench and
/// scripts/bench-rate do in namespaces, by seed and without a clock.
public struct PaceCase: Sendable {
    public enum Rival: Sendable, Hashable {
        case tcp(CrossTraffic.Kind)
        /// Another sender of the same kind.
        case sender
    }

    public var name: String
    public var summary: String
    public var receivers = 4
    /// Bytes of content, none of which shrinks.
    public var length: UInt64
    /// Bits per second of the link that all of the stream goes through, and bytes that wait for it; nil for none that anybody notices.
    public var link: Double?
    public var queue = Interval.milliseconds(50)
    /// Bits per second that the link carries from some time on.
    public var change: (link: Double, after: Interval)?
    /// Loss at random on the way to each receiver (0...1).
    public var loss = 0.0
    public var rival: Rival?
    /// Time by which the one who shares the link begins later than the stream.
    public var rivalDelay = Interval.seconds(3)
    /// The one who shares the link is there first, and the stream begins so much later.
    public var isRivalFirst = false
    /// Processors that the sender and all receivers share; nil where each has enough of its own.
    public var processors: ProcessorModel?
    public var socketBuffer = 32 << 20
    public var disk = DiskModel(rate: 2e9)
    /// Bits per second; nil finds one.
    public var fixedRate: UInt64?
    public var rules = RateRules.all

    public init(_ name: String, _ summary: String, length: UInt64) {
        self.name = name
        self.summary = summary
        self.length = length
    }

    /// Time from which on shares are counted, after both have begun: the first seconds are the search.
    static let settling = Interval.seconds(2)
    private static let limit = Interval.seconds(120)
    private static let chunkLength: UInt32 = 1 << 20

    /// A flow that was there first is met at another moment with each seed: its queue comes and goes over seconds.
    private static func phase(_ seed: UInt64) -> Interval { .milliseconds(Int64(seed % phases) * 150) }
    private static let phases: UInt64 = 10

    private var configuration: Configuration {
        var configuration = Setting.configuration
        configuration.rate.fixedRate = fixedRate
        configuration.rate.rules = rules
        return configuration
    }

    /// - Parameters:
    ///   - interval: of the samples; nil takes none.
    ///   - trace: called with a line for each event of interest.
    public func run(seed: UInt64, samplingEvery interval: Interval? = nil, trace: ((String) -> Void)? = nil) -> PaceResult {
        let world = World(seed: seed)
        world.trace = trace
        if let link {
            world.setSubnet(1, link: model(of: link))
        }
        if let change { world.after(change.after) { $0.setSubnet(1, link: model(of: change.link)) } }
        let host = ReceiverHostModel(datagramRate: 2_000_000, socketBuffer: socketBuffer, disk: disk)
        for _ in 0..<receivers {
            world.addReceiver(
                configuration: configuration, downlink: LinkModel(loss: loss > 0 ? .random(loss) : .none), uplink: LinkModel(latency: .microseconds(200)),
                host: host, subnet: link == nil ? 0 : 1)
        }
        if isRivalFirst {
            addRival(to: world, configuration, after: .zero)
            world.after(rivalDelay + Self.phase(seed)) { addSender(to: $0, configuration, name: "image") }
        } else {
            addSender(to: world, configuration, name: "image")
            addRival(to: world, configuration, after: rivalDelay)
        }
        if let processors { world.shareProcessors(processors) }
        let recorder = interval.map { world.recordPace(every: $0) }
        let marks = SharedMarks()
        if rival != nil {
            world.after((isRivalFirst ? rivalDelay + Self.phase(seed) : rivalDelay) + Self.settling) { marks.start = Self.amounts(of: $0) }
            world.after(.seconds(Double(length) * 8 / (link ?? 1))) { marks.end = Self.amounts(of: $0) }
        }
        world.run(limit: rival == nil ? Self.limit : .seconds(Double(length) * 8 / (link ?? 1) + 1))
        return PaceResult(of: world, self, marks, samples: recorder?.samples ?? [])
    }

    private func model(of rate: Double) -> LinkModel {
        LinkModel(latency: .microseconds(100), rate: rate, queueLimit: Int(rate / 8 * queue.inSeconds))
    }

    private func addSender(to world: World, _ configuration: Configuration, name: String) {
        let host = SenderHostModel(encodeRate: 2e9)
        // The other one is still there when its share of the link is counted.
        let length = rival == nil ? length : length * 2
        world.addSender(
            content: SimulatedContent(seed: world.seed, length: length, chunkLength: Self.chunkLength), configuration: configuration, name: name, host: host)
    }

    private func addRival(to world: World, _ configuration: Configuration, after delay: Interval) {
        switch rival {
        case nil: break
        case .tcp(let kind): world.addCrossTraffic(kind, intoSubnet: 1, after: delay)
        case .sender: world.after(delay) { addSender(to: $0, configuration, name: "other") }
        }
    }

    /// Bytes of the stream and of whoever shares the link.
    private static func amounts(of world: World) -> (Instant, Double, Double) {
        let others = world.crossTraffic.reduce(0) { $0 + $1.deliveredBytes } + world.senders.dropFirst().reduce(0) { $0 + World.wireBytes(of: $1) }
        return (world.now, Double(World.wireBytes(of: world.senders[0])), Double(others))
    }

    /// Seconds from start to end if the link carried nothing but what is needed, at its rate: a packet as often as receivers that lose
    /// some each on its own need it (E[M]), and nothing for repairs that nobody asks for.
    public var ideal: Double? {
        guard let link, rival == nil, change == nil else { return nil }
        let payload = 1_376.0
        let datagram = payload + Double(DataHeader.length + DatagramOverhead.bytes)
        return Double(length) * datagram / payload * 8 / link * expectedTransmissions
    }

    /// The sum over m of 1 - (1 - p^m)^R.
    var expectedTransmissions: Double {
        var (sum, power) = (0.0, 1.0)
        while power > 1e-9 {
            sum += 1 - Double.pow(1 - power, Double(receivers))
            power *= loss
        }
        return sum
    }
}

/// Amounts at two times, filled in while the world runs.
final class SharedMarks {
    var start: (time: Instant, own: Double, others: Double)?
    var end: (time: Instant, own: Double, others: Double)?
}

/// Outcome of the case.
public struct PaceResult: Sendable {
    /// Time from the start of the stream until the last receiver had everything; nil where they did not, or where that is not the question.
    public let seconds: Double?
    /// Ratio of what an ideal sender would take to what it takes: 1 at the best.
    public let efficiency: Double?
    /// Rates over half of the link's, while it was shared.
    public let share: Double?
    public let rivalShare: Double?
    /// DATA that left the sender over the bundle's length.
    public let copies: Double
    public let samples: [PaceSample]

    init(of world: World, _ pace: PaceCase, _ marks: SharedMarks, samples: [PaceSample]) {
        let session = world.session(ofSender: 0)
        let start = world.startTime(ofSender: 0) ?? World.start
        let times = world.receivers.compactMap { $0.record.completed[session] }
        let last = times.count == world.receivers.count ? times.max().map { ($0 - start).inSeconds } : nil
        seconds = pace.rival == nil ? last : nil
        efficiency = pace.ideal.flatMap { ideal in last.map { ideal / $0 } }
        if let from = marks.start, let to = marks.end, let link = pace.link {
            let half = link / 2 * (to.time - from.time).inSeconds / 8
            share = (to.own - from.own) / half
            rivalShare = (to.others - from.others) / half
        } else {
            (share, rivalShare) = (nil, nil)
        }
        let counters = world.counters(ofSender: 0)
        copies = Double(counters.firstBytes + counters.repairBytes + counters.catchUpBytes) / Double(max(1, world.encodedLength(ofSender: 0)))
        self.samples = samples
    }
}
