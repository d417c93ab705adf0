import Glibc
import RMCPHost
import TOMLKit

/// A TOML file of options: at the top for every command that has them, or in the section of one command. All of it is
/// checked when it is read, whichever command runs, so that nothing in it is silently without effect.
struct ConfigurationFile: Sendable {
    /// Values of an option.
    struct Values: Sendable {
        /// A list may have any number.
        var texts: [String]
        /// Names of the sections that it is in, and its own, as the file writes them.
        var place: [String]
    }

    /// Values by name.
    private var top: [String: Values] = [:]
    private var sections: [String: [String: Values]] = [:]
    private let checker: ConfigurationChecker
    var path: String { checker.path }

    /// Files that are read where none is named: the user's beats the host's.
    static var defaultPaths: [String] {
        let host = "/etc/rmcp/config.toml"
        let user = Directories.ofUser(.configuration).map { $0 + "/config.toml" }
        guard let user, user != host else { return [host] }
        return [user, host]
    }

    /// Whether one of them is there, and may be read: one that is for services alone is none of other users'.
    static func isForThisUser(_ path: String) -> Bool { unsafe access(SystemText.cString(path), R_OK) == 0 }

    init(path: String) throws(HostError) { try self.init(path: path, text: TextFile.read(path)) }

    init(path: String, text: String) throws(HostError) {
        let table: TOMLTable
        do { table = try TOMLTable(string: text) } catch let error as TOMLParseError {
            throw HostError("\(path):\(error.source.begin.line): \(error.description)", kind: .usage)
        } catch { throw HostError("\(path): \(error)", kind: .usage) }
        checker = ConfigurationChecker(path: path, text: text)
        for name in table.keys {
            guard let value = table[name] else { continue }
            if let command = OptionTable.sections.first(where: { $0.name == name }) {
                sections[name] = try checker.section(value, of: command)
            } else {
                try checker.add(try checker.topLevel(value, name), to: &top, at: [name])
            }
        }
    }

    /// The command's own section goes before the top. Nil when neither has the option.
    func values(of name: String, for command: String) -> Values? { sections[command]?[name] ?? top[name] }

    /// The file and, where it is found, the line of an entry.
    func place(of place: [String]) -> String { checker.place(of: place) }
}

/// Reads the values of a file, or says on which line one is wrong.
private struct ConfigurationChecker: Sendable {
    let path: String
    let text: String

    /// An option that stands for every command that has it.
    func topLevel(_ value: any TOMLValueConvertible, _ name: String) throws(HostError) -> [String] {
        let commands = OptionTable.commands(with: Self.canonical(name))
        guard !commands.isEmpty else {
            let options = OptionTable.sections.flatMap { $0.configurable.map(\.name) }
            let sections = OptionTable.sections.map(\.name)
            let isTable = value.type == .table
            let nearest = NearestName.of(name, in: isTable ? sections + options : options + sections)
            throw error(at: [name], "no \(isTable ? "section" : "option") is called \(name)\(Self.suggestion(nearest))")
        }
        var result: [String] = []
        for command in commands {
            if let entry = command.configurable(Self.canonical(name)) { result = try values(value, of: entry, at: [name]) }
        }
        return result
    }

    func section(_ value: any TOMLValueConvertible, of command: OptionTable.Command) throws(HostError) -> [String: ConfigurationFile.Values] {
        guard let table = value.table else {
            throw error(at: [command.name], "\(command.name) is \(Self.described(value)); expected a section, [\(command.name)], with options of that command")
        }
        var result: [String: ConfigurationFile.Values] = [:]
        for name in table.keys {
            guard let value = table[name] else { continue }
            let place = [command.name, name]
            guard let entry = command.configurable(Self.canonical(name)) else {
                let nearest = NearestName.of(name, in: command.configurable.map(\.name))
                let owners = OptionTable.commands(with: Self.canonical(name)).map { "[\($0.name)]" }
                let others = owners.isEmpty ? "" : "; it belongs under \(owners.joined(separator: " or "))"
                throw error(at: place, "[\(command.name)] has no option called \(name)\(others)\(Self.suggestion(nearest))")
            }
            try add(try values(value, of: entry, at: place), to: &result, at: place)
        }
        return result
    }

    /// An underscore is as good as a hyphen, as in the names of variables.
    private static func canonical(_ name: String) -> String { String(name.map { $0 == "_" ? "-" : $0 }) }

    func add(_ texts: [String], to values: inout [String: ConfigurationFile.Values], at place: [String]) throws(HostError) {
        let name = Self.canonical(place.last ?? "")
        guard values[name] == nil else { throw error(at: place, "\(name) is here twice, with an underscore and with a hyphen") }
        values[name] = ConfigurationFile.Values(texts: texts, place: place)
    }

    private func values(_ value: any TOMLValueConvertible, of entry: OptionEntry, at place: [String]) throws(HostError) -> [String] {
        guard let values = Self.texts(of: value, for: entry), values.allSatisfy(entry.accepts) else {
            throw error(at: place, "\(entry.name) is \(Self.described(value)); expected \(entry.expected)")
        }
        return values
    }

    /// Nil for a value of another type than the option's.
    private static func texts(of value: any TOMLValueConvertible, for entry: OptionEntry) -> [String]? {
        switch entry.form {
        case .flag: return value.bool.map { [$0 ? "true" : "false"] }
        case .value:
            let number = entry.isNumeric ? value.int.map(String.init) ?? value.double.map { "\($0)" } : nil
            return (value.string ?? number).map { [$0] }
        case .list:
            guard let array = value.array else { return value.string.map { [$0] } }
            let texts = array.map { $0.string }
            return texts.contains(nil) ? nil : texts.compactMap { $0 }
        }
    }

    private static func described(_ value: any TOMLValueConvertible) -> String {
        switch value.type {
        case .string: "\"\(value.string ?? "")\""
        case .int: value.int.map(String.init) ?? "a number"
        case .double: value.double.map { "\($0)" } ?? "a number"
        case .bool: value.bool == true ? "true" : "false"
        case .array: "an array"
        case .table: "a section"
        case .date, .time, .dateTime: "a \(value.type)"
        }
    }

    private static func suggestion(_ name: String?) -> String { name.map { "; did you mean \($0)?" } ?? "" }

    // MARK: Lines

    private func error(at place: [String], _ message: String) -> HostError {
        HostError("\(self.place(of: place)): \(message)", kind: .usage)
    }

    func place(of place: [String]) -> String { path + (line(of: place).map { ":\($0)" } ?? "") }

    /// The line, from 1, on which the entry at `place` begins. TOML is written line by line, so the beginnings of the text
    /// tell: the last line that names the entry, before which everything can be read and the entry is not there.
    private func line(of place: [String]) -> Int? {
        let lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { String(Substring($0)) }
        var result: Int?
        for (index, line) in lines.enumerated() where line.contains(place.last ?? "") {
            guard let before = try? TOMLTable(string: lines[..<index].joined(separator: "\n") + "\n") else { continue }
            if Self.has(before, place) { break }
            result = index + 1
        }
        return result
    }

    private static func has(_ table: TOMLTable, _ place: [String]) -> Bool {
        guard let name = place.first, let value = table[name] else { return false }
        return place.count == 1 || value.table.map { has($0, Array(place.dropFirst())) } ?? false
    }
}
