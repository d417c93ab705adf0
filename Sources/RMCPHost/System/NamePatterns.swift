import Glibc

/// Patterns of the shell, one of which a name has to match (glob(7)): `*`, `?`, `[a-z]`, `[!0-9]`.
public struct NamePatterns: Sendable {
    private let patterns: [[CChar]]

    /// - Throws: a usage error for a pattern that no name can match, since it is empty.
    public init(_ patterns: [String]) throws(HostError) {
        guard patterns.allSatisfy({ !$0.isEmpty }) else { throw HostError("an empty pattern matches no name", kind: .usage) }
        self.patterns = patterns.map(SystemText.cString)
    }

    public func match(_ name: String) -> Bool {
        let name = SystemText.cString(name)
        // A question mark stands for a character and not for a byte, whatever the user's locale is.
        let before = unsafe Self.characters.value.map { unsafe uselocale($0) }
        defer { if let before = unsafe before { _ = unsafe uselocale(before) } }
        return patterns.contains { unsafe fnmatch($0, name, 0) == 0 }
    }

    /// Locale of the C library's own in which text is UTF-8; without one, characters are bytes.
    @unsafe private struct Locale: @unchecked Sendable { let value: locale_t? }
    private static let characters = unsafe Locale(value: newlocale(LC_CTYPE_MASK, "C.UTF-8", nil))
}
