import RMCPHost

/// Whether programs are to be told, in lines of JSON, of what goes on.
enum AskedLines {
    /// Command that lines are of; `rmcp` where none is named that there is.
    static let command = known?.name ?? "rmcp"

    private static let arguments = SystemText.arguments
    private static let known = OptionTable.commands.first { $0.name == arguments.first }

    /// Whether the command line or the environment asks for them: what can be told at once. Files may ask for them, too.
    static var areNamed: Bool {
        guard let known else { return false }
        let settings = Settings(command: known.name, files: [], environment: Settings.systemEnvironment)
        let given = words(of: known).json
        guard known.configurable(OutputOptions.json.entry.name) != nil else { return given ?? false }
        return (try? settings.flag(OutputOptions.json, given)) ?? false
    }

    /// Programs are told of a signal that comes before anybody listens for signals.
    static func tellOfSignals() { Console.tellOfSignals(isService: command == "recv" || command == "repair") }

    /// Whether the user asks for them, as far as that can be told: where something is wrong with what he says, it must be known how to
    /// tell him.
    static var areWanted: Bool {
        guard let known else { return arguments.contains("--json") }
        let given = words(of: known)
        guard known.configurable(OutputOptions.json.entry.name) != nil else { return given.json ?? false }
        let settings =
            (try? Settings(command: known.name, configurationPath: given.configuration))
            ?? Settings(command: known.name, files: [], environment: Settings.systemEnvironment)
        return (try? settings.flag(OutputOptions.json, given.json)) ?? false
    }

    /// Words of the command line for it, the last word first.
    private static func words(of command: OptionTable.Command) -> (json: Bool?, configuration: String?) {
        var result: (json: Bool?, configuration: String?) = (nil, nil)
        var rest = arguments.dropFirst()
        while let word = rest.popFirst(), word != "--" {
            if word == "--json" { result.json = true }
            if word == "--no-json" { result.json = false }
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard let entry = command.options.first(where: { $0.isCalled(parts[0]) }), entry.form != .flag else { continue }
            let value = parts.count > 1 ? parts[1] : rest.popFirst()
            if entry.name == ConfigurationOptions.config.entry.name { result.configuration = value }
        }
        return result
    }
}
