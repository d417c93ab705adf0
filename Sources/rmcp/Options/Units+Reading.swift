import RMCPProtocol
import RMCPReport

/// Times, rates and sizes as people write them.
extension Units {
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
        guard let bytes = scaled(text, suffixes: suffixes), bytes == 0 || (1...0x1p60).contains(bytes) else { return nil }
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
}
