import ArgumentParser
import Glibc
import RMCPHost
import RMCPReport

struct ReportCommand: CodedCommand {
    static let configuration = CommandConfiguration(
        commandName: "report", abstract: "Make a page of a send from its --json lines.",
        discussion: """
            Reads what 'rmcp send --json' wrote, and makes the page that 'rmcp send --report' makes: one HTML file that needs \
            nothing else. A file may have several sessions; the page is of one. Lines that are cut short or come from elsewhere are \
            skipped, and counted. Exit codes: 0 done, 1 failed, 2 usage.
            """)

    @Argument(help: ArgumentHelp("A file of lines, or '-' for standard input.", valueName: "events"), completion: .file(extensions: ["jsonl", "json"]))
    var events: String

    @OptionGroup var options: ReportOptions

    mutating func execute() throws -> ExitStatus {
        if events == "-" { try ProcessStart.requireOpen(STDIN_FILENO, "standard input", for: "'-' reads the events from there") }
        if options.output?.isEmpty == true { throw HostError("the name of the page is empty: expected a file", kind: .usage) }
        let output = options.output ?? Self.output(for: events)
        let file = ReplacedFile(path: output, content: "reports")
        guard output == "-" || events == "-" || !file.isSame(as: events) else {
            throw HostError("\(output) has the events, which the page would replace; give another file with -o", kind: .usage)
        }
        var sessions = ReportedSessions(wish: options.session)
        try LineReader.read(events) { sessions.note(line: $0) }
        let (report, number) = try choose(among: sessions)
        let page = report.html(generator: Version.program)
        if output == "-" {
            try Console.result(String(page.dropLast()))
        } else {
            try file.write(page)
        }
        let of = sessions.count == 1 ? "" : ", session \(number) of \(sessions.count) (--session chooses another)"
        let skipped = sessions.skippedLines > 0 ? "; \(Units.count(UInt64(sessions.skippedLines), "line")) could not be read" : ""
        Console.line("\(output == "-" ? "made a page" : "wrote \(output)")\(of)\(skipped)")
        return .done
    }

    private func choose(among sessions: ReportedSessions) throws(HostError) -> (report: TransferReport, number: Int) {
        let label = events == "-" ? "standard input" : events
        do throws(ReportedSessions.Objection) { return try sessions.choose() } catch {
            switch error {
            case .nothing: throw HostError("\(label) has no event of rmcp send --json")
            case .ofOthers(let command):
                let who = command.map { "rmcp \($0)" } ?? "another command"
                throw HostError("\(label) has events of \(who), and none of rmcp send: a report is of what a sender knows, which is how all receivers fared")
            case .noSuchSession(let count):
                throw HostError("\(label) has \(Units.count(UInt64(count), "session")), and none is \(options.session ?? "")", kind: .usage)
            }
        }
    }

    /// `a.html` for `a.jsonl`.
    static func output(for events: String) -> String {
        guard events != "-" else { return "-" }
        let name = events.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
        for ending in [".jsonl", ".ndjson", ".json", ".log", ".txt"] where name.hasSuffix(ending) && name.count > ending.count {
            return events.dropLast(ending.count) + ".html"
        }
        return events + ".html"
    }
}

/// Lines of a file that may be longer than memory.
enum LineReader {
    /// Bytes. No line of events is as long; what is longer is read as several lines, none of which is an event.
    private static let longest = 1 << 20
    private static let pieceLength = 1 << 16

    static func read(_ path: String, _ handle: (String) -> Void) throws(HostError) {
        let descriptor = path == "-" ? nil : OwnedDescriptor(unsafe open(SystemText.cString(path), O_RDONLY | O_CLOEXEC))
        let raw = descriptor?.raw ?? STDIN_FILENO
        guard raw >= 0 else { throw .system("read", path) }
        var piece = [UInt8](repeating: 0, count: pieceLength)
        var rest: [UInt8] = []
        while true {
            let count = unsafe Glibc.read(raw, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .system("read", path) }
            guard count > 0 else { break }
            var lines = (rest + piece.prefix(count)).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            let last = lines.removeLast()
            for line in lines { tell(line, handle) }
            rest = Array(last)
            if rest.count > longest {
                tell(rest[...], handle)
                rest = []
            }
        }
        tell(rest[...], handle)
    }

    private static func tell(_ line: ArraySlice<UInt8>, _ handle: (String) -> Void) {
        if line.contains(where: { $0 > UInt8(ascii: " ") }) { handle(String(decoding: line, as: UTF8.self)) }
    }
}
