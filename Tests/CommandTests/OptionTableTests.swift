import Foundation
import RMCPProtocol
import Testing

@testable import rmcp

/// The table of options, the argument parser, the manual pages and the completions say the same.
@Suite struct OptionTableTests {
    private struct Dump: Decodable {
        struct Command: Decodable {
            var commandName: String
            var subcommands: [Command]?
            var arguments: [Argument]?
        }
        struct Argument: Decodable, CustomStringConvertible {
            struct Name: Decodable {
                var kind: String
                var name: String
            }
            var kind: String
            var names: [Name]?
            var valueName: String?
            var isRepeating: Bool
            var abstract: String?
            var description: String {
                let names = (names ?? []).map { $0.kind == "short" ? "-\($0.name)" : "--\($0.name)" }.sorted()
                return "\(kind) \(names.joined(separator: " ")) \(kind == "option" ? valueName ?? "" : "") \(isRepeating) \(abstract ?? "")"
            }
        }
        var command: Command
    }

    /// Names that the parser should have of an option; a flag has its opposite beside it.
    private static func expected(_ entry: OptionEntry) -> [String] {
        let short = entry.short.map { "-\($0)" }
        let names = ["--\(entry.name)", short].compactMap { $0 }.sorted().joined(separator: " ")
        switch entry.form {
        case .flag: return ["flag \(names)  false \(entry.help)", "flag --no-\(entry.name)  false \(entry.help)"]
        case .value: return ["option \(names) \(entry.valueName ?? "") false \(entry.help)"]
        case .list: return ["option \(names) \(entry.valueName ?? "") true \(entry.help)"]
        }
    }

    @Test("The table is what the argument parser dumps")
    func parser() throws {
        let dump = try JSONDecoder().decode(Dump.self, from: Data(RMCP._dumpHelp().utf8))
        let commands = (dump.command.subcommands ?? []).filter { $0.commandName != "help" }
        #expect(commands.map(\.commandName) == OptionTable.commands.map(\.name))
        for (command, dumped) in zip(OptionTable.commands, commands) {
            let parser = (dumped.arguments ?? []).filter { argument in
                argument.kind != "positional" && !(argument.names ?? []).contains { $0.name == "help" || $0.name == "version" }
            }
            #expect(parser.map(\.description) == command.options.flatMap(Self.expected), "\(command.name)")
        }
    }

    @Test("A default is a value that the option takes, and the one that its help names")
    func defaults() throws {
        var count = 0
        for entry in OptionTable.commands.flatMap(\.options) where entry.form == .value {
            guard let standard = entry.standard else { continue }
            count += 1
            #expect(entry.accepts(standard), "\(entry.name)")
            let isNamed = ["default: \(standard))", "'\(standard)' (default)", "'\(standard)', default"].contains { entry.help.contains($0) }
            #expect(isNamed, "\(entry.name): \(entry.help)")
        }
        #expect(count > 20)
    }

    @Test("Defaults of the command line are those of the engine")
    func engineDefaults() {
        let engine = Configuration()
        func standard<Value>(_ setting: Setting<Value>) -> Value? { setting.entry.standard.flatMap(setting.kind.parse) }
        #expect(standard(SendOptions.minimumRate) == engine.rate.minimumRate && standard(SendOptions.maximumRate) == engine.rate.maximumRate)
        #expect(standard(SendOptions.minimumWait) == engine.joining.minimumWait && standard(SendOptions.maximumWait) == engine.joining.maximumWait)
        #expect(standard(SendOptions.linger) == engine.joining.linger && standard(SendOptions.until) == engine.joining.until)
        #expect(standard(UnicastOptions.maximumChildren) == engine.unicast.maximumUnicastChildren)
    }

    @Test("Names, long and short, are used once in a command")
    func names() {
        for command in OptionTable.commands {
            let names = command.options.map(\.name) + command.options.compactMap { $0.short.map(String.init) }
            #expect(Set(names).count == names.count, "\(command.name)")
        }
    }

    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private static func text(_ path: String) throws -> String { try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8) }

    private static func flags(_ entry: OptionEntry) -> [String] { entry.form == .flag ? [entry.name, "no-\(entry.name)"] : [entry.name] }

    @Test("Every option is in its manual page, with its help", arguments: OptionTable.commands.map(\.name))
    func manualPages(name: String) throws {
        let command = try #require(OptionTable.commands.first { $0.name == name })
        // Hyphens are escaped, and lines broken, in manual pages.
        let page =
            try Self.text("man/rmcp-\(name).1").replacingOccurrences(of: "\\-", with: "-").split(whereSeparator: \.isWhitespace).joined(separator: " ") + " "
        for entry in command.options {
            for flag in Self.flags(entry) {
                #expect(page.contains("Fl -\(flag) ") || page.contains(", -\(flag) "), "man/rmcp-\(name).1 says nothing of --\(flag)")
            }
            #expect(page.contains(entry.help), "man/rmcp-\(name).1 says something else of --\(entry.name)")
        }
    }

    @Test("Every option is in the completions", arguments: ["rmcp.bash", "_rmcp", "rmcp.fish"])
    func completions(file: String) throws {
        let words = Set(try Self.text("scripts/completions/\(file)").split { !$0.isLetter && !$0.isNumber && $0 != "-" }.map(String.init))
        for entry in OptionTable.commands.flatMap(\.options) {
            for flag in Self.flags(entry) { #expect(words.contains("--\(flag)") || words.contains(flag), "\(file) does not know --\(flag)") }
        }
    }
}
