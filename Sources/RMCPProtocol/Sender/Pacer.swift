/// How fast a sender sends: the rate that was found or set, the tokens that it is spent by, and what was really sent.
struct Pacer: Sendable {
    private(set) var controller: RateController
    private var bucket: TokenBucket
    private var meter = SendRateMeter()
    /// With IP and UDP headers, bytes since the beginning: all, and those to the group.
    private var totalBytes: UInt64 = 0
    private var groupBytes: UInt64 = 0
    /// Packets in a batch at the current rate, and in the longest.
    private var steadyBatch = 1
    private var longestBatch = 1
    /// Bytes of one of them on the wire.
    private var packetCost = 1
    /// Whether the rate, and not the source, held something back since the last update of the rate.
    private(set) var wasLimited = false
    private let maximumRate: Double
    /// Bytes that the network adds to each datagram.
    private let overhead: Int
    private let batchDuration: Interval
    private let maximumBatchPackets: Int

    /// Bytes that may go at once before the first rate is applied.
    private static let firstBurst = 65_536
    /// Bytes of UDP payload that the kernel takes in one segmentation-offload send, headers of IP and UDP left out.
    private static let largestSend = 65_000

    init(configuration: Configuration, datagramLength: Int, at now: Instant) {
        controller = RateController(configuration: configuration, at: now)
        bucket = TokenBucket(rate: UInt64(controller.rate), burst: Self.firstBurst, lateBurst: Self.largestSend, at: now)
        maximumRate = Double(configuration.rate.maximumRate)
        overhead = configuration.packets.overhead
        batchDuration = configuration.rate.batchDuration
        maximumBatchPackets = configuration.rate.maximumBatchPackets
        apply(following: 0, datagramLength: datagramLength, at: now)
    }

    /// Bits per second.
    var rate: Double { controller.rate }
    var isFindingRate: Bool { controller.isFinding }

    // MARK: Sending

    mutating func mayTransmit(at now: Instant) -> Bool { bucket.mayTransmit(at: now) }

    /// Something waits for nothing but the rate.
    mutating func noteLimited() {
        wasLimited = true
        bucket.noteAwaited()
    }

    /// Packets in the next batch. A host that is late sends what it was late with in one: each batch wakes all receivers of the host, and many
    /// that share its processors are what made it late.
    var batchLimit: Int {
        let late = bucket.late
        return late > 0 ? min(longestBatch, max(steadyBatch, Int(late) / packetCost)) : steadyBatch
    }

    func nextTransmission(at now: Instant) -> Instant { bucket.nextTransmission(at: now) }

    /// Datagrams that the rate is spent by.
    /// - Parameter bytes: without IP and UDP headers.
    mutating func consume(_ bytes: Int, datagrams: Int) { bucket.consume(bytes + datagrams * overhead) }

    /// Any datagrams, those of control that are not paced among them.
    mutating func count(_ bytes: Int, datagrams: Int, toGroup: Bool) {
        let bytes = UInt64(bytes + datagrams * overhead)
        totalBytes += bytes
        if toGroup { groupBytes += bytes }
    }

    // MARK: The rate

    /// The stream begins.
    mutating func begin(at now: Instant) { controller.begin(at: now) }

    /// - Parameters:
    ///   - heardOf: when the newest datagram was sent that receivers have answered.
    ///   - followed: bits per second of a stream that this one keeps pace with; 0 for none.
    /// - Returns: what that did to the rate, and why.
    mutating func update(
        _ signal: RateSignal, statusInterval: Interval, roundTrip: Interval, heardOf: Instant, following followed: Double, datagramLength: Int,
        at now: Instant
    ) -> RateController.Decision {
        let sent = meter.note(total: totalBytes, group: groupBytes, rate: rate, statusInterval: statusInterval, heardOf: heardOf, at: now)
        let decision = controller.update(
            signal,
            RateMoment(now: now, statusInterval: statusInterval, roundTrip: roundTrip, heardOf: heardOf, isLimitedByRate: wasLimited, sent: sent))
        wasLimited = false
        apply(following: followed, datagramLength: datagramLength, at: now)
        return decision
    }

    private mutating func apply(following followed: Double, datagramLength: Int, at now: Instant) {
        // Repairs go at the pace of the stream that they are for, while there is one. A HEARTBEAT from above may say any rate.
        let rate = UInt64(max(min(followed, maximumRate), controller.rate))
        // A burst of at most one batch duration, and at least one datagram.
        let burst = max(datagramLength, Int(Double(rate) / Units.bitsPerByte * batchDuration.inSeconds))
        bucket.setRate(rate, burst: burst, at: now)
        packetCost = datagramLength + overhead
        longestBatch = max(1, min(maximumBatchPackets, Self.largestSend / datagramLength, DataBatch.capacity))
        steadyBatch = max(1, min(burst / packetCost, longestBatch))
    }
}
