import Foundation

/// A Swift file as text, which the rules are held against.
struct SourceFile: Sendable {
    /// From the top of the project: `Sources/rmcp/RMCP.swift`.
    var path: String
    var text: String

    var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
    /// Without whole lines of comment, so that words in prose do not count.
    var code: [Substring] { lines.filter { !$0.drop { $0 == " " }.hasPrefix("//") } }
    /// Without comments and without what strings say.
    var bareCode: [String] { code.map(Self.bare) }

    private static func bare(_ line: Substring) -> String {
        var result = ""
        result.reserveCapacity(line.utf8.count)
        var isString = false
        var previous: Character = " "
        for character in line {
            if character == "\"", previous != "\\" { isString.toggle() }
            if !isString, character == "/", previous == "/" { return String(result.dropLast()) }
            if !isString || character == "\"" { result.append(character) }
            previous = character == "\\" && previous == "\\" ? " " : character
        }
        return result
    }

    /// The folder below `Sources/MODULE`, without those inside it: "" for a file of the module itself.
    var folder: String {
        let parts = path.split(separator: "/")
        return parts.count > 3 ? String(parts[2]) : ""
    }

    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// A folder that has no files, which every rule would hold for.
    struct NothingFound: Error, CustomStringConvertible {
        var folder: String
        var description: String { "no file is below \(folder); was it moved?" }
    }

    /// Files below a folder of the project, sorted by path; not what a build in Tests/Benchmarks leaves there.
    static func all(in folder: String, suffix: String = ".swift") throws -> [SourceFile] {
        let base = root.appendingPathComponent(folder)
        let names = FileManager.default.enumerator(atPath: base.path)?.compactMap { $0 as? String } ?? []
        let found = names.filter { $0.hasSuffix(suffix) && !$0.contains(".build/") }.sorted()
        guard !found.isEmpty else { throw NothingFound(folder: folder) }
        return try found.map { SourceFile(path: "\(folder)/\($0)", text: try String(contentsOf: base.appendingPathComponent($0), encoding: .utf8)) }
    }
}

/// A type as its file declares it, found by the layout that swift-format keeps: a body is four columns further in than its
/// declaration, and ends with a brace below its beginning.
struct TypeDeclaration: Sendable {
    var name: String
    var path: String
    /// Columns before the declaration: 0 for a type of the module.
    var indent: Int
    /// Whether other files can name it.
    var isShared: Bool
    /// Names of the instance's stored properties, in order.
    var storedProperties: [String]

    private static let modifiers: Set<Substring> = [
        "public", "internal", "package", "private", "fileprivate", "final", "indirect", "nonisolated", "unsafe", "lazy", "weak", "unowned",
        "public(set)", "internal(set)", "private(set)", "fileprivate(set)", "package(set)",
    ]
    private static let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "actor", "typealias"]

    /// The words of a line from the first that is no modifier on, and those before it.
    private static func words(of line: String) -> (modifiers: [Substring], rest: [Substring]) {
        let words = line.split(separator: " ")
        let first = words.firstIndex { !modifiers.contains($0) && !$0.hasPrefix("@") } ?? words.endIndex
        return (Array(words[..<first]), Array(words[first...]))
    }

    private static func identifier(_ word: Substring) -> String { String(word.prefix { $0.isLetter || $0.isNumber || $0 == "_" }) }
    private static func indent(of line: String) -> Int { line.utf8.prefix { $0 == UInt8(ascii: " ") }.count }

    static func all(in file: SourceFile) -> [TypeDeclaration] {
        var found: [TypeDeclaration] = []
        // Types whose bodies the line is in.
        var open: [Int] = []
        for line in file.bareCode {
            let indent = indent(of: line)
            if line.utf8.dropFirst(indent).first == UInt8(ascii: "}") { open.removeAll { found[$0].indent >= indent } }
            let (modifiers, rest) = words(of: line)
            guard rest.count > 1 else { continue }
            if kinds.contains(rest[0]) || rest[0] == "extension" {
                let isShared = indent == 0 && rest[0] != "extension" && !modifiers.contains("private") && !modifiers.contains("fileprivate")
                found.append(TypeDeclaration(name: identifier(rest[1]), path: file.path, indent: indent, isShared: isShared, storedProperties: []))
                if line.hasSuffix("{") { open.append(found.count - 1) }
            } else if rest[0] == "let" || rest[0] == "var", let type = open.last, indent == found[type].indent + 4, isStored(line) {
                found[type].storedProperties.append(identifier(rest[1]))
            }
        }
        return found
    }

    /// A computed property has a body and no value before it.
    private static func isStored(_ line: String) -> Bool {
        guard let brace = line.firstIndex(of: "{") else { return true }
        return line[..<brace].contains(" = ") || line.contains("didSet") || line.contains("willSet")
    }
}

/// A function as its file declares it, found by the same layout.
struct FunctionDeclaration: Sendable, Equatable {
    /// Line of its `func`, from 0.
    var line: Int
    /// Lines from there to the end of its body.
    var length: Int

    /// Functions, initializers and the like whose bodies have lines of their own, in the order of their ends.
    static func all(in file: SourceFile) -> [FunctionDeclaration] {
        var found: [FunctionDeclaration] = []
        // A declaration whose body has not begun: its parameters, its errors and its conditions may have lines of their own.
        var declared: (line: Int, indent: Int)?
        // Bodies that the line is in.
        var open: [(line: Int, indent: Int)] = []
        for (number, line) in file.lines.enumerated() {
            let indent = line.prefix { $0 == " " }.count
            let text = line.dropFirst(indent)
            if text.isEmpty || text.hasPrefix("//") { continue }
            if isDeclaration(text) {
                declared = (number, indent)
            } else if let begun = declared, indent < begun.indent || indent == begun.indent && !goesOn(text) {
                // A requirement of a protocol has no body.
                declared = nil
            }
            if let begun = declared, indent == begun.indent, text.hasSuffix("{") {
                open.append(begun)
                declared = nil
            } else if let begun = declared, begun.line == number, text.hasSuffix("}") {
                declared = nil
            } else if text == "}", let begun = open.last, begun.indent == indent {
                found.append(FunctionDeclaration(line: begun.line, length: number - begun.line))
                open.removeLast()
            }
        }
        return found
    }

    private static func isDeclaration(_ text: Substring) -> Bool {
        text.split(separator: " ").contains { word in
            ["func", "deinit"].contains(word) || ["init(", "init?(", "init<", "init?<", "subscript(", "subscript<"].contains { word.hasPrefix($0) }
        }
    }

    /// Whether a declaration goes on in a line that is no further in than its first.
    private static func goesOn(_ text: Substring) -> Bool { [")", "]", ">", "where ", "->", "throws", "async", "{"].contains { text.hasPrefix($0) } }
}
