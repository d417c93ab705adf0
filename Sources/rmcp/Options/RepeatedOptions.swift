import RMCPHost

/// Options that have one value and are given two: the parser takes the last of them without a word, and the user means
/// both, or has forgotten the first.
enum RepeatedOptions {
    /// - Parameter arguments: of the program, the command first; what is not understood is the parser's.
    /// - Throws: a usage error.
    static func check(_ arguments: [String]) throws(HostError) {
        guard let command = OptionTable.commands.first(where: { $0.name == arguments.first }) else { return }
        var seen: [String: String] = [:]
        var rest = arguments.dropFirst()
        while let word = rest.popFirst() {
            if word == "--" { return }
            guard word.hasPrefix("-"), word != "-" else { continue }
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard let entry = command.options.first(where: { $0.isCalled(parts[0]) }), entry.form != .flag else { continue }
            let value = parts.count > 1 ? parts[1] : rest.popFirst() ?? ""
            guard entry.form == .value else { continue }
            if let first = seen.updateValue(value, forKey: entry.name) {
                throw HostError("--\(entry.name) is given twice, as \(first) and as \(value); it has one value", kind: .usage)
            }
        }
    }
}

extension OptionEntry {
    /// Whether a word of the command line names the option.
    func isCalled(_ word: String) -> Bool { word == "--\(name)" || short.map { word == "-\($0)" } ?? false }
}
