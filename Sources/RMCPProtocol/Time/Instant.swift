/// A point in time on the caller's monotonic clock: nanoseconds since an epoch that only the caller knows. The engine
/// never asks what time it is; it is told.
public struct Instant: Comparable, Hashable, Sendable {
    /// Nanoseconds since the caller's epoch; below 0 before it.
    public var nanoseconds: Int64

    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// The caller's epoch, and not a sign for no time: see `longAgo`.
    public static let zero = Instant(nanoseconds: 0)
    /// Earlier than anything that has happened: 1,000 s before the epoch.
    public static let longAgo = Instant(nanoseconds: -1_000_000_000_000)
    /// Later than anything that will happen.
    public static let distantFuture = Instant(nanoseconds: .max)

    /// Whole microseconds since the epoch, 0 before it: the form in which points in time travel.
    public var wireMicroseconds: UInt64 { UInt64(clamping: nanoseconds / 1_000) }

    public static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }

    /// Saturates, so that `distantFuture` stays where it is.
    public static func + (instant: Instant, interval: Interval) -> Instant {
        let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(interval.nanoseconds)
        return Instant(nanoseconds: overflow ? (interval.nanoseconds > 0 ? .max : .min) : sum)
    }

    public static func - (instant: Instant, interval: Interval) -> Instant { instant + (.zero - interval) }

    /// Time from `right` to `left`; below zero where `left` is earlier. Saturates.
    public static func - (left: Instant, right: Instant) -> Interval {
        let (difference, overflow) = left.nanoseconds.subtractingReportingOverflow(right.nanoseconds)
        return Interval(nanoseconds: overflow ? (left > right ? .max : .min) : difference)
    }
}

/// A length of time in nanoseconds. `Swift.Duration` is 128 bits wide, which the per-packet path would pay for.
public struct Interval: Comparable, Hashable, Sendable {
    /// Nanoseconds; may be below 0.
    public var nanoseconds: Int64

    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    public static let zero = Interval(nanoseconds: 0)

    /// `count` microseconds. Traps above 292 years, as `milliseconds` does: not for numbers that come from outside as 64 bits.
    public static func microseconds(_ count: Int64) -> Interval { Interval(nanoseconds: count * 1_000) }
    public static func milliseconds(_ count: Int64) -> Interval { Interval(nanoseconds: count * 1_000_000) }

    /// `count` seconds, clamped to what 64 bits of nanoseconds hold.
    public static func seconds(_ count: Double) -> Interval {
        let nanoseconds = count * 1e9
        guard nanoseconds < 9e18 else { return Interval(nanoseconds: .max) }
        return Interval(nanoseconds: Int64(max(nanoseconds, -9e18)))
    }

    public var inSeconds: Double { Double(nanoseconds) / 1e9 }
    /// Milliseconds, cut towards zero.
    public var wholeMilliseconds: Int64 { nanoseconds / 1_000_000 }
    /// Whole microseconds, clamped to 32 bits: the form in which intervals travel.
    public var wireMicroseconds: UInt32 { UInt32(clamping: nanoseconds / 1_000) }

    public static func < (left: Interval, right: Interval) -> Bool { left.nanoseconds < right.nanoseconds }
    /// Wraps on overflow, unlike instants.
    public static func + (left: Interval, right: Interval) -> Interval {
        Interval(nanoseconds: left.nanoseconds &+ right.nanoseconds)
    }
    /// Wraps on overflow, unlike instants.
    public static func - (left: Interval, right: Interval) -> Interval {
        Interval(nanoseconds: left.nanoseconds &- right.nanoseconds)
    }
    /// Product by way of a `Double`: exact to 53 bits, and clamped as `seconds` is.
    public static func * (left: Interval, factor: Double) -> Interval { .seconds(left.inSeconds * factor) }
}
