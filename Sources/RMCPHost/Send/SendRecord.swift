import RMCPProtocol
import RMCPReport

/// What a send's loop remembers for those who look at it: since when it goes on, and what it waited for.
struct SendRecord {
    /// Receivers that are waited for; nil where no number was given.
    let wanted: Int?
    /// Receivers that have to be complete; nil where no number was given.
    let required: Int?
    let created: Instant
    /// Time when the start condition was met; nil before.
    var streamingSince: Instant?
    private(set) var limits = SendLimits()
    /// Nil where nobody wants to know of repair nodes.
    var inquiry: NodeInquiry?

    private let isFixed: Bool
    /// Bits per second.
    private let highestRate: Double
    /// Why the rate was changed last.
    private var reason: SendLimit = .growth
    /// What it has waited for since `lastLook`.
    private var limit: SendLimit = .start
    private var lastLook: Instant

    /// Repair nodes that a snapshot names at most.
    static let nodeLimit = 256
    /// Share of the highest rate from which it is the highest.
    private static let nearlyHighest = 0.99

    init(configuration: Configuration, at now: Instant) {
        wanted = configuration.joining.waitForReceivers
        required = configuration.joining.requiredReceivers
        isFixed = configuration.rate.fixedRate != nil
        highestRate = Double(configuration.rate.maximumRate)
        created = now
        lastLook = now
    }

    mutating func note(_ decision: RateController.Decision) { reason = SendLimit(decision.reason) }

    /// Called whenever the loop comes round: what limits it now limits it until the next time.
    mutating func note(_ engine: borrowing SenderEngine, at now: Instant) {
        if now > lastLook { limits[limit] = limits[limit] + (now - lastLook) }
        lastLook = max(now, lastLook)
        switch engine.sessionPhase {
        case .waiting: limit = .start
        case .streaming:
            let rate = engine.rate
            // Everything that is encoded has been sent.
            if engine.positionChunk == engine.chunkCount {
                limit = .source
            } else {
                limit = isFixed || rate >= highestRate * Self.nearlyHighest ? .cap : reason
            }
        case .draining: limit = .repairs
        case .lingering, .leaving, .aborted: limit = .linger
        }
    }
}
