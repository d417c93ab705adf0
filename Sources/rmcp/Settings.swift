import Glibc
import RMCPHost
import TOMLKit

/// Options from the environment (`RMCP_WAIT_FOR`) and from a file (`wait-for = 4`, at the top or under the command's
/// name). The command line beats the environment, and the environment beats the file. What tells a hook of its bundle
/// is no option, though it is called like one.
struct Settings {
    private let command: String
    private let environment: (String) -> String?
    private let file: TOMLTable?
    private let filePath: String?

    /// - Parameter configurationPath: `--config`; nil for none.
    init(
        command: String, configurationPath: String?, environment: @escaping (String) -> String? = Settings.systemEnvironment
    ) throws(HostError) {
        self.command = command
        let facts = Set((environment(Hook.factsVariable) ?? "").split(separator: " ").map(String.init))
        let environment = { facts.contains($0) ? nil : environment($0) }
        self.environment = environment
        let path = configurationPath ?? environment("RMCP_CONFIG")
        filePath = path
        guard let path else {
            file = nil
            return
        }
        let text = try TextFile.read(path)
        do { file = try TOMLTable(string: text) } catch { throw HostError("\(path): \(error)", kind: .usage) }
        try checkNames()
    }

    static func systemEnvironment(_ name: String) -> String? {
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }

    /// A misspelt name in the file must not be silently without effect.
    private func checkNames() throws(HostError) {
        for table in [file, section] {
            for name in table?.keys ?? [] where !Self.names.contains(name) && !["send", "recv", "repair", "watch"].contains(name) {
                throw HostError("\(filePath ?? ""): no option is called \(name)", kind: .usage)
            }
        }
    }

    private static let names: Set<String> = [
        "group", "interface", "ttl", "rate", "min-rate", "max-rate", "level", "wait-for", "min-wait", "max-wait", "linger",
        "until", "key", "unsigned", "name", "directory", "output", "once", "trust", "allow-unsigned", "exec", "timeout",
        "json", "quiet", "verbose", "metrics", "cache", "cache-size", "region", "region-interface", "region-ttl", "upstream",
        "max-unicast-children", "allow-rollback", "again", "exec-timeout",
    ]

    private var section: TOMLTable? { file?[command]?.table }

    private func fileValue(_ name: String) -> String? {
        guard let value = section?[name] ?? file?[name] else { return nil }
        return value.string ?? value.int.map(String.init) ?? value.double.map { "\($0)" } ?? value.bool.map { $0 ? "true" : "false" }
    }

    private func environmentValue(_ name: String) -> String? {
        environment("RMCP_" + name.uppercased().map { $0 == "-" ? "_" : $0 })
    }

    /// The option's value, whoever gave it; nil when nobody did.
    func string(_ name: String, _ option: String?) -> String? { option ?? environmentValue(name) ?? fileValue(name) }

    func flag(_ name: String, _ option: Bool) throws(HostError) -> Bool {
        if option { return true }
        guard let text = environmentValue(name) ?? fileValue(name) else { return false }
        switch text.lowercased() {
        case "1", "true", "yes", "on": return true
        case "0", "false", "no", "off", "": return false
        default: throw HostError("\(name) is \"\(text)\"; it is either true or false", kind: .usage)
        }
    }

    func list(_ name: String, _ options: [String]) -> [String] {
        if !options.isEmpty { return options }
        if let text = environmentValue(name) { return [text] }
        if let values = (section?[name] ?? file?[name])?.array { return values.compactMap { $0.string } }
        return fileValue(name).map { [$0] } ?? []
    }

    /// A value that must be understood.
    func parsed<Value>(
        _ name: String, _ option: String?, expecting: String, _ parse: (String) -> Value?
    ) throws(HostError) -> Value? {
        guard let text = string(name, option) else { return nil }
        guard let value = parse(text) else {
            throw HostError("--\(name) \(text): expected \(expecting)", kind: .usage)
        }
        return value
    }
}
