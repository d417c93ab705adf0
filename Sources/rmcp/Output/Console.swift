import Glibc
import RMCPHost
import RMCPProtocol
import RMCPReport

/// What people read goes to standard error, always: standard output is for data (a bundle, JSON lines, a key).
///
/// Nothing that is said holds up who says it: threads write, and what nobody reads is left out in the end. Results that a
/// command is run for (`result`) are written, or the command fails.
enum Console {
    static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    static func error(_ text: String) { tell(text, .error) }
    static func warning(_ text: String) { tell(text, .warning) }
    static func line(_ text: String) { say(text, .info) }

    /// Readers of the journal know who says it.
    private static func tell(_ text: String, _ level: JournalStream.Level) { say(isJournal ? text : "rmcp: \(text)", level) }

    private static func say(_ text: String, _ level: JournalStream.Level) {
        guard isJournal else { return write(text + "\n", .line) }
        // A level is of one line.
        write(text.split(separator: "\n").map { "\(level.prefix)\($0)\n" }.joined(), .line)
    }

    /// Whether standard error is the journal, as a service's is.
    private static let isJournal = JournalStream.isConnected(to: STDERR_FILENO)

    /// Standard error. Returns at once, whatever becomes of the text.
    static func write(_ text: String, _ weight: LineWriter.Weight) { standardError.write(SystemText.printable(text), weight) }

    /// Lines of events for programs: standard output. Returns at once.
    static func event(_ line: JSONLine) { standardOutput.write(text(of: line), line.isProgress ? .progress : .line) }

    /// Whatever signal ends the process before anybody listens for them: programs are told.
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
    static func result(_ line: String) throws(HostError) {
        try ProcessStart.requireOpen(STDOUT_FILENO, "standard output", for: "the result goes there: \(line)")
        guard let code = DescriptorWriter.write(Array((line + "\n").utf8), to: STDOUT_FILENO) else { return }
        throw HostError("cannot write to standard output: \(reason(code)); what belongs there: \(line)")
    }

    private static let standardError = LineWriter(STDERR_FILENO, name: "rmcp-stderr") {
        "\(isJournal ? JournalStream.Level.warning.prefix : "rmcp: ")\($0) lines were left out, since nobody read them\n"
    }

    private static let standardOutput = LineWriter(
        STDOUT_FILENO, name: "rmcp-stdout", note: { text(of: .dropped($0)) },
        onError: { code in
            // Whoever has read enough and gone knows it.
            guard code != EPIPE else { return }
            let loss = HostError("cannot write to standard output: \(reason(code)); what is said there is lost")
            error(loss.description)
            outputError.withLock { $0 = loss }
        })

    /// Fault for which lines of events could not be written; nil while all are.
    static var lostOutput: HostError? { outputError.withLock { $0 } }

    private static let outputError = LockedValue<HostError?>(nil)

    private static func reason(_ code: Int32) -> String { unsafe String(cString: strerror(code)).lowercased() }

    static func now() -> Instant {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// Milliseconds since 1970.
    private static func wallClock() -> UInt64 {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(max(0, time.tv_sec)) * 1_000 + UInt64(time.tv_nsec) / 1_000_000
    }

    /// How long the end waits for readers that have stopped.
    private static let patience = Interval.seconds(2)

    /// Waits until what was said is written, for a while at most.
    static func finish() {
        let deadline = now() + patience
        standardOutput.finish(within: patience)
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

/// The whole terminal, drawn again and again in place. What was on it before comes back at the end.
struct LiveScreen {
    private var isOpen = false

    /// In one write, so that no half of a picture is ever seen. What does not fit is cut at the bottom, and said so.
    mutating func show(_ lines: [String]) {
        if !isOpen {
            Suspension.begin()
            Console.write(Suspension.enter.description, .line)
        }
        isOpen = true
        let rows = Console.size.rows
        var shown = lines
        if lines.count > rows { shown = lines.prefix(max(0, rows - 1)) + ["… \(lines.count - rows + 1) more lines"] }
        let text = "\u{1B}[H" + shown.map { $0 + "\u{1B}[K" }.joined(separator: "\r\n") + "\u{1B}[J"
        Console.write(text, .live)
    }

    mutating func close() {
        guard isOpen else { return }
        Console.write(Suspension.leave.description, .line)
        Suspension.end()
        isOpen = false
    }
}

/// Ctrl-Z while the whole terminal is drawn on: the shell gets it as it was, and it is drawn on again afterwards. In a
/// signal's handler, which does nothing but write, stop, and write.
private enum Suspension {
    static let enter: StaticString = "\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l"
    static let leave: StaticString = "\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l"

    static func begin() {
        // Some parents leave it blocked.
        var set = sigset_t()
        _ = unsafe sigemptyset(&set)
        _ = unsafe sigaddset(&set, SIGTSTP)
        _ = unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
        // Shells without job control ignore it.
        let before = signal(SIGTSTP) { _ in
            _ = unsafe Glibc.write(STDERR_FILENO, Suspension.leave.utf8Start, Suspension.leave.utf8CodeUnitCount)
            _ = raise(SIGSTOP)
            _ = unsafe Glibc.write(STDERR_FILENO, Suspension.enter.utf8Start, Suspension.enter.utf8CodeUnitCount)
        }
        if unsafe unsafeBitCast(before, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self) { _ = signal(SIGTSTP, SIG_IGN) }
    }

    static func end() { _ = signal(SIGTSTP, SIG_DFL) }
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
