import Glibc
import RMCPSimulator

/// Rate, arrival, queue and loss over time, one above the other, as an SVG.
struct PacePlot {
    private struct Line {
        var name: String
        var colour: String
        var values: [Double]
    }

    private let title: String
    private let samples: [PaceSample]
    private let link: Double?

    private static let width = 900.0
    private static let panelHeight = 190.0
    private static let gap = 46.0
    private static let left = 70.0

    init(_ pace: PaceCase, _ samples: [PaceSample]) {
        title = "\(pace.name): \(pace.summary)"
        link = pace.link
        // Samples after the last byte say nothing.
        let last = samples.lastIndex { $0.sent > 0 } ?? 0
        self.samples = Array(samples.prefix(last + 1))
    }

    func write(to path: String) throws {
        guard let file = unsafe fopen(path, "w") else { throw PlotError(path: path, reason: errno) }
        unsafe fputs(svg, file)
        guard unsafe fclose(file) == 0 else { throw PlotError(path: path, reason: errno) }
    }

    private var svg: String {
        let hasOthers = samples.contains { $0.others > 0 }
        let panels = [
            ("Mb/s", rateLines + (hasOthers ? [Line(name: "others", colour: "#c0392b", values: samples.map { $0.others / 1e6 })] : [])),
            ("queue, ms", [Line(name: "at the link", colour: "#7a9a3a", values: samples.map { $0.queue * 1e3 })]),
            (
                "% full",
                [
                    Line(name: "socket", colour: "#d9822b", values: samples.map { $0.socket * 100 }),
                    Line(name: "chunks that wait for the disk", colour: "#7f7f7f", values: samples.map { $0.storage * 100 }),
                ]
            ),
            ("% lost", [Line(name: "lost", colour: "#c0392b", values: samples.map { $0.lost * 100 })]),
        ]
        let height = Double(panels.count) * (Self.panelHeight + Self.gap) + Self.gap
        var text = """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(Self.width)" height="\(height)" font-family="sans-serif" font-size="12">
            <rect width="100%" height="100%" fill="white"/>
            <text x="\(Self.left)" y="20" font-size="14">\(title)</text>

            """
        for (index, panel) in panels.enumerated() {
            text += draw(panel.1, unit: panel.0, top: Self.gap + Double(index) * (Self.panelHeight + Self.gap))
        }
        return text + "</svg>\n"
    }

    private var rateLines: [Line] {
        [
            Line(name: "arrives at a receiver", colour: "#2aa198", values: samples.map { $0.arrived / 1e6 }),
            Line(name: "sent", colour: "#9cc3e4", values: samples.map { $0.sent / 1e6 }),
            Line(name: "rate", colour: "#1f6fb4", values: samples.map { $0.rate / 1e6 }),
        ]
    }

    private func draw(_ lines: [Line], unit: String, top: Double) -> String {
        let most = max(lines.flatMap(\.values).max() ?? 0, 1e-3)
        let end = max(samples.last?.time ?? 1, 1e-3)
        let right = Self.width - 20
        let bottom = top + Self.panelHeight
        let x = { (time: Double) in Self.left + time / end * (right - Self.left) }
        let y = { (value: Double) in bottom - value / most * (Self.panelHeight - 10) }
        var text = "<path d=\"M\(Self.left) \(top)V\(bottom)H\(right)\" fill=\"none\" stroke=\"#999\"/>\n"
        text += "<text x=\"\(Self.left - 6)\" y=\"\(y(most) + 4)\" text-anchor=\"end\">\(PaceTable.text(most))</text>\n"
        text += "<text x=\"\(Self.left - 6)\" y=\"\(bottom)\" text-anchor=\"end\">0</text>\n"
        text += "<text x=\"8\" y=\"\(top + Self.panelHeight / 2)\">\(unit)</text>\n"
        text += "<text x=\"\(right)\" y=\"\(bottom + 16)\" text-anchor=\"end\">\(PaceTable.text(end)) s</text>\n"
        var place = Self.left + 10
        for line in lines {
            let points = zip(samples, line.values).map { "\(Self.short(x($0.time))),\(Self.short(y($1)))" }.joined(separator: " ")
            text += "<polyline points=\"\(points)\" fill=\"none\" stroke=\"\(line.colour)\" stroke-width=\"1.3\"/>\n"
            text += "<text x=\"\(place)\" y=\"\(bottom + 16)\" fill=\"\(line.colour)\">\(line.name)</text>\n"
            place += 14 + 7 * Double(line.name.count)
        }
        if let link, unit == "Mb/s" {
            text += "<path d=\"M\(Self.left) \(y(link / 1e6))H\(right)\" stroke=\"#333\" stroke-dasharray=\"2 3\"/>\n"
        }
        return text
    }

    /// Tenths of a pixel keep the file small.
    private static func short(_ value: Double) -> Double { (value * 10).rounded() / 10 }
}

/// A plot that could not be written.
struct PlotError: Error, CustomStringConvertible {
    var path: String
    var reason: Int32
    var description: String { "\(path): \(unsafe String(cString: strerror(reason)))" }
}
