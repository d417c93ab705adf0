/// A configuration file with every option, all of them commented out: what `rmcp help config` prints.
enum ConfigurationHelp {
    static let arguments = ["help", "config"]

    static var lines: [String] {
        let beginning = [
            "# Options of rmcp in a file (TOML; rmcp.toml(5)).",
            "#",
            "# Read are /etc/rmcp/config.toml and ~/.config/rmcp/config.toml, of which the latter beats the former; or, in place of",
            "# both, the file that --config or RMCP_CONFIG names. The environment (RMCP_NAME) beats the files, and the command line",
            "# beats the environment. An option at the top, before the sections, is for every command that has it.",
            "# rmcp COMMAND --check says what is in force, and who said so.",
        ]
        return beginning + OptionTable.sections.flatMap { ["", "[\($0.name)]"] + $0.configurable.flatMap(Self.lines) }
    }

    private static func lines(of entry: OptionEntry) -> [String] {
        let example =
            switch entry.form {
            case .flag: "true"
            case .value: "\"\(entry.valueName ?? "")\""
            case .list: "[\"\(entry.valueName ?? "")\"]"
            }
        return ["# \(entry.help)", "#\(entry.name) = \(example)"]
    }
}
