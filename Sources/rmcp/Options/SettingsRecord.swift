import RMCPHost
import RMCPReport

/// Values of options in one run, and who gave them.
final class SettingsRecord {
    enum Origin: Sendable {
        case commandLine
        /// The variable of this name.
        case environment(String)
        /// Origin of an entry of this place.
        case file(ConfigurationFile, place: [String])
        /// Option of this name, to which a default gave way.
        case option(String)

        var text: String {
            switch self {
            case .commandLine: "command line"
            case .environment(let name): name
            case .file(let file, let place): file.place(of: place)
            case .option(let name): "--\(name)"
            }
        }
    }

    struct Value: Sendable {
        var texts: [String]
        var origin: Origin
        /// Files that the option names; none where it names anything else.
        var files: [String]
    }

    /// Values by the option's name; those that have their default are not there.
    private(set) var values: [String: Value] = [:]

    /// The same as text; elements of a list with a comma between them.
    var texts: [String: String] { values.mapValues { SystemText.printable($0.texts.joined(separator: ", ")) } }

    func note(_ entry: OptionEntry, _ texts: [String], _ origin: Origin) {
        values[entry.name] = Value(texts: texts, origin: origin, files: entry.namesFile ? texts : [])
    }
}

/// Settings in force as a configuration file would have them, for `--check`, and what has become of them, for SIGHUP.
enum SettingsReport {
    /// A line for each option of a command: who gave its value, or the default as a comment.
    static func lines(_ values: [String: SettingsRecord.Value], command name: String) -> [String] {
        let options = OptionTable.commands.first { $0.name == name }?.configurable ?? []
        let texts = options.map { entry in
            let text = (values[entry.name]?.texts ?? entry.standard.map { [$0] }).map { " " + literal($0, entry) } ?? ""
            return "\(values[entry.name] == nil ? "#" : "")\(entry.name) =\(text)"
        }
        let width = min(Self.column, texts.map(\.count).max() ?? 0)
        return zip(options, texts).map { entry, text in
            let padding = String(repeating: " ", count: max(0, width - text.count))
            let isComputed = entry.standard == nil && !entry.defaultText.isEmpty
            return "\(text)\(padding)  # \(values[entry.name]?.origin.text ?? (isComputed ? "default: \(entry.defaultText)" : "default"))"
        }
    }

    /// The same for programs.
    static func events(_ values: [String: SettingsRecord.Value], command name: String) -> [JSONLine] {
        let options = OptionTable.commands.first { $0.name == name }?.configurable ?? []
        return options.map { entry in
            let given = values[entry.name]
            let texts = given?.texts ?? entry.standard.map { [$0] }
            let value: JSONLine.Value? =
                switch entry.form {
                case .flag: .boolean(texts?.first.flatMap(entry.truth) ?? false)
                case .value: texts?.first.map { .string($0) }
                case .list: .array((texts ?? []).map { .string($0) })
                }
            var fields: [String: JSONLine.Value] = ["name": .string(entry.name), "origin": .string(given?.origin.text ?? "default")]
            fields["value"] = value
            return JSONLine(event: "setting", fields)
        }
    }

    /// Column of the origins, unless a value is longer.
    private static let column = 40

    /// A value as TOML has it.
    private static func literal(_ texts: [String], _ entry: OptionEntry) -> String {
        switch entry.form {
        case .flag: (entry.truth(texts.first ?? "") ?? false) ? "true" : "false"
        case .value: quoted(texts.first ?? "")
        case .list: "[" + texts.map(quoted).joined(separator: ", ") + "]"
        }
    }

    private static func quoted(_ text: String) -> String {
        let escaped = SystemText.printable(text).unicodeScalars.map { scalar in
            switch scalar {
            case "\"", "\\": "\\\(scalar)"
            case "\n": "\\n"
            case let control where control.value < 0x20 || control.value == 0x7F: "\\u00\(control.value < 0x10 ? "0" : "")\(String(control.value, radix: 16))"
            default: String(scalar)
            }
        }
        return "\"\(escaped.joined())\""
    }

    /// Differences in `new`.
    /// - Parameter live: options whose new values are in force at once.
    static func changes(from old: [String: SettingsRecord.Value], to new: [String: SettingsRecord.Value], command name: String, live: Set<String>) -> [String] {
        let options = OptionTable.commands.first { $0.name == name }?.configurable ?? []
        return options.filter { old[$0.name]?.texts != new[$0.name]?.texts }.map { entry in
            let (before, after) = (text(old[entry.name], entry), text(new[entry.name], entry))
            guard live.contains(entry.name) else { return "\(entry.name) is to be \(after) after a restart; until then it stays \(before)" }
            return "\(entry.name) is \(after) now; it was \(before)"
        }
    }

    private static func text(_ value: SettingsRecord.Value?, _ entry: OptionEntry) -> String {
        value.map { literal($0.texts, entry) } ?? (entry.defaultText.isEmpty ? "at its default" : "at its default, \(entry.defaultText)")
    }
}
