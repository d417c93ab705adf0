import ArgumentParser
import Glibc
import RMCPHost
import RMCPProtocol

/// Options of `recv` alone.
struct ReceiveOptions: OptionGroupDeclaration {
    static let directory = Setting("directory", short: "d", .directory, "dir", default: ".", completion: .directory, "Where bundles land (default: .).")
    static let output = Setting(
        "output", short: "o", .file, "path", completion: .file(), namesFile: true,
        "Write a single-file bundle exactly there: a file, a block device, or '-' (standard output).")
    static let replaceFirst = Setting.flag(
        "replace-first", "Where there is no room for two, remove what a bundle replaces before it comes, and not after: until then there is none.")
    static let accept = Setting.list(
        "accept", "pattern", "Take bundles of this name only: a name, or a pattern such as 'linux-*' (repeatable; default: all). Others are passed over.")
    static let once = Setting.flag("once", "Exit after the first complete bundle (0), or the first that fails (3).")
    static let allowRollback = Setting.flag(
        "allow-rollback", "Take bundles that are older than one of the same name and key that has come: refused by default (exit code 5).")
    static let exec = Setting(
        "exec", .text, "cmd",
        "A command to run after each bundle, with RMCP_NAME, RMCP_PATH, RMCP_SIZE, RMCP_SESSION, RMCP_KEY and RMCP_STATE in its environment.")
    static let execTimeout = Setting(
        "exec-timeout", .timeAboveZero, "time", default: "10m",
        "The longest that command may take; then it is ended, and the bundle counts as failed (default: 10m).")
    static let spoolEvents = Setting(
        "spool-events", .directory, "dir", completion: .directory,
        "Leave a file in this directory for each complete bundle, with its event of --json: for a service that acts on it with other rights.")
    static let reserve = Setting(
        "reserve", .size(atLeast: 0, expected: "a size such as 500M or 10G"), "size", default: "0",
        "Leave this much of the disk free: a bundle that would not is refused, or fails (default: 0).")
    static let label = Setting(
        "label", .label, "name",
        "If a bundle fails here, tell its sender that it failed at NAME; otherwise receivers are counted and not named.")
    static let again = Setting.flag("again", "Take sessions that this receiver has completed before: by default none is taken twice.")
    static let timeout = Setting("timeout", .time, "time", "With --once: give up after this long without progress (exit code 4).")

    static let declared = [
        directory.entry, output.entry, accept.entry, replaceFirst.entry, once.entry, allowRollback.entry, exec.entry, execTimeout.entry, spoolEvents.entry,
        reserve.entry,
        label.entry,
        again.entry,
        timeout.entry,
    ]

    @Option(Self.directory) var directory: String?
    @Option(Self.output) var output: String?
    @Option(Self.accept) var accept: [String]
    @Flag(Self.replaceFirst) var replaceFirst: Bool?
    @Flag(Self.once) var once: Bool?
    @Flag(Self.allowRollback) var allowRollback: Bool?
    @Option(Self.exec) var exec: String?
    @Option(Self.execTimeout) var execTimeout: String?
    @Option(Self.spoolEvents) var spoolEvents: String?
    @Option(Self.reserve) var reserve: String?
    @Option(Self.label) var label: String?
    @Flag(Self.again) var again: Bool?
    @Option(Self.timeout) var timeout: String?

    func target(_ settings: Settings, isJSON: Bool) throws(HostError) -> ReceiveRequest.Output {
        guard let path = try settings.value(Self.output, output) else { return .directory }
        guard path == "-" else { return .path(path) }
        if isJSON { throw HostError("--output - and --json both want standard output; choose one", kind: .usage) }
        try ProcessStart.requireOpen(STDOUT_FILENO, "standard output", for: "--output - writes the bundle there")
        if isatty(STDOUT_FILENO) == 1 {
            throw HostError("standard output is a terminal, which a bundle's bytes would confuse; redirect it, or name a file with --output", kind: .usage)
        }
        return .standardOutput
    }

    /// Nil where none is wanted.
    func spool(_ settings: Settings, _ output: ReceiveRequest.Output) throws(HostError) -> SpoolDirectory? {
        guard let path = try settings.value(Self.spoolEvents, spoolEvents) else { return nil }
        if output == .standardOutput { throw HostError("--spool-events says where a bundle is, and --output - puts it nowhere", kind: .usage) }
        return SpoolDirectory(path)
    }

    /// Nil takes bundles of every name.
    func names(_ settings: Settings) throws(HostError) -> NamePatterns? {
        let patterns = settings.list(Self.accept, accept)
        return patterns.isEmpty ? nil : try NamePatterns(patterns)
    }

    func isOnce(_ settings: Settings) throws(HostError) -> Bool { try settings.flag(Self.once, once) }

    func timeLimit(_ settings: Settings) throws(HostError) -> Interval? {
        let timeout = try settings.value(Self.timeout, timeout)
        if timeout != nil, try !isOnce(settings) { throw HostError("--timeout goes with --once: a daemon waits for as long as it runs", kind: .usage) }
        return timeout
    }
}
