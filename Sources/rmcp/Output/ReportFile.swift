import RMCPHost
import RMCPReport

/// The page of `--report`: filled while a send goes on, and written at its end, whatever that is.
final class ReportFile {
    private let file: ReplacedFile
    private var report = TransferReport()

    /// - Throws: where the page could not be written.
    init(path: String) throws(HostError) {
        guard path != "-" else { throw HostError("--report - : expected a file; rmcp report makes a page on standard output", kind: .usage) }
        guard !path.isEmpty else { throw HostError("--report: expected the name of a file", kind: .usage) }
        file = ReplacedFile(path: path, content: "reports")
        try file.check()
    }

    func note(line: String) { report.note(line: line) }

    /// Error that ended it.
    func note(error: String, hint: String) { report.note(error: error, hint: hint) }

    func write() {
        do throws(HostError) { try file.write(report.html(generator: Version.program)) } catch { Console.error("no report: \(error)") }
    }
}
