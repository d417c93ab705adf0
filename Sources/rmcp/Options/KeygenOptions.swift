import ArgumentParser

/// Options of `keygen`. It is run by hand: neither the environment nor a file sets anything.
struct KeygenOptions: OptionGroupDeclaration {
    static let output = Setting(
        "output", short: "o", .text, "file", completion: .file(), isConfigurable: false,
        "Where the private key goes (default: ~/.config/rmcp/id_ed25519).")

    static let declared = [output.entry]

    @Option(Self.output) var output: String?
}
