import Glibc
import RMCPHost
import RMCPReport

/// The whole terminal, drawn again and again in place. What was on it before comes back at the end.
struct LiveScreen {
    private var isOpen = false
    /// Picture that was drawn last, and for which size.
    private var shown: (lines: [String], columns: Int, rows: Int)?

    /// Draws in one write, so that no half of a picture is ever seen. What does not fit is cut at the bottom, and said so. Nothing is written
    /// where nothing is different, and nothing while others have the terminal.
    mutating func show(_ lines: [String]) {
        if !isOpen { Suspension.begin() }
        isOpen = true
        guard TerminalMode.isForeground else { return }
        if Suspension.takeAbsence() {
            TerminalMode.enter()
            Console.write(Suspension.enter.description, .line)
            shown = nil
        }
        let (columns, rows) = Console.size
        if let shown, shown.lines == lines, shown.columns == columns, shown.rows == rows { return }
        shown = (lines, columns, rows)
        var visible = lines
        if lines.count > rows { visible = lines.prefix(max(0, rows - 1)) + ["… \(lines.count - rows + 1) more lines"] }
        let text = "\u{1B}[H" + visible.map { $0 + "\u{1B}[K" }.joined(separator: "\r\n") + "\u{1B}[J"
        Console.write(text, .live)
    }

    mutating func close() {
        guard isOpen else { return }
        // The terminal, if it is somebody else's now, has been given back already.
        if !Suspension.takeAbsence() { Console.write(Suspension.leave.description, .line) }
        Suspension.end()
        TerminalMode.leave()
        isOpen = false
        shown = nil
    }
}

/// Keys that are pressed while the whole terminal is drawn on: they come one at a time, and are not shown.
enum TerminalMode {
    nonisolated(unsafe) private static var original = termios()
    nonisolated(unsafe) private static var own = termios()
    /// Negative where keys are not asked for.
    nonisolated(unsafe) private static var descriptor: Int32 = -1

    /// Whether the terminal is this process's now, and not that of the shell that has put it into the background. What is no
    /// controlling terminal has no background.
    static var isForeground: Bool {
        let group = tcgetpgrp(STDERR_FILENO)
        return group < 0 || group == getpgrp()
    }

    /// - Returns: whether keys can be read.
    static func askForKeys() -> Bool {
        let raw = unsafe open("/dev/tty", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
        guard raw >= 0, unsafe tcgetattr(raw, &original) == 0 else {
            if raw >= 0 { Glibc.close(raw) }
            return false
        }
        unsafe own = original
        // Signals go on being made of keys.
        unsafe own.c_lflag &= ~tcflag_t(ICANON | ECHO)
        unsafe descriptor = raw
        return true
    }

    /// Safe in a signal's handler, too.
    static func enter() { if unsafe descriptor >= 0 { _ = unsafe tcsetattr(descriptor, TCSANOW, &own) } }
    static func leave() { if unsafe descriptor >= 0 { _ = unsafe tcsetattr(descriptor, TCSANOW, &original) } }

    /// Keys that were pressed since the last time; never waits.
    static func keys() -> [UInt8] {
        guard unsafe descriptor >= 0, isForeground else { return [] }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = unsafe read(descriptor, &bytes, bytes.count)
        return count > 0 ? Array(bytes.prefix(count)) : []
    }
}

/// Ctrl-Z while the whole terminal is drawn on: the shell gets it as it was, and it is drawn on again when this is in the foreground again.
/// In a signal's handler, which does nothing but write, set the terminal, and stop.
enum Suspension {
    static let enter: StaticString = "\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l"
    static let leave: StaticString = "\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l"
    /// Whether the terminal is as it was before: at first, and after a stop.
    nonisolated(unsafe) private static var isAway = true

    static func begin() {
        unsafe isAway = true
        // Some parents leave it blocked.
        var set = sigset_t()
        _ = unsafe sigemptyset(&set)
        _ = unsafe sigaddset(&set, SIGTSTP)
        _ = unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
        // Shells without job control ignore it.
        let before = signal(SIGTSTP) { _ in
            if unsafe !Suspension.isAway {
                _ = unsafe Glibc.write(STDERR_FILENO, Suspension.leave.utf8Start, Suspension.leave.utf8CodeUnitCount)
                TerminalMode.leave()
                unsafe Suspension.isAway = true
            }
            _ = raise(SIGSTOP)
        }
        if unsafe unsafeBitCast(before, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self) { _ = signal(SIGTSTP, SIG_IGN) }
    }

    /// Whether the terminal is as it was before; from now on it is not.
    static func takeAbsence() -> Bool {
        defer { unsafe isAway = false }
        return unsafe isAway
    }

    static func end() {
        unsafe isAway = true
        _ = signal(SIGTSTP, SIG_DFL)
    }
}
