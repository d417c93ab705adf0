import ArgumentParser

/// Options of `keygen`. It is run by hand: neither the environment nor a file sets anything.
struct KeygenOptions: OptionGroupDeclaration {
    static let output = Setting(
        "output", short: "o", .text, "file", completion: .file(), isConfigurable: false,
        "Where the key goes (default: ~/.config/rmcp/id_ed25519; with --group: ~/.config/rmcp/group_key).")
    static let group = Setting.flag(
        "group", isConfigurable: false, "Make a group's key instead, for --group-key, and beside it FILE.control for repair nodes.")

    static let json = Setting.flag("json", isConfigurable: false, "Write one JSON object a line to standard output, for programs.")

    static let declared = [output.entry, group.entry, json.entry]

    @Option(Self.output) var output: String?
    @Flag(Self.group) var group: Bool?
    @Flag(Self.json) var json: Bool?
}
