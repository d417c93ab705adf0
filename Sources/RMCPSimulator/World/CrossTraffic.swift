public import RMCPProtocol

/// A TCP transfer without end that shares the link into a subnet: it fills the window that it has, and answers loss as
/// its kind does. Acknowledgements never get lost, and each tells exactly which packet came (as SACK does, RFC 2018).
public struct CrossTraffic: Sendable {
    public enum Kind: Sendable {
        /// RFC 5681: one packet more a round trip, half the window at a loss.
        case reno
        /// RFC 9438: a cubic function of the time since the last loss, seven tenths of the window at a loss.
        case cubic
    }

    enum Step: Sendable {
        case begin
        case acknowledged(packet: Int, sentAt: Instant)
        case lost(packet: Int)
    }

    let kind: Kind
    let subnet: Int
    /// What the path takes besides the queue.
    let roundTrip: Interval
    /// Bytes that came, headers included.
    private(set) var deliveredBytes: UInt64 = 0
    private(set) var lostPackets = 0
    private var window = 10.0
    private var slowStartThreshold = Double.infinity
    private var inFlight = 0
    private var nextPacket = 0
    /// A loss among packets before this one belongs to an event that has been answered.
    private var recoveredFrom = 0
    private var smoothedRoundTrip: Interval
    private var epochStart = Instant.zero
    private var windowAtLoss = 0.0

    static let packetBytes = 1_500
    /// RFC 9438, 4.1 and 5.1.
    private static let cubicScale = 0.4
    private static let cubicShare = 0.7

    init(kind: Kind, subnet: Int, roundTrip: Interval) {
        self.kind = kind
        self.subnet = subnet
        self.roundTrip = roundTrip
        smoothedRoundTrip = roundTrip
    }

    /// The next packet, while the window has room for one.
    mutating func takePacket() -> Int? {
        guard Double(inFlight) < window.rounded(.down) else { return nil }
        inFlight += 1
        nextPacket += 1
        return nextPacket - 1
    }

    /// When the sender notices that a packet was dropped: those behind it are acknowledged.
    func noticed(after now: Instant) -> Instant { now + smoothedRoundTrip }

    mutating func acknowledge(sentAt: Instant, at now: Instant) {
        inFlight -= 1
        deliveredBytes += UInt64(Self.packetBytes)
        smoothedRoundTrip = smoothedRoundTrip * 0.875 + (now - sentAt) * 0.125
        guard window >= slowStartThreshold else {
            window += 1
            return
        }
        switch kind {
        case .reno: window += 1 / window
        case .cubic: window += max(0, cubicWindow(at: now) - window) / window
        }
    }

    /// The larger of the cubic function and of what Reno would have (RFC 9438, 4.3).
    private func cubicWindow(at now: Instant) -> Double {
        let time = (now - epochStart).inSeconds
        let plateau = Self.cubeRoot(of: windowAtLoss * (1 - Self.cubicShare) / Self.cubicScale)
        let cubic = Self.cubicScale * (time - plateau) * (time - plateau) * (time - plateau) + windowAtLoss
        let slope = 3 * (1 - Self.cubicShare) / (1 + Self.cubicShare)
        return max(cubic, windowAtLoss * Self.cubicShare + slope * time / max(smoothedRoundTrip.inSeconds, 1e-4))
    }

    /// By Newton's method, from above: each step leaves at most two thirds of the error.
    private static func cubeRoot(of value: Double) -> Double {
        var root = max(1, value)
        for _ in 0..<40 { root -= (root * root * root - value) / (3 * root * root) }
        return root
    }

    mutating func lose(packet: Int, at now: Instant) {
        inFlight -= 1
        lostPackets += 1
        guard packet >= recoveredFrom else { return }
        recoveredFrom = nextPacket
        windowAtLoss = window
        epochStart = now
        window = max(2, window * (kind == .reno ? 0.5 : Self.cubicShare))
        slowStartThreshold = window
    }
}

extension World {
    /// - Returns: the flow's index.
    @discardableResult
    public func addCrossTraffic(
        _ kind: CrossTraffic.Kind, intoSubnet subnet: Int, roundTrip: Interval = .milliseconds(1), after start: Interval
    ) -> Int {
        crossTraffic.append(CrossTraffic(kind: kind, subnet: subnet, roundTrip: roundTrip))
        queue.schedule(.crossTraffic(crossTraffic.count - 1, .begin), at: Self.start + start)
        return crossTraffic.count - 1
    }

    func perform(_ step: CrossTraffic.Step, ofCrossTraffic index: Int) {
        switch step {
        case .begin: break
        case .acknowledged(_, let sentAt): crossTraffic[index].acknowledge(sentAt: sentAt, at: now)
        case .lost(let packet): crossTraffic[index].lose(packet: packet, at: now)
        }
        let subnet = crossTraffic[index].subnet
        while let packet = crossTraffic[index].takePacket() {
            let arrival = delivery.topology.pass(bytes: CrossTraffic.packetBytes, into: subnet, at: now)
            if let arrival {
                queue.schedule(
                    .crossTraffic(index, .acknowledged(packet: packet, sentAt: now)), at: arrival + crossTraffic[index].roundTrip)
            } else {
                queue.schedule(.crossTraffic(index, .lost(packet: packet)), at: crossTraffic[index].noticed(after: now))
            }
        }
    }

    // MARK: Who gets how much

    /// Notes what senders and cross traffic have got through, every so often; the run lasts that long.
    public func sampleThroughput(every interval: Interval, until end: Interval) {
        var time = interval
        while time <= end {
            after(time) { world in
                let counters = world.senders.map { $0.engine.counters }
                let sample = Throughput.Sample(
                    time: world.now - Self.start,
                    sentBytes: counters.map { $0.bytesSent + UInt64(DatagramOverhead.bytes) * $0.datagramsSent },
                    sentDatagrams: counters.map(\.datagramsSent), crossBytes: world.crossTraffic.map(\.deliveredBytes),
                    dropped: world.delivery.topology.links.values.reduce(0) { $0 + $1.dropped })
                world.throughput.note(sample)
                world.log("throughput \(sample)")
            }
            time = time + interval
        }
    }
}
