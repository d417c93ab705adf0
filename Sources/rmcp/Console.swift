import Glibc

/// What people read goes to standard error, always: standard output is for data (a bundle, JSON lines, a key).
enum Console {
    static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    static func error(_ text: String) { line("rmcp: \(text)") }

    static func line(_ text: String) { write(text + "\n", to: STDERR_FILENO) }
    static func standardOutput(_ text: String) { write(text + "\n", to: STDOUT_FILENO) }

    /// In one write where the descriptor takes it, so that lines of several processes do not mix.
    static func write(_ text: String, to descriptor: Int32) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    /// Columns of the terminal, 80 when it does not say.
    static var width: Int { size.columns }

    /// 80 columns and 24 rows when the terminal does not say.
    static var size: (columns: Int, rows: Int) {
        var size = winsize()
        guard unsafe ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 else { return (80, 24) }
        return (size.ws_col > 0 ? Int(size.ws_col) : 80, size.ws_row > 0 ? Int(size.ws_row) : 24)
    }
}

/// The whole terminal, drawn again and again in place. What was on it before comes back at the end.
struct LiveScreen {
    private var isOpen = false

    /// In one write, so that no half of a picture is ever seen. What does not fit is cut at the bottom, and said so.
    mutating func show(_ lines: [String]) {
        var text = isOpen ? "" : "\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l"
        isOpen = true
        let rows = Console.size.rows
        var shown = lines
        if lines.count > rows { shown = lines.prefix(max(0, rows - 1)) + ["… \(lines.count - rows + 1) more lines"] }
        text += "\u{1B}[H" + shown.map { $0 + "\u{1B}[K" }.joined(separator: "\r\n") + "\u{1B}[J"
        Console.write(text, to: STDERR_FILENO)
    }

    mutating func close() {
        guard isOpen else { return }
        Console.write("\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l", to: STDERR_FILENO)
        isOpen = false
    }
}

/// One line that is written over and over at the foot of the terminal; nothing when there is no terminal.
struct LiveLine {
    private let isActive: Bool
    private var isShown = false

    init(isActive: Bool) { self.isActive = isActive && Console.isTerminal }

    mutating func show(_ text: String) {
        guard isActive else { return }
        // One column is left free: writing into the last one wraps on some terminals.
        let cut = String(text.prefix(max(1, Console.width - 1)))
        Console.write("\r\(cut)\u{1B}[K", to: STDERR_FILENO)
        isShown = true
    }

    mutating func clear() {
        guard isShown else { return }
        Console.write("\r\u{1B}[K", to: STDERR_FILENO)
        isShown = false
    }

    /// A line that stays, above the live one.
    mutating func print(_ text: String) {
        clear()
        Console.line(text)
    }
}
