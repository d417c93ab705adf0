public import RMCPProtocol

/// How a link treats datagrams. Every probability is 0...1.
public struct LinkModel: Sendable {
    public enum Loss: Sendable {
        case none
        case random(Double)
        /// Two states with a loss each (Gilbert 1960, Elliott 1963); the chances are per datagram.
        case gilbertElliott(toBad: Double, toGood: Double, lossGood: Double, lossBad: Double)
    }

    /// One way.
    public var latency: Interval
    /// Bits per second; nil is unlimited.
    public var rate: Double?
    /// Bytes that may wait for the link; beyond, the tail is dropped.
    public var queueLimit: Int
    public var loss: Loss = .none
    /// Chance that a datagram is late by up to `reorderDelay`, and so behind later ones.
    public var reorder = 0.0
    public var reorderDelay = Interval.milliseconds(1)
    public var duplication = 0.0
    /// Chance of a flipped bit that the checksums did not see.
    public var corruption = 0.0
    /// Chance that a datagram is cut short.
    public var truncation = 0.0
    /// Longer datagrams vanish.
    public var longestDatagram = Int.max

    public init(latency: Interval = .microseconds(100), rate: Double? = nil, queueLimit: Int = 1 << 20, loss: Loss = .none) {
        self.latency = latency
        self.rate = rate
        self.queueLimit = queueLimit
        self.loss = loss
    }
}

/// One direction of one node's connection, with what the model needs to remember.
struct Link {
    var model: LinkModel
    var isUp = true
    /// Packet kinds of which the next so many are dropped: for losing exactly one ANNOUNCE, END, NCF and so on.
    var dropNext: [PacketKind: Int] = [:]
    private var isBad = false
    private var freeAt = Instant.zero
    private(set) var dropped: UInt64 = 0
    private(set) var carriedBytes: UInt64 = 0

    init(model: LinkModel) { self.model = model }

    /// When a train of `bytes` bytes that starts now is through; nil when the queue is full.
    mutating func pass(bytes: Int, datagrams: Int, at now: Instant) -> Instant? {
        guard isUp else {
            dropped += UInt64(datagrams)
            return nil
        }
        carriedBytes += UInt64(bytes)
        guard let rate = model.rate else { return now + model.latency }
        let start = max(now, freeAt)
        let waiting = (start - now).inSeconds * rate / 8
        guard waiting + Double(bytes) <= Double(model.queueLimit) else {
            dropped += UInt64(datagrams)
            return nil
        }
        freeAt = start + .seconds(Double(bytes) * 8 / rate)
        return freeAt + model.latency
    }

    /// Bytes that the queue still takes.
    func room(at now: Instant) -> Int {
        guard let rate = model.rate else { return .max }
        return max(0, model.queueLimit - Int((max(now, freeAt) - now).inSeconds * rate / 8))
    }

    mutating func drop(datagrams: Int) { dropped += UInt64(datagrams) }

    /// Whether one datagram is lost on the way.
    mutating func loses(kind: PacketKind?, length: Int, using random: inout RandomSource) -> Bool {
        let isLost = drops(kind: kind, length: length, using: &random)
        if isLost { dropped += 1 }
        return isLost
    }

    private mutating func drops(kind: PacketKind?, length: Int, using random: inout RandomSource) -> Bool {
        if length > model.longestDatagram { return true }
        if let kind, let left = dropNext[kind], left > 0 {
            dropNext[kind] = left - 1
            return true
        }
        switch model.loss {
        case .none: return false
        case .random(let probability): return random.chance(probability)
        case .gilbertElliott(let toBad, let toGood, let lossGood, let lossBad):
            isBad = isBad ? !random.chance(toGood) : random.chance(toBad)
            return random.chance(isBad ? lossBad : lossGood)
        }
    }
}

/// What travels: control packets as they are, DATA as headers with fingerprints for payload. Indirect, since one
/// multicast train waits at thousands of nodes at once.
indirect enum Payload {
    case bytes([UInt8])
    /// The packets of a batch whose bit is set in `mask`, with the record that says what their payload is.
    case batch(DataBatch, record: ChunkRecord, mask: UInt64)
    /// One damaged or forged DATA packet: its real bytes, and the fingerprint that its payload now has.
    case packet([UInt8], fingerprint: UInt64)
}
