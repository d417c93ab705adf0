import RMCPProtocol

/// The view of a send as lines: blocks below one another on a narrow terminal, beside one another on a wide one.
public struct SendView {
    /// Picture that is shown; its lines fit.
    public struct Picture: Sendable {
        public var snapshot: SendSnapshot
        public var name: String
        public var history: RateHistory
        /// Lines that were said meanwhile, the newest last.
        public var messages: [String]
        /// Whether the picture stands still.
        public var isFrozen: Bool
        /// Whether the keys are explained.
        public var isHelpShown: Bool
        /// Whether keys do anything.
        public var hasKeys: Bool

        public init(
            snapshot: SendSnapshot, name: String, history: RateHistory, messages: [String] = [], isFrozen: Bool = false, isHelpShown: Bool = false,
            hasKeys: Bool = true
        ) {
            self.snapshot = snapshot
            self.name = name
            self.history = history
            self.messages = messages
            self.isFrozen = isFrozen
            self.isHelpShown = isHelpShown
            self.hasKeys = hasKeys
        }
    }

    private let picture: Picture
    private let style: ScreenStyle
    private let width: Int
    private let height: Int

    /// Columns from which blocks stand beside one another, and between two of them.
    private static let wide = 120
    private static let gap = 3
    /// Terminals below this have room for a line or a few.
    private static let leastWidth = 40
    private static let leastHeight = 10
    private static let brailleRows = 4
    private static let messageLimit = 3
    /// A minute, a second a column.
    private static let sparkColumns = 60

    public init(_ picture: Picture, width: Int, height: Int, style: ScreenStyle) {
        self.picture = picture
        self.width = max(1, width)
        self.height = max(1, height)
        self.style = style
    }

    /// No more lines than the height, none wider than the width.
    public func lines() -> [String] {
        guard width >= Self.leastWidth, height >= Self.leastHeight else { return small() }
        let foot = foot()
        let room = height - foot.count - 1
        let blocks = width >= Self.wide ? beside(room) : below(room)
        return [head()] + blocks.prefix(room) + foot
    }

    private var snapshot: SendSnapshot { picture.snapshot }
    private var dot: String { style.isUnicode ? "·" : "-" }

    private func cut(_ text: String, to limit: Int? = nil) -> String { TextWidth.cut(text, to: limit ?? width, ellipsis: style.isUnicode ? "…" : "~") }

    private func plain(_ text: String) -> String { style.shown(text) }

    // MARK: Parts

    private func head() -> String {
        let state = picture.isFrozen ? "FROZEN" : "\(snapshot.phase)"
        let right = " \(state) \(Units.time(snapshot.streaming ?? snapshot.elapsed))"
        let left = cut(plain("rmcp send \(BundleName.printable(picture.name))"), to: max(1, width - TextWidth.columns(of: right)))
        return style.bold(TextWidth.padded(left, to: width - TextWidth.columns(of: right)) + right)
    }

    private func small() -> [String] {
        let lines = [plain(picture.name), SendText.line(snapshot), ReceiverBlock.plainStates(snapshot.receivers), ReceiverBlock.loss(snapshot.receivers)]
        return lines.prefix(height).map { cut(plain($0)) }
    }

    private func foot() -> [String] {
        let messages = picture.messages.suffix(Self.messageLimit).map { cut(plain(BundleName.printable($0))) }
        guard picture.hasKeys else { return messages }
        guard picture.isHelpShown else { return messages + [faint("q leaves the view, not the transfer \(dot) space freezes \(dot) ? help")] }
        return [
            faint("q leaves the view: the transfer goes on, with its one line \(dot) space freezes"),
            faint("? hides this \(dot) Ctrl-C stops the transfer \(dot) Ctrl-Z suspends it"),
        ]
    }

    private func faint(_ text: String) -> String { style.faint(cut(text)) }

    private func title(_ text: String, to width: Int) -> String { style.bold(cut(text, to: width)) }

    /// Block of what has been sent, how fast, and how long it will take.
    private func transfer(width: Int, rows: Int) -> [String] {
        var lines: [String] = []
        if let length = snapshot.contentLength, length > 0 {
            let share = Double(snapshot.contentSent) / Double(length)
            let files = snapshot.tree.map { "\(Units.size($0.bytes)) in \(Units.count(UInt64($0.files), "file"))" }
            let amount = files ?? "\(Units.size(snapshot.contentSent)) of \(Units.size(length))"
            let percent = share < 1 ? Units.percent(min(share, 0.99)) : "100 %"
            let right = TextWidth.right(percent, to: 6)
            lines.append(cut(amount, to: width))
            lines.append(style.bar(share, width: max(1, width - 6)) + right)
        } else {
            lines.append(cut("\(Units.size(snapshot.contentSent)) sent of a stream", to: width))
        }
        let now = picture.history.rates.last ?? 0
        let most = picture.history.rates.max() ?? 0
        lines.append(cut("now \(Units.rate(bitsPerSecond: now)), at most \(Units.rate(bitsPerSecond: most)) in a minute", to: width))
        if rows > Self.brailleRows + lines.count, style.isUnicode, width * 2 <= RateHistory.length || self.width >= Self.wide {
            lines += ScreenStyle.braille(picture.history.newest(min(width * 2, RateHistory.length)), rows: Self.brailleRows)
        } else {
            lines.append(style.sparkline(picture.history.newest(columns: min(width, Self.sparkColumns))))
        }
        if let eta = SendText.etaRange(snapshot) { lines.append(cut("ETA \(eta)", to: width)) }
        return lines
    }

    /// Block of who is where.
    private func receivers(width: Int) -> [String] {
        ReceiverBlock.progress(snapshot.receivers, width: width, style).map { cut($0, to: width) }
    }

    private func states(width: Int) -> [String] {
        let text = ReceiverBlock.plainStates(snapshot.receivers)
        guard TextWidth.columns(of: text) <= width else { return [cut(plain(text), to: width)] }
        return [style.isUnicode ? ReceiverBlock.states(snapshot.receivers, style) : plain(text)]
    }

    private func network(width: Int) -> [String] {
        let counters = snapshot.counters
        let repaired = counters.repairBytes &+ counters.catchUpBytes
        let sent = repaired &+ counters.firstBytes &+ counters.relayedBytes
        var lines = [
            ReceiverBlock.loss(snapshot.receivers),
            "repairs \(sent > 0 ? Units.percent(Double(repaired) / Double(sent)) : "0 %") of what was sent (\(Units.size(repaired))), \(counters.naksReceived) NAKs",
            "may send \(Units.rate(bitsPerSecond: snapshot.rate)), round trip \(Units.fixed(snapshot.groupRoundTrip.inSeconds * 1_000, digits: 1)) ms, level \(snapshot.level)",
        ]
        let tree = snapshot.receivers.tree
        if tree.repairNodes > 0 { lines.append("\(tree.completeRepairNodes) of \(Units.count(tree.repairNodes, "repair node")) hold everything") }
        if tree.refusals.total > 0 { lines.append("\(Units.count(tree.refusals.total, "receiver")) refused") }
        return lines.map { cut($0, to: width) }
    }

    // MARK: Arrangements

    private func below(_ room: Int) -> [String] {
        let network = network(width: width)
        let states = states(width: width)
        let transfer = transfer(width: width, rows: 0)
        // The histogram goes first where there is no room.
        var lines = transfer + states + network
        let histogram = receivers(width: width)
        if room >= lines.count + histogram.count { lines = transfer + states + histogram + network }
        if room >= lines.count + 2, lines.count > transfer.count + states.count + network.count {
            lines = transfer + [""] + states + histogram + [""] + network
        }
        return lines
    }

    private func beside(_ room: Int) -> [String] {
        let column = (width - 2 * Self.gap) / 3
        let blocks = [
            [title("TRANSFER", to: column)] + transfer(width: column, rows: room - 1),
            [title("RECEIVERS", to: column)] + states(width: column) + receivers(width: column),
            [title("NETWORK", to: column)] + network(width: column),
        ]
        let height = blocks.map(\.count).max() ?? 0
        let rows = (0..<min(height, max(1, room - 1))).map { row in
            blocks.map { block in row < block.count ? Self.filled(block[row], to: column) : String(repeating: " ", count: column) }
                .joined(separator: String(repeating: " ", count: Self.gap))
        }
        return [""]
            + rows.map { row in
                var row = row
                while row.hasSuffix(" ") { row.removeLast() }
                return row
            }
    }

    /// Blanks up to a width; emphasis takes no columns.
    private static func filled(_ text: String, to width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - visibleColumns(of: text)))
    }

    static func visibleColumns(of text: String) -> Int {
        var (visible, isCode) = ("", false)
        for character in text {
            if character == "\u{1B}" { isCode = true } else if isCode { isCode = character != "m" } else { visible.append(character) }
        }
        return TextWidth.columns(of: visible)
    }
}
