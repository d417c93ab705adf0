import ArgumentParser

/// One option, declared once. From this follow the parser's declaration with its help, manual page and completion, the
/// variable in the environment, and the name and type in configuration files.
struct Setting<Value: Sendable>: Sendable {
    let entry: OptionEntry
    let kind: ValueKind<Value>

    /// - Parameters:
    ///   - valueName: what stands for the value in the help.
    ///   - standard: the value where nobody gives one, as a user would write it; nil for none, or one that depends on the host.
    ///   - namesFile: its value names a file of the user's, which none that is made may replace.
    init(
        _ name: String, short: Character? = nil, _ kind: ValueKind<Value>, _ valueName: String, default standard: String? = nil,
        completion: CompletionKind = .default, isConfigurable: Bool = true, namesFile: Bool = false, _ help: String
    ) {
        self.init(kind) {
            OptionEntry(
                name: name, short: short, form: .value, valueName: valueName, help: help, completion: completion, isConfigurable: isConfigurable,
                namesFile: namesFile, standard: standard, expected: $0.expected, isNumeric: $0.isNumeric, accepts: $1)
        }
    }

    fileprivate init(_ kind: ValueKind<Value>, _ entry: (ValueKind<Value>, @escaping @Sendable (String) -> Bool) -> OptionEntry) {
        self.kind = kind
        self.entry = entry(kind) { kind.parse($0) != nil }
    }
}

extension Setting where Value == Bool {
    /// A flag is off unless it is given. `--no-NAME` switches it off where the environment or a file has it on.
    /// - Parameter isOn: unless somebody switches it off.
    static func flag(_ name: String, short: Character? = nil, isOn: Bool = false, isConfigurable: Bool = true, _ help: String) -> Setting {
        Setting(.flag) {
            OptionEntry(
                name: name, short: short, form: .flag, valueName: nil, help: help, completion: .default, isConfigurable: isConfigurable, namesFile: false,
                standard: isOn ? "true" : "false", expected: $0.expected, isNumeric: false, accepts: $1)
        }
    }
}

extension Setting where Value == [String] {
    /// An option that may be given any number of times.
    static func list(_ name: String, _ valueName: String, completion: CompletionKind = .default, namesFile: Bool = false, _ help: String) -> Setting {
        Setting(.list) {
            OptionEntry(
                name: name, short: nil, form: .list, valueName: valueName, help: help, completion: completion, isConfigurable: true, namesFile: namesFile,
                standard: nil, expected: $0.expected, isNumeric: false, accepts: $1)
        }
    }
}

/// Declaration of an option, without the type of its values.
struct OptionEntry: Sendable {
    enum Form: Sendable {
        case flag
        case value
        /// Given any number of times.
        case list
    }

    let name: String
    let short: Character?
    let form: Form
    let valueName: String?
    let help: String
    let completion: CompletionKind
    /// The environment and configuration files may set it.
    let isConfigurable: Bool
    /// A value names a file of the user's.
    let namesFile: Bool
    /// Value where nobody gives one, as a user would write it; nil for none, or one that depends on the host.
    let standard: String?
    let expected: String
    let isNumeric: Bool
    /// Whether a value is understood.
    let accepts: @Sendable (String) -> Bool

    /// Words of the help for what it is where nobody gives a value; empty where the help has none.
    var defaultText: String {
        if let standard { return standard }
        guard let start = help.firstRange(of: "default: ") else { return "" }
        return String(help[start.upperBound...].prefix { $0 != ")" })
    }

    /// Value of a flag's text; nil for what is none.
    func truth(_ text: String) -> Bool? { ValueKind<Bool>.flag.parse(text) }

    /// `RMCP_WAIT_FOR` of `wait-for`.
    var environmentName: String { "RMCP_" + name.uppercased().map { $0 == "-" ? "_" : $0 } }

    fileprivate var names: NameSpecification {
        guard let short else { return .customLong(name) }
        return [.customShort(short), .customLong(name)]
    }

    fileprivate var argumentHelp: ArgumentHelp { ArgumentHelp(help, valueName: valueName) }
}

// MARK: For the parser

extension Option where Value == String? {
    /// Values are read later, with those of the environment and of files.
    init(_ setting: Setting<some Sendable>) {
        self.init(name: setting.entry.names, help: setting.entry.argumentHelp, completion: setting.entry.completion)
    }
}

extension Option where Value == [String] {
    init(_ setting: Setting<[String]>) {
        self.init(
            wrappedValue: [], name: setting.entry.names, parsing: .singleValue, help: setting.entry.argumentHelp, completion: setting.entry.completion)
    }
}

extension Flag where Value == Bool? {
    init(_ setting: Setting<Bool>) { self.init(name: setting.entry.names, inversion: .prefixedNo, help: setting.entry.argumentHelp) }
}
