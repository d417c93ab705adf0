import ArgumentParser
import RMCPHost

/// Options of `report`. It is run by hand: neither the environment nor a file sets anything.
struct ReportOptions: OptionGroupDeclaration {
    static let output = Setting(
        "output", short: "o", .text, "file", completion: .file(extensions: ["html"]), isConfigurable: false,
        "Where the page goes, or '-' for standard output (default: beside the events, as .html; standard output for those that are read from there).")
    static let session = Setting(
        "session", .text, "which", isConfigurable: false,
        "Which session of the file: its number, from 1 on, or the beginning of its id (default: the last one).")
    static let declared = [output.entry, session.entry]

    @Option(Self.output) var output: String?
    @Option(Self.session) var session: String?
}
