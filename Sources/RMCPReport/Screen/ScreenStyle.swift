/// Signs that a terminal can show.
public struct ScreenStyle: Sendable, Equatable {
    /// Whether it shows more than ASCII.
    public var isUnicode: Bool
    /// Whether text may be bold, faint or coloured. Nothing is said by that alone.
    public var hasColor: Bool

    public init(isUnicode: Bool, hasColor: Bool) {
        self.isUnicode = isUnicode
        self.hasColor = hasColor
    }

    // MARK: Emphasis (ECMA-48, SGR)

    public func bold(_ text: String) -> String { marked("1", text) }
    public func faint(_ text: String) -> String { marked("2", text) }
    func good(_ text: String) -> String { marked("32", text) }
    func bad(_ text: String) -> String { marked("31", text) }

    private func marked(_ code: String, _ text: String) -> String { hasColor && !text.isEmpty ? "\u{1B}[\(code)m\(text)\u{1B}[m" : text }

    /// Text as the terminal can show it: where that is ASCII alone, lines and dots are drawn with it, and the rest is a question mark.
    public func shown(_ text: String) -> String {
        guard !isUnicode else { return text }
        var result = ""
        for character in text {
            if character.isASCII {
                result.append(character)
            } else {
                result += Self.substitutes[character] ?? String(repeating: "?", count: TextWidth.columns(of: character))
            }
        }
        return result
    }

    private static let substitutes: [Character: String] = ["·": "-", "…": "~", "│": "|", "├": "|", "└": "`", "─": "-", "→": ">", "–": "-"]

    // MARK: Drawings

    private static let eighths: [Character] = ["▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"]
    private static let levels: [Character] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
    private static let plainLevels: [Character] = [".", "-", "#"]

    /// A bar of `width` columns, of which `share` (0...1) is full.
    func bar(_ share: Double, width: Int, isTrackShown: Bool = true) -> String {
        guard width > 0 else { return "" }
        let share = min(1, max(0, share.isFinite ? share : 0))
        guard isUnicode else {
            let full = Int((share * Double(width)).rounded(.down))
            return String(repeating: "#", count: full) + String(repeating: isTrackShown ? "-" : " ", count: width - full)
        }
        let parts = Int((share * Double(width * Self.eighths.count)).rounded(.down))
        let (full, rest) = parts.quotientAndRemainder(dividingBy: Self.eighths.count)
        var text = String(repeating: "█", count: full)
        if rest > 0 { text.append(Self.eighths[rest - 1]) }
        return text + String(repeating: isTrackShown ? "·" : " ", count: width - full - (rest > 0 ? 1 : 0))
    }

    /// A line of signs, one a value, as high as the value is beside the largest.
    func sparkline(_ values: [Double]) -> String {
        let levels = isUnicode ? Self.levels : Self.plainLevels
        let largest = values.max() ?? 0
        return String(
            values.map { value in
                guard value > 0, largest > 0 else { return " " }
                return levels[min(levels.count - 1, Int(value / largest * Double(levels.count)))]
            })
    }

    /// Dots of a braille sign, from the lowest up, left and right (Unicode, block 2800).
    private static let leftDots: [UInt32] = [0x40, 0x04, 0x02, 0x01]
    private static let rightDots: [UInt32] = [0x80, 0x20, 0x10, 0x08]

    /// An area of braille, two values a column, `rows` high.
    static func braille(_ values: [Double], rows: Int) -> [String] {
        let largest = values.max() ?? 0
        let dots = leftDots.count
        let heights = values.map { largest > 0 ? Int(($0 / largest * Double(rows * dots)).rounded(.up)) : 0 }
        return (0..<rows).map { row in
            let base = (rows - 1 - row) * dots
            let signs = stride(from: 0, to: heights.count, by: 2).map { index in
                var sign: UInt32 = 0x2800
                for dot in 0..<dots {
                    if heights[index] > base + dot { sign |= leftDots[dot] }
                    if index + 1 < heights.count, heights[index + 1] > base + dot { sign |= rightDots[dot] }
                }
                return Character(Unicode.Scalar(sign) ?? " ")
            }
            return String(signs)
        }
    }
}
