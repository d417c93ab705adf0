public import RMCPProtocol
import RealModule

/// How a link treats datagrams. Every probability is 0...1.
public struct LinkModel: Sendable, Hashable {
    public enum Loss: Sendable, Hashable {
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

    /// Whether more may happen to a datagram than to be lost or late.
    var isDisturbing: Bool { reorder > 0 || duplication > 0 || corruption > 0 || truncation > 0 }

    public init(latency: Interval = .microseconds(100), rate: Double? = nil, queueLimit: Int = 1 << 20, loss: Loss = .none) {
        self.latency = latency
        self.rate = rate
        self.queueLimit = queueLimit
        self.loss = loss
    }
}

/// A model that many links share: a million of them are little more than what each remembers.
final class SharedLinkModel: Sendable {
    let value: LinkModel
    /// Datagrams of any length pass, each as it is, and random loss is all that may happen to one.
    let isPlain: Bool
    let hasLoss: Bool

    init(_ value: LinkModel) {
        self.value = value
        let isMemoryless = if case .gilbertElliott = value.loss { false } else { true }
        isPlain = isMemoryless && !value.isDisturbing && value.longestDatagram == .max
        hasLoss = if case .none = value.loss { false } else { true }
    }
}

/// One direction of one node's connection, with what the model needs to remember.
struct Link {
    var isUp = true
    private var isBad = false
    /// Datagrams that come through before the next one that random loss takes; nil until it is drawn.
    private var untilLoss: Int?
    private var freeAt = Instant.zero
    private var shared: SharedLinkModel
    private(set) var dropped: UInt64 = 0
    private(set) var carriedBytes: UInt64 = 0
    /// Packet kinds of which the next so many are dropped: for losing exactly one ANNOUNCE, END, NCF and so on.
    var dropNext: [PacketKind: Int] = [:]
    var model: LinkModel {
        get { shared.value }
        set {
            shared = SharedLinkModel(newValue)
            untilLoss = nil
        }
    }

    var isDisturbing: Bool { shared.value.isDisturbing }

    init(model: LinkModel) { self.init(sharing: SharedLinkModel(model)) }
    init(sharing model: SharedLinkModel) { shared = model }

    /// When a train of `bytes` bytes that starts now is through; nil when the queue is full.
    mutating func pass(bytes: Int, datagrams: Int, at now: Instant) -> Instant? {
        guard isUp else {
            dropped += UInt64(datagrams)
            return nil
        }
        carriedBytes += UInt64(bytes)
        guard let rate = shared.value.rate else { return now + shared.value.latency }
        let start = max(now, freeAt)
        let waiting = (start - now).inSeconds * rate / 8
        guard waiting + Double(bytes) <= Double(shared.value.queueLimit) else {
            dropped += UInt64(datagrams)
            return nil
        }
        freeAt = start + .seconds(Double(bytes) * 8 / rate)
        return freeAt + shared.value.latency
    }

    /// The same where nothing has to be drawn or looked at for each datagram, since the next loss is known and none of these;
    /// nil where that is not so, or the queue is full: nothing has happened then.
    mutating func passWhole(bytes: Int, datagrams: Int, at now: Instant) -> Instant? {
        guard isUp, dropNext.isEmpty, shared.isPlain, bytes <= room(at: now) else { return nil }
        if shared.hasLoss {
            guard let left = untilLoss, left >= datagrams else { return nil }
            untilLoss = left - datagrams
        }
        return pass(bytes: bytes, datagrams: datagrams, at: now)
    }

    /// Bytes that the queue still takes.
    func room(at now: Instant) -> Int {
        guard let rate = shared.value.rate else { return .max }
        guard freeAt > now else { return shared.value.queueLimit }
        return max(0, shared.value.queueLimit - Int((freeAt - now).inSeconds * rate / 8))
    }

    /// Time that a datagram waits in the queue that comes now.
    func delay(at now: Instant) -> Interval { max(.zero, freeAt - now) }

    mutating func drop(datagrams: Int) { dropped += UInt64(datagrams) }

    /// Whether one datagram is lost on the way.
    mutating func loses(kind: PacketKind?, length: Int, using random: inout RandomSource) -> Bool {
        let isLost = drops(kind: kind, length: length, using: &random)
        if isLost { dropped += 1 }
        return isLost
    }

    /// Which packets of a train come through, of those whose bit is set. Mostly all of them do, and nothing is drawn for each.
    mutating func survivors(of mask: UInt64, using random: inout RandomSource, length: (Int) -> Int) -> UInt64 {
        if dropNext.isEmpty, shared.value.longestDatagram == .max {
            if case .none = shared.value.loss { return mask }
            if case .random(let probability) = shared.value.loss {
                let left = untilLoss ?? random.runLength(probability: probability)
                let count = mask.nonzeroBitCount
                untilLoss = left >= count ? left - count : left
                if left >= count { return mask }
            }
        }
        var left: UInt64 = 0
        var rest = mask
        while rest != 0 {
            let packet = rest.trailingZeroBitCount
            rest &= rest - 1
            if !loses(kind: .data, length: length(packet), using: &random) { left |= 1 << UInt64(packet) }
        }
        return left
    }

    private mutating func drops(kind: PacketKind?, length: Int, using random: inout RandomSource) -> Bool {
        if length > shared.value.longestDatagram { return true }
        if let kind, let left = dropNext[kind], left > 0 {
            dropNext[kind] = left - 1
            return true
        }
        switch shared.value.loss {
        case .none: return false
        case .random(let probability):
            // As many draws as losses, not as datagrams.
            let left = untilLoss ?? random.runLength(probability: probability)
            untilLoss = left == 0 ? nil : left - 1
            return left == 0
        case .gilbertElliott(let toBad, let toGood, let lossGood, let lossBad):
            isBad = isBad ? !random.chance(toGood) : random.chance(toBad)
            return random.chance(isBad ? lossBad : lossGood)
        }
    }
}

extension RandomSource {
    /// Exponentially distributed: the time between things that happen at random.
    mutating func interval(withMean mean: Interval) -> Interval { mean * -Double.log(1 - uniform()) }

    /// How often in a row something of this probability (0...1) does not happen.
    mutating func runLength(probability: Double) -> Int {
        if probability >= 1 { return 0 }
        guard probability > 0 else { return .max }
        // 1 less a number below 1 is above 0.
        return Int(min(1e18, Double.log(1 - uniform()) / Double.log(onePlus: -probability)))
    }
}
