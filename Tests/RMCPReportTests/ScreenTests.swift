import Foundation
import RMCPProtocol
import Testing

@testable import RMCPReport

/// Pictures on a terminal, as text.
@Suite struct ScreenTests {
    private static let unicode = ScreenStyle(isUnicode: true, hasColor: false)
    private static let plain = ScreenStyle(isUnicode: false, hasColor: false)

    private static func snapshot(receivers: Int = 40) -> SendSnapshot {
        var histogram = StatusHistogram()
        for index in 0..<receivers {
            let (state, progress): (ReceiverState, UInt8) =
                switch index % 10 {
                case 0: (.complete, 10)
                case 1: (.behind, 1)
                case 2: (.failedDiskFull, 3)
                default: (.receiving, UInt8(4 + index % 3))
                }
            histogram.add(
                LeafStatus(state: state, progress: progress, network: .init(loss: UInt8(index % 9), pressure: 0, arrival: nil), isRehomed: false, chunksDone: 1)
            )
        }
        histogram.tree.repairNodes = receivers > 0 ? 2 : 0
        var counters = SenderCounters()
        counters.firstBytes = 500_000_000
        counters.repairBytes = 12_000_000
        counters.catchUpBytes = 3_000_000
        counters.naksReceived = 321
        var snapshot = SendSnapshot(
            phase: .streaming, elapsed: .seconds(45), streaming: .seconds(40), contentSent: 512 << 20, contentLength: 1_024 << 20, encodedLength: 500_000_000,
            rate: 200e6, receivers: histogram, medianLoss: 0.004, groupRoundTrip: .milliseconds(3), counters: counters, unsent: 0, unanswerable: 0)
        snapshot.level = 3
        return snapshot
    }

    private static func history() -> RateHistory {
        var history = RateHistory()
        var bytes: UInt64 = 0
        for step in 0...90 {
            history.note(bytes, at: .seconds(Double(step) / 2))
            bytes += UInt64(min(step, 30) * 400_000 + step % 7 * 100_000)
        }
        return history
    }

    private static func lines(
        _ width: Int, _ height: Int, _ style: ScreenStyle, name: String = "image.iso", receivers: Int = 40,
        _ change: (inout SendView.Picture) -> Void = { _ in }
    ) -> [String] {
        var picture = SendView.Picture(snapshot: snapshot(receivers: receivers), name: name, history: history(), messages: ["started with 40 receivers"])
        change(&picture)
        return SendView(picture, width: width, height: height, style: style).lines()
    }

    private func expect(_ name: String, _ lines: [String]) {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden/\(name)")
        let text = lines.map { $0 + "\n" }.joined()
        #expect((try? String(contentsOf: path, encoding: .utf8)) == text, "\(name) is now\n\(text)")
    }

    @Test("Screens of 80 and 200 columns, with and without Unicode, and small ones")
    func screens() {
        expect("view-80x24.txt", Self.lines(79, 24, Self.unicode))
        expect("view-80x24-plain.txt", Self.lines(79, 24, Self.plain))
        expect("view-80x24-help.txt", Self.lines(79, 24, Self.unicode) { $0.isHelpShown = true })
        expect("view-200x50.txt", Self.lines(199, 50, Self.unicode))
        expect("view-200x50-plain.txt", Self.lines(199, 50, Self.plain))
        expect("view-39x9.txt", Self.lines(38, 9, Self.unicode))
    }

    @Test("Whatever the size, lines fit, and nothing but ASCII is there where nothing else is shown")
    func sizes() {
        for width in [1, 2, 5, 10, 39, 40, 41, 60, 79, 100, 119, 120, 121, 160, 199, 300, 1_000] {
            for height in [1, 2, 3, 8, 9, 10, 11, 15, 24, 50] {
                for style in [Self.unicode, Self.plain, ScreenStyle(isUnicode: true, hasColor: true)] {
                    for receivers in [0, 3, 40] {
                        let lines = Self.lines(width, height, style, name: "学校の画像-e\u{301}-👩‍👩‍👧.iso", receivers: receivers) { $0.isHelpShown = receivers == 3 }
                        #expect(lines.count <= height, "\(width)x\(height)")
                        #expect(lines.allSatisfy { SendView.visibleColumns(of: $0) <= width }, "\(width)x\(height)")
                        if !style.isUnicode { #expect(lines.allSatisfy { $0.utf8.allSatisfy { $0 < 0x80 } }, "\(width)x\(height)") }
                    }
                }
            }
        }
    }

    @Test("Without colour the same is said")
    func colors() {
        let coloured = Self.lines(79, 24, ScreenStyle(isUnicode: true, hasColor: true))
        let bare = coloured.map { line in
            var (visible, isCode) = ("", false)
            for character in line { if character == "\u{1B}" { isCode = true } else if isCode { isCode = character != "m" } else { visible.append(character) } }
            return visible
        }
        #expect(coloured != bare && bare == Self.lines(79, 24, Self.unicode))
    }

    @Test("Text is as wide as terminals show it")
    func widths() {
        let cases: [(String, Int)] = [
            ("", 0), ("abc", 3), ("ä", 1), ("a\u{308}", 1), ("字", 2), ("한글", 4), ("\u{1112}\u{1161}\u{11AB}", 2), ("ｱ", 1), ("Ａ", 2), ("👍", 2), ("❤", 1),
            ("❤\u{FE0F}", 2), ("🇩🇪", 4), ("\u{200B}x\u{200D}", 1), ("│├─", 3), ("▏█", 2), ("⣿", 1), ("\u{AD}", 0), ("…", 1), ("𠀀", 2),
        ]
        for (text, columns) in cases { #expect(TextWidth.columns(of: text) == columns, "\(text)") }
        #expect(TextWidth.cut("字字字字", to: 8) == "字字字字" && TextWidth.cut("字字字字", to: 7) == "字字字…" && TextWidth.cut("字字字字", to: 6) == "字字…")
        #expect(TextWidth.cut("abc", to: 0) == "" && TextWidth.cut("abc", to: 1) == "…" && TextWidth.cut("e\u{301}e\u{301}", to: 2) == "e\u{301}e\u{301}")
        #expect(TextWidth.padded("字", to: 4) == "字  " && TextWidth.right("字", to: 4) == "  字" && TextWidth.padded("字字字", to: 4) == "字字字")
        let long = String(repeating: "e\u{301}\u{302}字👍", count: 500)
        for width in 0..<100 { #expect(TextWidth.columns(of: TextWidth.cut(long, to: width)) <= width) }
    }

    @Test("Bars and lines of signs")
    func signs() {
        #expect(Self.unicode.bar(0.5, width: 4) == "██··" && Self.plain.bar(0.5, width: 4) == "##--")
        #expect(Self.unicode.bar(0.0625, width: 4) == "▎···" && Self.unicode.bar(1, width: 4) == "████" && Self.unicode.bar(.nan, width: 2) == "··")
        #expect(Self.unicode.bar(7, width: 2) == "██" && Self.plain.bar(-1, width: 2) == "--" && Self.plain.bar(1, width: 0) == "")
        #expect(Self.unicode.sparkline([0, 1, 4, 8]) == " ▂▅█" && Self.plain.sparkline([0, 1, 4, 8]) == " .-#")
        #expect(ScreenStyle.braille([4, 8, 0], rows: 1) == ["\u{2800}"].map { _ in "⣤⡀" } || ScreenStyle.braille([4, 8], rows: 1).first?.count == 1)
        #expect(
            ScreenStyle.braille([8, 8], rows: 2) == ["⣿", "⣿"] && ScreenStyle.braille([4, 8], rows: 2) == ["⢸", "⣿"]
                && ScreenStyle.braille([0, 0], rows: 1) == ["⠀"])
    }

    @Test("A minute of rates, and gaps as long as they were")
    func history() {
        let values = Self.history().newest(4)
        #expect(values.count == 4 && values.allSatisfy { $0 > 190e6 })
        var history = RateHistory()
        for second in 0..<1_000 { history.note(UInt64(second) * 1_000, at: .seconds(Double(second))) }
        #expect(history.rates.count == RateHistory.length && history.newest(columns: 60) == Array(repeating: 8_000, count: 60))
        // A counter that falls is no rate.
        history.note(0, at: .seconds(1_001))
        #expect(history.rates.last == 0)
    }

    @Test("A log gets a line after each tenth, and after half a minute without one")
    func steps() {
        var steps = ProgressSteps()
        let fast = (0...1_000).filter { steps.advance(toShare: Double($0) / 1_000, at: .seconds(Double($0) / 100)) }
        #expect(fast == Array(stride(from: 100, through: 900, by: 100)))
        var slow = ProgressSteps()
        #expect((0...100).filter { slow.advance(toShare: 0.01, at: .seconds(Double($0))) } == [30, 60, 90])
        var stream = ProgressSteps()
        #expect((0...100).filter { stream.advance(toShare: nil, at: .seconds(Double($0))) } == [30, 60, 90])
        // The next transfer begins anew.
        #expect(!steps.advance(toShare: 0, at: .zero) && steps.advance(toShare: 0.1, at: .seconds(1)) && !steps.advance(toShare: 0.19, at: .seconds(2)))
    }

    @Test("How long it takes: for nine in ten, and for the slowest")
    func eta() {
        var snapshot = Self.snapshot()
        #expect(SendText.etaRange(snapshot) == "1:04 to 1:12")
        snapshot.receivers = StatusHistogram(LeafStatus(state: .receiving, progress: 5, network: nil))
        #expect(SendText.etaRange(snapshot) == "40 s")
        snapshot.receivers = StatusHistogram(LeafStatus(state: .complete, progress: 10, network: nil))
        #expect(SendText.etaRange(snapshot) == nil)
    }
}
