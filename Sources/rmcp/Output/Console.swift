import Glibc
import RMCPHost
import RMCPProtocol
import RMCPReport

/// What people read goes to standard error, always: standard output is for data (a bundle, JSON lines, a key).
///
/// Nothing that is said holds up who says it: threads write, and what nobody reads is left out in the end. Results that a
/// command is run for (`result`) are written, or the command fails.
enum Console {
    /// Whether standard error is a terminal that can be drawn on.
    static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 && !Terminal.isDumb(SystemText.variable) }

    /// Whether lines for programs go to a terminal.
    static var isOutputTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    static func error(_ text: String) { tell(text, .error) }
    static func warning(_ text: String) { tell(text, .warning) }
    static func line(_ text: String) { say(text, .info) }

    /// Readers of the journal know who says it.
    private static func tell(_ text: String, _ level: JournalStream.Level) { say(isJournal ? text : "rmcp: \(text)", level) }

    private static func say(_ text: String, _ level: JournalStream.Level) {
        // Paths and names are others' as much as what senders announce.
        let text = String(String.UnicodeScalarView(text.unicodeScalars.map { $0 == "\n" || BundleName.isPrintable($0) ? $0 : "?" }))
        guard isJournal else { return write(text + "\n", .line) }
        // A level is of one line.
        write(text.split(separator: "\n").map { "\(level.prefix)\($0)\n" }.joined(), .line)
    }

    /// Whether standard error is the journal, as a service's is.
    private static let isJournal = JournalStream.isConnected(to: STDERR_FILENO)

    /// Standard error. Returns at once, whatever becomes of the text.
    static func write(_ text: String, _ weight: LineWriter.Weight) { standardError.write(shown(SystemText.printable(text)), weight) }

    /// Signs of this program's own that a terminal without UTF-8 would garble.
    private static func shown(_ text: String) -> String {
        guard isPlainTerminal else { return text }
        return text.reduce(into: "") { result, character in
            switch character {
            case "·": result += "-"
            case "…": result += "..."
            default: result.append(character)
            }
        }
    }

    private static let isPlainTerminal = isTerminal && !Terminal.isUnicode(SystemText.variable)

    /// Lines of events for programs: standard output. Returns at once.
    static func event(_ line: JSONLine) { event(text(of: line), isProgress: line.isProgress) }

    /// - Parameter isProgress: whether it may be left out, since the next one says the same, newer.
    static func event(_ text: String, isProgress: Bool) { standardOutput.write(text, isProgress ? .progress : .line) }

    /// A signal that ends the process before anybody listens for them: programs are told.
    /// - Parameter isService: SIGTERM is how services are ended, and is no failure.
    static func tellOfSignals(isService: Bool) {
        let ending = Ending.interrupted()
        let line = JSONLine.error(ending.status, message: ending.message, hint: ending.hint).text(of: command.withLock { $0 }, at: 0)
        StopSignals.endWithLine(line + "\n", time: Units.timestamp(milliseconds: 0), isService: isService)
    }

    /// Names the command whose lines these are.
    static func name(_ text: String) { command.withLock { $0 = text } }

    private static let command = LockedValue("rmcp")

    /// A line as programs get it, with its break.
    static func text(of line: JSONLine) -> String {
        SystemText.printable(line.text(of: command.withLock { $0 }, at: wallClock()), backslash: "\\\\") + "\n"
    }

    /// A result that is asked for, on standard output: written when this returns.
    /// - Parameter isForPeople: whoever has read enough of it and gone knows that.
    static func result(_ line: String, isForPeople: Bool = false) throws(HostError) {
        try ProcessStart.requireOpen(STDOUT_FILENO, "standard output", for: "the result goes there\(line.contains("\n") ? "" : ": \(line)")")
        guard let code = DescriptorWriter.write(Array((line + "\n").utf8), to: STDOUT_FILENO), !(isForPeople && code == EPIPE) else { return }
        throw HostError("cannot write to standard output: \(reason(code))\(line.contains("\n") ? "" : "; what belongs there: \(line)")")
    }

    private static let standardError = LineWriter(STDERR_FILENO, name: "rmcp-stderr") {
        "\(isJournal ? JournalStream.Level.warning.prefix : "rmcp: ")\($0) lines were left out, since nobody read them\n"
    }

    private static let standardOutput = LineWriter(
        STDOUT_FILENO, name: "rmcp-stdout", note: { text(of: .dropped($0)) },
        onError: { code in
            // Whoever has read enough and gone knows it.
            guard code != EPIPE else { return }
            lose(HostError("cannot write to standard output: \(reason(code)); what is said there is lost"))
        })

    private static func lose(_ loss: HostError) {
        error(loss.description)
        outputError.withLock { $0 = loss }
    }

    /// Fault for which lines of events could not be written; nil while all are.
    static var lostOutput: HostError? { outputError.withLock { $0 } }

    /// Standard output has no reader any more.
    static var hasNoReader: Bool {
        var entry = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
        return unsafe poll(&entry, 1, 0) == 1 && Int32(entry.revents) & (POLLERR | POLLHUP) != 0
    }

    private static let outputError = LockedValue<HostError?>(nil)

    private static func reason(_ code: Int32) -> String { unsafe String(cString: strerror(code)).lowercased() }

    static func now() -> Instant {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// Milliseconds since 1970.
    static func wallClock() -> UInt64 {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(max(0, time.tv_sec)) * 1_000 + UInt64(time.tv_nsec) / 1_000_000
    }

    /// How long the end waits for readers that have stopped.
    private static let patience = Interval.seconds(2)

    /// Waits until what was said is written, for a while at most.
    static func finish() {
        let deadline = now() + patience
        if !standardOutput.finish(within: patience), lostOutput == nil {
            lose(HostError("nobody has read standard output for \(Units.time(patience)); what was still to be said there is lost"))
        }
        standardError.finish(within: max(.zero, deadline - now()))
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

/// One line that is written over and over at the foot of the terminal; nothing when there is no terminal.
struct LiveLine {
    /// Whether there is a terminal, and somebody who wants to see it.
    let isActive: Bool
    private var isShown = false

    init(isActive: Bool) { self.isActive = isActive && Console.isTerminal }

    mutating func show(_ text: String) {
        guard isActive else { return }
        // One column is left free: writing into the last one wraps on some terminals.
        let cut = TextWidth.cut(text, to: max(1, Console.width - 1))
        Console.write("\r\(cut)\u{1B}[K", .live)
        isShown = true
    }

    mutating func clear() {
        guard isShown else { return }
        Console.write("\r\u{1B}[K", .line)
        isShown = false
    }

    /// Something that should be known: a line that stays.
    mutating func warn(_ text: String) {
        clear()
        Console.warning(text)
    }

    /// A line that stays, above the live one.
    mutating func print(_ text: String) {
        clear()
        Console.line(text)
    }
}
