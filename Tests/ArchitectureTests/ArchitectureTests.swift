import Foundation
import Testing

/// The rules that make the code readable, held by a test: allowed imports, banned words, lengths, dead files.
@Suite struct ArchitectureTests {
    static let allowedImports: [String: Set<String>] = [
        "RMCPProtocol": ["DequeModule", "RealModule"],
        "RMCPContent": ["CBLAKE3", "CZstd", "Crypto", "FoundationEssentials", "RMCPProtocol"],
        "RMCPHost": ["CLinux", "Glibc", "Synchronization", "DequeModule", "OrderedCollections", "RMCPProtocol", "RMCPContent", "RMCPReport"],
        "RMCPReport": ["FoundationEssentials", "RMCPProtocol"],
        "RMCPSimulator": ["RMCPProtocol", "DequeModule", "RealModule"],
        "rmcp": ["ArgumentParser", "Glibc", "TOMLKit", "RMCPProtocol", "RMCPContent", "RMCPReport", "RMCPHost"],
        "rmcp-simulate": ["ArgumentParser", "Glibc", "RMCPProtocol", "RMCPSimulator"],
    ]

    @Test("A module imports what it may, and nothing else", arguments: allowedImports.keys.sorted())
    func imports(module: String) throws {
        let files = try SourceFile.all(in: "Sources/\(module)")
        #expect(!files.isEmpty)
        for file in files {
            for line in file.lines {
                let words = line.split(separator: " ")
                guard let position = words.firstIndex(of: "import"), position <= 1, words.count > position + 1 else { continue }
                let name = String(words[position + 1])
                #expect(Self.allowedImports[module]?.contains(name) == true, "\(file.path) imports \(name)")
            }
        }
    }

    /// No clocks, no default randomness, no threads, no output, no order of dictionaries by accident.
    static let banned: [String: [String]] = [
        "Sources/RMCPProtocol": [
            "SystemRandomNumberGenerator", "ContinuousClock", "SuspendingClock", "Date(", "print(", ".random(in: 0", "Task ", "async ", "actor ",
            "DispatchQueue", "Thread", "fatalError", "try!", "as!",
        ],
        "Sources/RMCPSimulator": ["SystemRandomNumberGenerator", "ContinuousClock", "print(", "Task ", "async ", "fatalError", "try!", "as!"],
        "Sources/RMCPContent": ["fatalError", "try!", "as!", "print("],
        "Sources/RMCPReport": ["fatalError", "try!", "as!", "print(", "Date("],
        // Threads that wait, wait for an event.
        "Sources/RMCPHost": ["fatalError", "try!", "as!", "print(", "async ", "actor ", "Task ", "usleep(", "nanosleep("],
        "Sources/rmcp": ["fatalError", "try!", "as!"],
    ]

    @Test("Words that a module must not use", arguments: banned.keys.sorted())
    func bannedWords(folder: String) throws {
        for file in try SourceFile.all(in: folder) {
            for (number, line) in file.lines.enumerated() where !line.drop(while: { $0 == " " }).hasPrefix("//") {
                for word in Self.banned[folder] ?? [] where Self.uses(word, in: line) {
                    // Randomness that is handed in is what the engine is for.
                    if word == ".random(in: 0", line.contains("using:") { continue }
                    Issue.record("\(file.path):\(number + 1) uses \(word)")
                }
            }
        }
    }

    /// As a word of its own: `fingerprint(` is not `print(`.
    private static func uses(_ word: String, in line: Substring) -> Bool {
        var rest = line[...]
        while let range = rest.range(of: word) {
            let before = range.lowerBound > line.startIndex ? line[line.index(before: range.lowerBound)] : " "
            if !before.isLetter && before != "_" { return true }
            rest = rest[range.upperBound...]
        }
        return false
    }

    @Test("The engine opens no file, socket or thread")
    func engineIsPure() throws {
        for file in try SourceFile.all(in: "Sources/RMCPProtocol") {
            for line in file.code {
                for word in ["Glibc", "Foundation", "Synchronization", "Mutex", "socket(", "open("] {
                    #expect(!line.contains(word), "\(file.path): \(line)")
                }
            }
        }
    }

    @Test("Files are short enough to read: 400 lines, and 600 for a test", arguments: ["Sources", "Tests"])
    func lengths(folder: String) throws {
        for file in try SourceFile.all(in: folder) {
            #expect(file.lines.count <= (folder == "Sources" ? 400 : 600), "\(file.path) has \(file.lines.count) lines")
        }
    }

    @Test("Functions are short enough to read: 60 lines")
    func functionLengths() throws {
        for file in try SourceFile.all(in: "Sources") {
            for function in FunctionDeclaration.all(in: file) {
                #expect(function.length <= 60, "\(file.path):\(function.line + 1) has a function of \(function.length) lines")
            }
        }
    }

    @Test("Functions are measured from their first line to their last, however they are written, and with what is in them")
    func functionsAreMeasured() {
        let text = """
            protocol P {
                func required(x: Int) -> Int
                func another()
            }
            struct S<T> {
                init(
                    a: Int
                ) throws(E) {
                    func inner() {
                        if a > 0 {
                            return
                        }
                    }
                    inner()
                }

                func short() { 1 }
                var value: Int {
                    2
                }
                static func conditional<U>(_ u: U) -> U
                where U: P {
                    u
                }
                func long(_ a: Int)
                    throws -> Int
                {
                    // A comment.
                    a
                }
                subscript(_ index: Int) -> Int {
                    index
                }
            }
            """
        let found = FunctionDeclaration.all(in: SourceFile(path: "Sources/M/S.swift", text: text))
        #expect(found.map(\.line) == [8, 5, 20, 24, 30] && found.map(\.length) == [4, 9, 3, 5, 2], "\(found)")
    }

    @Test("A folder that is not there is no folder without faults")
    func movedFolder() { #expect(throws: SourceFile.NothingFound.self) { try SourceFile.all(in: "Sources/Nowhere") } }

    @Test("Tests that are left out say why")
    func conditionsHaveReasons() throws {
        for file in try SourceFile.all(in: "Tests") where !file.path.hasPrefix("Tests/ArchitectureTests/") {
            for condition in file.text.components(separatedBy: ".enabled(if:").dropFirst() {
                var depth = 0
                let end = condition.firstIndex { character in
                    if "([{".contains(character) { depth += 1 }
                    if ")]}".contains(character) { depth -= 1 }
                    return depth < 0 || depth == 0 && character == ","
                }
                #expect(end.map { condition[$0] } == ",", "\(file.path): .enabled(if:\(condition.prefix(60))")
            }
            #expect(!file.text.contains("print(\"skipped"), "\(file.path) passes where it should be left out")
        }
    }

    @Test("The top level holds what it should, and nothing else")
    func topLevel() throws {
        let expected: Set<String> = ["Package.swift", "README.md", "LICENSE", "CHANGELOG.md", "Sources", "Tests", "docs", "man", "scripts"]
        let names = try FileManager.default.contentsOfDirectory(atPath: SourceFile.root.path).filter { !$0.hasPrefix(".") && $0 != "Package.resolved" }
        #expect(Set(names) == expected)
    }

    @Test("Every tunable of the engine has its reason beside it", arguments: ["Configuration", "Feedback", "Tree", "Pacing", "Receiver", "Sender"])
    func tunablesAreExplained(folder: String) throws {
        for file in try SourceFile.all(in: "Sources/RMCPProtocol/\(folder)") {
            var explained = false
            for line in file.lines {
                let text = line.drop { $0 == " " }
                if text.hasPrefix("///") { explained = true }
                if text.isEmpty || text.hasPrefix("// MARK") { explained = false }
                // A doc comment may speak for the settings right below it.
                if folder == "Configuration" ? text.hasPrefix("public var") : text.contains("static let ") {
                    #expect(explained, "\(file.path): \(text)")
                }
            }
        }
    }

    @Test("Every file and folder that a document names is there", arguments: ["architecture", "simulation", "protocol", "security"])
    func namedFiles(document: String) throws {
        let text = try String(contentsOf: SourceFile.root.appendingPathComponent("docs/\(document).md"), encoding: .utf8)
        let paths = try SourceFile.all(in: "Sources").map(\.path) + SourceFile.all(in: "Tests").map(\.path)
        for name in text.matches(of: /`([A-Za-z0-9+\/]+(?:\.swift|\/))`/).map({ String($0.output.1) }) {
            let isThere = paths.contains { path in
                name.hasSuffix("/") ? ("/" + path).contains("/" + name) : ("/" + path).hasSuffix("/" + name)
            }
            #expect(isThere || FileManager.default.fileExists(atPath: SourceFile.root.appendingPathComponent(name).path), "docs/\(document).md names \(name)")
        }
    }
}
