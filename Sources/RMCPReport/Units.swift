public import RMCPProtocol

/// Times, rates, sizes and dates for people to read.
public enum Units {
    /// `1.5 GiB`: sizes in binary multiples.
    public static func size(_ bytes: UInt64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
        var value = Double(bytes)
        var unit = 0
        while value >= 1_023.95, unit < units.count - 1 {
            value /= 1_024
            unit += 1
        }
        return unit == 0 ? "\(bytes) B" : "\(fixed(value, digits: 1)) \(units[unit])"
    }

    /// `2.4 Gb/s`: rates in decimal multiples of bits.
    public static func rate(bitsPerSecond: Double) -> String {
        let units = ["b/s", "kb/s", "Mb/s", "Gb/s", "Tb/s"]
        var value = bitsPerSecond
        var unit = 0
        while value >= 999.5, unit < units.count - 1 {
            value /= 1_000
            unit += 1
        }
        return "\(fixed(value, digits: value < 10 ? 1 : 0)) \(units[unit])"
    }

    /// `0.4 s`, `12 s`, `3:05`, `1:02:03`.
    public static func time(_ interval: Interval) -> String {
        let seconds = interval.inSeconds
        if seconds < 10 { return "\(fixed(seconds, digits: 1)) s" }
        let whole = Int(seconds.rounded())
        if whole < 60 { return "\(whole) s" }
        func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        if whole < 3_600 { return "\(whole / 60):\(padded(whole % 60))" }
        return "\(whole / 3_600):\(padded(whole / 60 % 60)):\(padded(whole % 60))"
    }

    /// `2026-11-24 09:30:05 UTC`, of milliseconds since 1970.
    public static func date(milliseconds: UInt64) -> String {
        let (day, time) = calendar(seconds: milliseconds / 1_000)
        return "\(day) \(time) UTC"
    }

    /// `2026-11-24T09:30:05.123Z` (RFC 3339), of milliseconds since 1970.
    public static func timestamp(milliseconds: UInt64) -> String {
        let (day, time) = calendar(seconds: milliseconds / 1_000)
        let digits = String(milliseconds % 1_000)
        return "\(day)T\(time).\(String(repeating: "0", count: 3 - digits.count))\(digits)Z"
    }

    /// Days are turned into dates by the Gregorian calendar's rule: 146,097 days are 400 years, which begin in March so that a leap
    /// day is the last one.
    private static func calendar(seconds: UInt64) -> (day: String, time: String) {
        let days = Int64(seconds / 86_400) + 719_468
        let era = days / 146_097
        let day = days % 146_097
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365
        let dayOfYear = day - (365 * year + year / 4 - year / 100)
        let month = (5 * dayOfYear + 2) / 153
        let (date, number) = (dayOfYear - (153 * month + 2) / 5 + 1, month < 10 ? month + 3 : month - 9)
        func padded(_ number: some BinaryInteger) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let time = seconds % 86_400
        let years = String(year + era * 400 + (number <= 2 ? 1 : 0))
        return (
            "\(String(repeating: "0", count: max(0, 4 - years.count)))\(years)-\(padded(number))-\(padded(date))",
            "\(padded(time / 3_600)):\(padded(time / 60 % 60)):\(padded(time % 60))"
        )
    }

    /// `1 receiver`, `3 receivers`.
    public static func count(_ number: UInt64, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }

    public static func percent(_ fraction: Double) -> String {
        let value = fraction * 100
        return "\(fixed(value, digits: value < 10 && value > 0 ? 1 : 0)) %"
    }

    /// `value` with `digits` decimals, rounded.
    public static func fixed(_ value: Double, digits: Int) -> String {
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = (abs(value) * scale).rounded()
        guard scaled < 9e18 else { return "?" }
        let whole = UInt64(scaled)
        let sign = value < 0 && whole > 0 ? "-" : ""
        guard digits > 0 else { return sign + String(whole) }
        let fraction = String(whole % UInt64(scale))
        return sign + String(whole / UInt64(scale)) + "." + String(repeating: "0", count: digits - fraction.count) + fraction
    }
}
