import Glibc

/// Patterns of what is left out of a tree, anchored as gitignore(5) has it: one with a slash in front or within is held against the path
/// from the root on, any other against the name alone; a slash at the end is for directories only. `**/` in front means any depth, and
/// `/**` at the end what is in a directory, but not itself.
struct ExcludedNames: Sendable {
    private struct Pattern: Sendable {
        var text: [CChar]
        var isAnchored: Bool
        /// The pattern may begin at any directory.
        var floats: Bool
        var isForDirectories: Bool
        /// The pattern is of the directory that what is left out is in.
        var isOfContents: Bool
    }

    private let patterns: [Pattern]

    /// - Throws: a usage error for what is no pattern.
    init(_ texts: [String]) throws(HostError) {
        var patterns: [Pattern] = []
        for text in texts { patterns.append(try Self.pattern(text)) }
        self.patterns = patterns
    }

    private static func pattern(_ text: String) throws(HostError) -> Pattern {
        var rest = text[...]
        guard !rest.hasPrefix("!") else {
            throw HostError("--exclude \(text): what is left out cannot be taken in again; for a name that begins with ! write \\\(text)", kind: .usage)
        }
        let isOfContents = rest.hasSuffix("/**")
        if isOfContents { rest = rest.dropLast(3) }
        let isForDirectories = !isOfContents && rest.hasSuffix("/")
        if isForDirectories { rest = rest.dropLast() }
        let floats = rest.hasPrefix("**/")
        if floats { rest = rest.dropFirst(3) }
        let isAnchored = !floats && (rest.contains("/") || isOfContents)
        if rest.hasPrefix("/") { rest = rest.dropFirst() }
        guard !rest.isEmpty else { throw HostError("--exclude \(text): nothing has such a name", kind: .usage) }
        return Pattern(
            text: SystemText.cString(String(rest)), isAnchored: isAnchored, floats: floats, isForDirectories: isForDirectories,
            isOfContents: isOfContents)
    }

    var isEmpty: Bool { patterns.isEmpty }

    /// - Parameter path: below the root, not empty.
    func contain(_ path: [UInt8], isDirectory: Bool) -> Bool {
        patterns.contains { pattern in
            guard isDirectory || !pattern.isForDirectories else { return false }
            guard pattern.isOfContents else { return Self.matches(pattern, path) }
            guard let slash = path.lastIndex(of: Self.slash) else { return false }
            return Self.matches(pattern, Array(path[..<slash]))
        }
    }

    private static let slash = UInt8(ascii: "/")

    private static func matches(_ pattern: Pattern, _ path: [UInt8]) -> Bool {
        if pattern.isAnchored { return matches(pattern.text, path[...]) }
        var rest = path[...]
        // The name alone; for one that floats each end of the path.
        if !pattern.floats { return matches(pattern.text, path[((path.lastIndex(of: slash) ?? -1) + 1)...]) }
        while true {
            if matches(pattern.text, rest) { return true }
            guard let next = rest.firstIndex(of: slash) else { return false }
            rest = rest[(next + 1)...]
        }
    }

    private static func matches(_ pattern: [CChar], _ path: ArraySlice<UInt8>) -> Bool {
        unsafe fnmatch(pattern, path.map { CChar(bitPattern: $0) } + [0], FNM_PATHNAME) == 0
    }
}
