import RMCPProtocol
import RMCPReport

/// Facts that a send's loop remembers for those who look at it: since when it goes on, and what it waited for.
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
    /// Cause that it has waited for since `lastLook`.
    private var limit: SendLimit = .start
    private var lastLook: Instant
    /// Whether `limit` is one only if as much is sent as the rate allows.
    private var usesRate = false
    private var window = Window(sent: 0)

    /// A while in which the rate was the limit, if it was used.
    private struct Window {
        var limits = SendLimits()
        /// Bits that might have been sent in that while.
        var allowed = 0.0
        /// Bytes that had been sent before.
        var sent: UInt64
    }

    /// Repair nodes that a snapshot names at most.
    static let nodeLimit = 256
    /// Share of the highest rate from which it is the highest.
    private static let nearlyHighest = 0.99
    /// Time after which it is seen whether the rate was used: longer than the bursts of a bucket.
    private static let windowLength = Interval.milliseconds(250)
    /// Share of the rate (0...1) below which it was not used.
    private static let usedShare = 0.7
    private static let bitsPerByte = 8.0

    init(configuration: Configuration, at now: Instant) {
        wanted = configuration.joining.waitForReceivers
        required = configuration.joining.requiredReceivers
        isFixed = configuration.rate.fixedRate != nil
        highestRate = Double(configuration.rate.maximumRate)
        created = now
        lastLook = now
    }

    mutating func note(_ decision: RateController.Decision) { reason = SendLimit(decision.reason) }

    /// Cause that limits it, as far as it can be seen at one time.
    struct Look {
        var phase: SessionPhase
        /// Whether everything that is encoded has been sent.
        var isStarved: Bool
        /// Whether the interface takes nothing more for now.
        var isBlocked: Bool
        /// Bits per second that may be sent, and bytes that have been.
        var rate: Double
        var sent: UInt64
    }

    /// Called whenever the loop comes round: what limits it now limits it until the next time.
    mutating func note(_ look: Look, at now: Instant) {
        if now > lastLook {
            let spent = now - lastLook
            if usesRate {
                window.limits[limit] = window.limits[limit] + spent
                window.allowed += look.rate * spent.inSeconds
            } else {
                limits[limit] = limits[limit] + spent
            }
        }
        lastLook = max(now, lastLook)
        usesRate = false
        switch look.phase {
        case .waiting: limit = .start
        case .streaming:
            if look.isBlocked {
                limit = .path
            } else if look.isStarved {
                limit = .source
            } else {
                limit = isFixed || look.rate >= highestRate * Self.nearlyHighest ? .cap : reason
                usesRate = true
            }
        case .draining: limit = .repairs
        case .lingering, .leaving, .aborted: limit = .linger
        }
        if look.phase != .streaming || window.limits.total >= Self.windowLength { closeWindow(sent: look.sent) }
    }

    /// A rate is a limit only where it is used.
    private mutating func closeWindow(sent: UInt64) {
        let total = window.limits.total
        if total > .zero {
            if Double(sent &- window.sent) * Self.bitsPerByte < window.allowed * Self.usedShare {
                limits[.host] = limits[.host] + total
            } else {
                limits.add(window.limits)
            }
        }
        window = Window(sent: sent)
    }
}
