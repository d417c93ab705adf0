import Foundation
import Testing

/// A number that decides something has a name, and beside it its unit and its reason: in a declaration, where both are looked for. The
/// folders below those that decide, of words, bits and bytes, are full of numbers that a layout gives.
@Suite struct NakedNumberTests {
    static let folders = ["Feedback", "Tree", "Pacing", "Receiver", "Sender", "Repair", "Endpoint"]
    static let largest = 2.0

    @Test("Numbers above 2 stand in declarations", arguments: folders)
    func numbersHaveNames(folder: String) throws {
        let files = try SourceFile.all(in: "Sources/RMCPProtocol/\(folder)")
        #expect(!files.isEmpty)
        let found = files.flatMap { file in Self.naked(in: file).map { "\(file.path): \($0)" } }
        #expect(found.isEmpty, "\(found.joined(separator: "\n"))")
    }

    @Test("Numbers of declarations, types, ranges and comments are told from naked ones")
    func numbersAreFound() {
        let text = """
            struct Thing {
                static let limit = 300
                static let list: [Int] = [
                    7, 8,
                ]
                var width = 64
                /// About 12 of them.
                func f(x: UInt64, of list: [3 of Int]) -> Int {
                    let y = x.0 + 2 * 0.5
                    return y + Int64(x) + 1_000 + 0x10  // 99
                }
                func g() -> Double { "5" + 0..<8 + 3e4 }
            }
            """
        #expect(Self.naked(in: SourceFile(path: "Sources/M/F/Thing.swift", text: text)) == ["3", "1_000", "0x10", "8", "3e4"])
    }

    private static func naked(in file: SourceFile) -> [String] {
        var found: [String] = []
        // Brackets of a declaration that goes on over lines.
        var open = 0
        for line in file.bareCode {
            let isDeclaration = open > 0 || declares(line)
            guard isDeclaration else {
                found += numbers(in: line).filter { value(of: $0) > largest }
                continue
            }
            open += line.count { $0 == "[" || $0 == "(" } - line.count { $0 == "]" || $0 == ")" }
        }
        return found
    }

    /// A constant of a type, a case, or a stored property with its default.
    private static func declares(_ line: String) -> Bool {
        let words = line.split(separator: " ").filter { !["public", "private", "fileprivate", "internal", "private(set)", "public(set)"].contains($0) }
        if words.first == "static", words.count > 1, ["let", "var"].contains(words[1]) { return !line.contains("{") }
        if words.first == "case" { return line.contains(" = ") }
        let isMember = line.hasPrefix("    ") && !line.hasPrefix("     ")
        return isMember && (words.first == "let" || words.first == "var") && line.contains(" = ") && !line.contains("{")
    }

    private static func numbers(in line: String) -> [String] {
        var found: [String] = []
        var word = ""
        func end() {
            // A digit within a name is none.
            if word.first?.isNumber == true { found.append(word) }
            word = ""
        }
        for character in line.replacingOccurrences(of: "...", with: " ").replacingOccurrences(of: "..<", with: " ") {
            if character.isLetter || character.isNumber || character == "_" || character == "." { word.append(character) } else { end() }
        }
        end()
        return found
    }

    private static func value(of number: String) -> Double {
        let plain = number.replacingOccurrences(of: "_", with: "")
        return plain.hasPrefix("0x") ? Double(Int(plain.dropFirst(2), radix: 16) ?? .max) : Double(plain) ?? 0
    }
}
