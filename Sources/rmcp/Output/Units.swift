import Glibc
import RMCPProtocol

/// Times, rates and sizes as people write them.
enum Units {
    /// `500ms`, `10s`, `5m`, `2h`, or a plain number of seconds. Nil for anything else, and for negative times.
    static func interval(_ text: String) -> Interval? {
        let suffixes: [(String, Double)] = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3_600), ("", 1)]
        guard let seconds = scaled(text, suffixes: suffixes), seconds <= 1e9 else { return nil }
        return .seconds(seconds)
    }

    /// Bits per second: `800k`, `100M`, `2.5G`, decimal multiples.
    static func rate(_ text: String) -> UInt64? {
        let suffixes: [(String, Double)] = [("k", 1e3), ("K", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12), ("", 1)]
        guard let rate = scaled(text, suffixes: suffixes), rate >= 1, rate <= 1e15 else { return nil }
        return UInt64(rate)
    }

    /// Bytes: `64M`, `50G`, binary multiples.
    static func bytes(_ text: String) -> UInt64? {
        let suffixes: [(String, Double)] = [("k", 0x1p10), ("K", 0x1p10), ("M", 0x1p20), ("G", 0x1p30), ("T", 0x1p40), ("", 1)]
        guard let bytes = scaled(text, suffixes: suffixes), bytes >= 1, bytes <= 0x1p60 else { return nil }
        return UInt64(bytes)
    }

    /// A number of things.
    static func count(_ text: String) -> Int? { Int(text).flatMap { (0...1_000_000).contains($0) ? $0 : nil } }

    private static func scaled(_ text: String, suffixes: [(String, Double)]) -> Double? {
        for (suffix, factor) in suffixes where text.hasSuffix(suffix) {
            let digits = text.dropLast(suffix.count)
            guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }), let number = Double(digits) else {
                return nil
            }
            return number * factor
        }
        return nil
    }

    // MARK: For people to read

    /// `1.5 GiB`: sizes in binary multiples.
    static func size(_ bytes: UInt64) -> String {
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
    static func rate(bitsPerSecond: Double) -> String {
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
    static func time(_ interval: Interval) -> String {
        let seconds = interval.inSeconds
        if seconds < 10 { return "\(fixed(seconds, digits: 1)) s" }
        let whole = Int(seconds.rounded())
        if whole < 60 { return "\(whole) s" }
        func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        if whole < 3_600 { return "\(whole / 60):\(padded(whole % 60))" }
        return "\(whole / 3_600):\(padded(whole / 60 % 60)):\(padded(whole % 60))"
    }

    /// `2026-11-24 09:30:05 UTC`.
    static func date(milliseconds: UInt64) -> String {
        var seconds = time_t(clamping: milliseconds / 1_000)
        var parts = unsafe tm()
        guard unsafe gmtime_r(&seconds, &parts) != nil else { return "?" }
        func padded(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let day = unsafe "\(parts.tm_year + 1_900)-\(padded(parts.tm_mon + 1))-\(padded(parts.tm_mday))"
        return unsafe "\(day) \(padded(parts.tm_hour)):\(padded(parts.tm_min)):\(padded(parts.tm_sec)) UTC"
    }

    static func percent(_ fraction: Double) -> String {
        let value = fraction * 100
        return "\(fixed(value, digits: value < 10 && value > 0 ? 1 : 0)) %"
    }

    /// `value` with `digits` decimals, rounded.
    static func fixed(_ value: Double, digits: Int) -> String {
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
