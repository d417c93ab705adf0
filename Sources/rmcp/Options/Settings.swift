import Glibc
import RMCPHost

/// The options of one run, whoever gave them: the command line beats the environment, which beats the file. What tells a
/// hook of its bundle is no option, though it is called like one.
struct Settings {
    private let command: String
    private let environment: (String) -> String?
    /// Files of options: what beats the others first.
    private let files: [ConfigurationFile]
    /// Values that were asked for so far.
    let record = SettingsRecord()

    /// - Parameter configurationPath: `--config`; nil for none, where the environment may name one. Where neither does, the host's file and the
    ///   user's are read, and where either is empty, none is.
    init(command: String, configurationPath: String?) throws(HostError) {
        let named = configurationPath ?? Self.systemEnvironment(ConfigurationOptions.config.entry.environmentName)
        var files: [ConfigurationFile] = []
        if let named {
            if !named.isEmpty { files = [try ConfigurationFile(path: named)] }
        } else {
            for path in ConfigurationFile.defaultPaths where ConfigurationFile.isForThisUser(path) { files.append(try ConfigurationFile(path: path)) }
        }
        self.init(command: command, files: files, environment: Self.systemEnvironment)
    }

    /// - Parameter files: what beats the others first.
    init(command: String, files: [ConfigurationFile], environment: @escaping (String) -> String?) {
        self.command = command
        self.files = files
        let facts = Set((environment(Hook.factsVariable) ?? "").split(separator: " ").map(String.init))
        self.environment = { facts.contains($0) ? nil : environment($0) }
    }

    static func systemEnvironment(_ name: String) -> String? { SystemText.variable(name) }

    /// The option's value; nil when nobody gave one.
    /// - Parameter given: what the command line says.
    func value<Value>(_ setting: Setting<Value>, _ given: String?) throws(HostError) -> Value? {
        let entry = setting.entry
        if let given {
            record.note(entry, [given], .commandLine)
            return try Self.read(setting, given, "--\(entry.name) \(given)")
        }
        if let text = environment(entry.environmentName) {
            record.note(entry, [text], .environment(entry.environmentName))
            return try Self.read(setting, text, "\(entry.environmentName)=\(text)")
        }
        return fileValues(entry)?.first.flatMap(setting.kind.parse)
    }

    /// The option's value, or its default.
    func inForce<Value>(_ setting: Setting<Value>, _ given: String?) throws(HostError) -> Value {
        if let value = try value(setting, given) { return value }
        return try standard(setting)
    }

    private func standard<Value>(_ setting: Setting<Value>) throws(HostError) -> Value {
        guard let value = setting.entry.standard.flatMap(setting.kind.parse) else { throw HostError("--\(setting.entry.name) is needed", kind: .usage) }
        return value
    }

    /// Values of two options of which one may not be above the other. A default gives way to what somebody gave.
    /// - Parameters:
    ///   - lower: the least, and what the command line says of it.
    ///   - upper: the same of the most.
    func bounds<Value: Comparable>(
        _ lower: (setting: Setting<Value>, given: String?), _ upper: (setting: Setting<Value>, given: String?)
    ) throws(HostError) -> ClosedRange<Value> {
        let (least, most) = (try value(lower.setting, lower.given), try value(upper.setting, upper.given))
        if let least, let most {
            guard least <= most else { throw HostError("--\(lower.setting.entry.name) is above --\(upper.setting.entry.name)", kind: .usage) }
            return least...most
        }
        let low = if let least { least } else { try standard(lower.setting) }
        let high = if let most { most } else { try standard(upper.setting) }
        if low <= high { return low...high }
        if let least { return alone(least, of: lower.setting, for: upper.setting) }
        return alone(most ?? high, of: upper.setting, for: lower.setting)
    }

    /// The value of one option stands for another one as well.
    private func alone<Value: Comparable>(_ value: Value, of setting: Setting<Value>, for other: Setting<Value>) -> ClosedRange<Value> {
        record.note(other.entry, record.values[setting.entry.name]?.texts ?? [], .option(setting.entry.name))
        return value...value
    }

    func flag(_ setting: Setting<Bool>, _ given: Bool?) throws(HostError) -> Bool { try inForce(setting, given.map(String.init)) }

    func list(_ setting: Setting<[String]>, _ given: [String]) -> [String] {
        if !given.isEmpty {
            record.note(setting.entry, given, .commandLine)
            return given
        }
        guard let text = environment(setting.entry.environmentName) else { return fileValues(setting.entry) ?? [] }
        let values = Self.elements(of: text)
        record.note(setting.entry, values, .environment(setting.entry.environmentName))
        return values
    }

    /// A file that is written must not be one that is read: it would be gone, and nobody could tell why. Options count that were asked for so far.
    /// - Parameters:
    ///   - setting: the option that names the file.
    ///   - path: the file; nil for none.
    ///   - operands: paths that are no option's.
    func requireApart(_ setting: Setting<String>, _ path: String?, from operands: [String] = []) throws(HostError) {
        guard let path else { return }
        let file = ReplacedFile(path: path, content: setting.entry.name)
        func objection(_ what: String) -> HostError {
            HostError("--\(setting.entry.name) \(path): \(what), and would be replaced; give another file", kind: .usage)
        }
        for operand in operands where file.isSame(as: operand) { throw objection("that is what is sent") }
        for other in files where file.isSame(as: other.path) { throw objection("that is the file of options") }
        for (name, value) in record.values where value.files.contains(where: file.isSame) { throw objection("that is what --\(name) names") }
        if let key = KeyFiles.ownKeys.first(where: file.isSame) { throw objection("that is the key \(key)") }
    }

    /// Elements of a list in a variable: a line each or, in a single line, between colons, as in PATH.
    private static func elements(of text: String) -> [String] {
        let separator: Character = text.contains("\n") ? "\n" : ":"
        return text.split(separator: separator).map(String.init)
    }

    /// Understood already, when the file was read.
    private func fileValues(_ entry: OptionEntry) -> [String]? {
        for file in files {
            guard let values = file.values(of: entry.name, for: command) else { continue }
            record.note(entry, values.texts, .file(file, place: values.place))
            return values.texts
        }
        return nil
    }

    private static func read<Value>(_ setting: Setting<Value>, _ text: String, _ origin: String) throws(HostError) -> Value {
        guard let value = setting.kind.parse(text) else { throw HostError("\(origin): expected \(setting.kind.expected)", kind: .usage) }
        return value
    }
}
