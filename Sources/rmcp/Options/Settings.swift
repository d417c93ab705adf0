import Glibc
import RMCPHost

/// The options of one run, whoever gave them: the command line beats the environment, which beats the file. What tells a
/// hook of its bundle is no option, though it is called like one.
struct Settings {
    private let command: String
    private let environment: (String) -> String?
    private let file: ConfigurationFile?

    /// - Parameter configurationPath: `--config`; nil for none, where the environment may name one.
    init(command: String, configurationPath: String?) throws(HostError) {
        let path = configurationPath ?? Self.systemEnvironment(ConfigurationOptions.config.entry.environmentName)
        var file: ConfigurationFile?
        if let path { file = try ConfigurationFile(path: path) }
        self.init(command: command, file: file, environment: Self.systemEnvironment)
    }

    init(command: String, file: ConfigurationFile?, environment: @escaping (String) -> String?) {
        self.command = command
        self.file = file
        let facts = Set((environment(Hook.factsVariable) ?? "").split(separator: " ").map(String.init))
        self.environment = { facts.contains($0) ? nil : environment($0) }
    }

    static func systemEnvironment(_ name: String) -> String? { SystemText.variable(name) }

    /// The option's value; nil when nobody gave one.
    /// - Parameter given: what the command line says.
    func value<Value>(_ setting: Setting<Value>, _ given: String?) throws(HostError) -> Value? {
        let entry = setting.entry
        if let given { return try Self.read(setting, given, "--\(entry.name) \(given)") }
        if let text = environment(entry.environmentName) { return try Self.read(setting, text, "\(entry.environmentName)=\(text)") }
        return fileValues(entry)?.first.flatMap(setting.kind.parse)
    }

    func flag(_ setting: Setting<Bool>, _ given: Bool?) throws(HostError) -> Bool {
        if let given { return given }
        return try value(setting, nil) ?? false
    }

    func list(_ setting: Setting<[String]>, _ given: [String]) -> [String] {
        if !given.isEmpty { return given }
        return environment(setting.entry.environmentName).map { [$0] } ?? fileValues(setting.entry) ?? []
    }

    /// Understood already, when the file was read.
    private func fileValues(_ entry: OptionEntry) -> [String]? { file?.values(of: entry.name, for: command) }

    private static func read<Value>(_ setting: Setting<Value>, _ text: String, _ origin: String) throws(HostError) -> Value {
        guard let value = setting.kind.parse(text) else { throw HostError("\(origin): expected \(setting.kind.expected)", kind: .usage) }
        return value
    }
}
