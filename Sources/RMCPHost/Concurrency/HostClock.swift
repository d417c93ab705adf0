import CLinux

/// This host's clock, and how far others' are believed by it.
struct HostClock: Sendable {
    /// Milliseconds since 1970.
    var milliseconds: UInt64
    /// Whether the kernel is told that somebody keeps it right (adjtimex(2)).
    var isSynchronised: Bool

    static func now() -> HostClock {
        HostClock(milliseconds: Poller.wallClockMilliseconds(), isSynchronised: rmcp_clock_is_synchronised() == 1)
    }

    /// Time zones, and a clock that was set by hand, are off by less.
    static let tolerance: UInt64 = 24 * 3_600 * 1_000
    /// Clocks without a battery begin at 1970, or where their system's makers left them: 2024.
    private static let implausible: UInt64 = 1_704_067_200_000

    /// Milliseconds since 1970: what was made later comes from a clock that is wrong, as long as this one is right.
    var latestCredible: UInt64 { isSynchronised ? milliseconds + Self.tolerance : .max }

    /// Whether it stands at a time at which this program was not there yet.
    var isImplausible: Bool { milliseconds < Self.implausible }
}
