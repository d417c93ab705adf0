/// A chart as HTML: shapes in an SVG that is stretched to the width that there is, and labels beside it that are not.
struct Chart {
    /// Units of the drawing along either side.
    private static let side = 1_000.0

    let horizontal: Axis
    let vertical: Axis
    /// Says to whoever cannot see it what it shows.
    let title: String
    private var shapes = ""
    private var overlays = ""
    private var marks = ""

    init(title: String, horizontal: Axis, vertical: Axis) {
        self.title = title
        self.horizontal = horizontal
        self.vertical = vertical
    }

    private func x(_ value: Double) -> String { Markup.number(horizontal.position(value) * Self.side) }
    private func y(_ value: Double) -> String { Markup.number((1 - vertical.position(value)) * Self.side) }

    // MARK: Shapes

    /// An area between two curves over the same places.
    mutating func area(_ style: String, _ points: [(x: Double, low: Double, high: Double)], title: String) {
        guard points.contains(where: { $0.high > $0.low }) else { return }
        let upper = points.map { "\(x($0.x)) \(y($0.high))" }
        let lower = points.reversed().map { "\(x($0.x)) \(y($0.low))" }
        shapes += "<path class=\"\(style)\" d=\"M\((upper + lower).joined(separator: "L"))Z\"><title>\(Markup.escaped(title))</title></path>"
    }

    mutating func line(_ style: String, _ points: [(x: Double, y: Double)], title: String) {
        guard !points.isEmpty else { return }
        let path = points.map { "\(x($0.x)) \(y($0.y))" }.joined(separator: "L")
        overlays += "<path class=\"line \(style)\" d=\"M\(path)\"><title>\(Markup.escaped(title))</title></path>"
    }

    /// A line that goes up in steps.
    mutating func steps(_ style: String, _ points: [(x: Double, y: Double)], title: String) {
        var stepped: [(x: Double, y: Double)] = []
        for point in points {
            if let last = stepped.last, last.y != point.y { stepped.append((point.x, last.y)) }
            stepped.append(point)
        }
        line(style, stepped, title: title)
    }

    /// A dot that is round however the drawing is stretched: a line without length, with round ends.
    mutating func dot(_ style: String, x value: Double, y height: Double, title: String) {
        marks += "<path class=\"dot \(style)\" d=\"M\(x(value)) \(y(height))h0\"><title>\(Markup.escaped(title))</title></path>"
    }

    /// A line from top to bottom.
    mutating func rule(_ style: String, x value: Double, title: String) {
        overlays += "<path class=\"rule \(style)\" d=\"M\(x(value)) 0V\(Markup.number(Self.side))\"><title>\(Markup.escaped(title))</title></path>"
    }

    /// A column that is not seen, and tells what is there to whoever points at it.
    mutating func tip(from left: Double, to right: Double, _ title: String) {
        let (left, right) = (horizontal.position(left) * Self.side, horizontal.position(right) * Self.side)
        guard right > left else { return }
        marks +=
            "<rect class=\"tip\" x=\"\(Markup.number(left))\" y=\"0\" width=\"\(Markup.number(right - left))\" height=\"\(Markup.number(Self.side))\">"
            + "<title>\(Markup.escaped(title))</title></rect>"
    }

    // MARK: HTML

    /// - Parameters:
    ///   - legend: styles and their names, in the order in which they are seen.
    ///   - flags: numbers above the drawing; each takes one of several rows, so that none covers another.
    func html(legend: [(style: String, name: String)], flags: [(x: Double, text: String, title: String)] = []) -> String {
        let grid =
            vertical.ticks.map { "<path class=\"grid\" d=\"M0 \(y($0.value))H\(Markup.number(Self.side))\"/>" }.joined()
            + horizontal.ticks.map { "<path class=\"grid faint\" d=\"M\(x($0.value)) 0V\(Markup.number(Self.side))\"/>" }.joined()
        let rows = vertical.ticks.map { "<span style=\"bottom:\(percent(vertical.position($0.value)))\">\($0.label)</span>" }.joined()
        let columns = horizontal.ticks.map { tick in
            let position = horizontal.position(tick.value)
            let style = position > Self.lastLabel ? "right:0" : "left:\(percent(position))"
            return "<span class=\"\(position == 0 ? "first" : position > Self.lastLabel ? "last" : "")\" style=\"\(style)\">\(tick.label)</span>"
        }.joined()
        let keys = legend.map { "<li><i class=\"\($0.style)\"></i>\(Markup.escaped($0.name))</li>" }.joined()
        return """
            <figure>\(self.flags(flags))<div class="plot"><div class="rows" aria-hidden="true">\(rows)</div>\
            <svg viewBox="0 0 1000 1000" preserveAspectRatio="none" role="img" aria-label="\(Markup.escaped(title))">\
            \(grid)\(shapes)\(overlays)\(marks)</svg>\
            <div class="columns" aria-hidden="true">\(columns)</div></div>\(keys.isEmpty ? "" : "<ul class=\"legend\">\(keys)</ul>")</figure>
            """
    }

    /// Place (0...1) from which a label would stand out at the right.
    private static let lastLabel = 0.97
    /// Rows of flags, and the room that one takes (0...1) on the narrowest page.
    private static let flagRows = 4
    private static let flagWidth = 0.07

    private func flags(_ flags: [(x: Double, text: String, title: String)]) -> String {
        guard !flags.isEmpty else { return "" }
        var ends = Array(repeating: -1.0, count: Self.flagRows)
        var used = 1
        var spans = ""
        for flag in flags {
            let place = horizontal.position(flag.x)
            let row = ends.indices.first { ends[$0] + Self.flagWidth <= place } ?? ends.indices.min { ends[$0] < ends[$1] } ?? 0
            ends[row] = max(ends[row], place)
            used = max(used, row + 1)
            spans += "<span style=\"left:\(percent(place));bottom:\(row * 20)px\" title=\"\(Markup.escaped(flag.title))\">\(flag.text)</span>"
        }
        return "<div class=\"flags\" style=\"height:\(used * 20)px\" aria-hidden=\"true\">\(spans)</div>"
    }

    private func percent(_ share: Double) -> String { Markup.number(share * 100) + "%" }
}
