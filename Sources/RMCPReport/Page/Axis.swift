import RMCPProtocol

/// Values along one side of a chart, with round numbers at its lines.
struct Axis {
    let lowest: Double
    let highest: Double
    let ticks: [(value: Double, label: String)]

    func position(_ value: Double) -> Double { highest > lowest ? min(1, max(0, (value - lowest) / (highest - lowest))) : 0 }

    /// Lines along an axis, at most: so many labels have room where it is short.
    private static let tickLimit = 5.0

    /// 1, 2 or 5 times a power of ten, so that there are `tickLimit` steps at most.
    private static func step(for range: Double) -> Double {
        let least = range / tickLimit
        guard least > 0, least.isFinite else { return 1 }
        var power = 1.0
        while power > least { power /= 10 }
        while power * 10 <= least { power *= 10 }
        return [1.0, 2, 5, 10].map { $0 * power }.first { $0 >= least * 0.999_999 } ?? power * 10
    }

    /// Digits behind the point that tell steps apart.
    private static func digits(for step: Double) -> Int {
        var (step, digits) = (step, 0)
        while step < 0.999_999, digits < mostDigits {
            step *= 10
            digits += 1
        }
        return digits
    }

    private static let mostDigits = 9

    private static func values(upTo highest: Double, step: Double) -> [Double] {
        let steps = (highest / step * 1.000_001).rounded(.down)
        guard steps >= 0, steps.isFinite else { return [0] }
        return (0...Int(steps)).map { Double($0) * step }
    }

    /// Time from 0 to exactly `seconds`.
    static func time(_ seconds: Double) -> Axis {
        let highest = max(seconds, 0.001)
        // Steps that clocks have.
        let steps: [Double] = [60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400]
        let step = highest <= 60 ? step(for: highest) : steps.first { $0 * tickLimit >= highest } ?? step(for: highest)
        let digits = digits(for: step)
        return Axis(
            lowest: 0, highest: highest,
            ticks: values(upTo: highest, step: step).map { ($0, highest > 60 ? clock($0) : $0 == 0 ? "0 s" : "\(Units.fixed($0, digits: digits)) s") })
    }

    /// `0:00`, `1:30:00`.
    private static func clock(_ seconds: Double) -> String {
        let whole = Int(seconds.rounded())
        let rest = whole % 60 < 10 ? "0\(whole % 60)" : "\(whole % 60)"
        guard whole >= 3_600 else { return "\(whole / 60):\(rest)" }
        return "\(whole / 3_600):\(whole / 60 % 60 < 10 ? "0" : "")\(whole / 60 % 60):\(rest)"
    }

    /// Bits per second.
    static func rate(_ highest: Double) -> Axis {
        let step = step(for: max(highest, 1))
        let top = (max(highest, 1) / step).rounded(.up) * step
        return Axis(lowest: 0, highest: top, ticks: values(upTo: top, step: step).map { ($0, $0 == 0 ? "0" : compact($0)) })
    }

    /// `250 Mb/s`, and `2.5 Gb/s` where there is something behind the point.
    private static func compact(_ rate: Double) -> String { Units.rate(bitsPerSecond: rate).replacing(".0 ", with: " ") }

    /// Things that are counted.
    static func count(_ highest: UInt64) -> Axis {
        let step = max(1, step(for: Double(max(1, highest))))
        let top = Double(max(1, highest))
        // All of them are named, whether that is round or not; what would stand too near is not.
        let values = values(upTo: top, step: step).filter { top - $0 >= step * nearest } + [top]
        return Axis(lowest: 0, highest: top, ticks: values.map { ($0, Units.fixed($0, digits: 0)) })
    }

    /// Steps between two labels, at least.
    private static let nearest = 0.6

    static let share = Axis(lowest: 0, highest: 1, ticks: [0, 0.25, 0.5, 0.75, 1].map { ($0, Units.fixed($0 * 100, digits: 0) + " %") })

    /// A fraction from 0 up to a round number.
    static func fraction(_ highest: Double) -> Axis {
        let highest = max(highest, 0.001)
        let step = step(for: highest)
        let top = min(1, (highest / step).rounded(.up) * step)
        let digits = digits(for: step * 100)
        return Axis(lowest: 0, highest: top, ticks: values(upTo: top, step: step).map { ($0, Units.fixed($0 * 100, digits: digits) + " %") })
    }
}
