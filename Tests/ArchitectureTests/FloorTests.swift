import Foundation
import Testing

/// A module is a house of floors, and each folder is one: it uses those below it, never one above. So a newcomer can read
/// a module from the bottom up, and no change of a detail comes back from behind.
@Suite struct FloorTests {
    /// From the bottom to the top; "" stands for the files of the module's own folder.
    static let floors: [String: [String]] = [
        "RMCPProtocol": [
            "Time", "Values", "Configuration", "Coding", "Table", "Feedback", "Wire", "Tree", "Pacing", "Receiver", "Sender", "Repair",
            "Endpoint",
        ],
        "RMCPHost": [
            "", "System", "Service", "Concurrency", "Metrics", "Memory", "Network", "Cache", "Storage", "Source", "Send", "Receive", "Repair", "Watch",
        ],
        "RMCPSimulator": ["Clock", "Content", "Network", "Nodes", "Checkers", "World", "Scenarios"],
        "RMCPReport": ["", "Send", "Receive", "Repair", "Watch", "Page", "Screen"],
        "rmcp": ["Output", "Options", "Commands", ""],
    ]

    @Test("No folder uses what stands above it", arguments: floors.keys.sorted())
    func noFolderLooksUp(module: String) throws {
        let floors = try #require(Self.floors[module])
        let files = try SourceFile.all(in: "Sources/\(module)")
        let faults = Self.faults(in: files, floors: floors)
        #expect(faults.isEmpty, "\(faults.joined(separator: "\n"))")
        // A folder that the list does not know, or that is gone, would be held to nothing.
        #expect(Set(files.map(\.folder)).symmetricDifference(floors).isEmpty, "folders of \(module) and its list of floors differ")
    }

    @Test("A type of a floor above is found wherever it is used, and prose is not code")
    func aViolationIsFound() {
        let lower = SourceFile(path: "Sources/M/Low/Thing.swift", text: "struct Thing {\n    // Tower is above.\n    let text = \"Tower\"\n}\n")
        let upper = SourceFile(path: "Sources/M/High/Tower.swift", text: "struct Tower {\n    let thing: Thing\n}\n")
        #expect(Self.faults(in: [lower, upper], floors: ["Low", "High"]).isEmpty)
        var looking = lower
        looking.text += "extension Thing {\n    func f(_ tower: Tower?) {}\n}\n"
        #expect(Self.faults(in: [looking, upper], floors: ["Low", "High"]) == ["Sources/M/Low/Thing.swift uses Tower, which is in High, above Low"])
    }

    private static func faults(in files: [SourceFile], floors: [String]) -> [String] {
        var home: [String: String] = [:]
        for file in files {
            for type in TypeDeclaration.all(in: file) where type.isShared { home[type.name] = file.folder }
        }
        var faults: [String] = []
        for file in files {
            let own = floors.firstIndex(of: file.folder) ?? 0
            let words = Set(file.bareCode.flatMap { $0.split { !$0.isLetter && !$0.isNumber && $0 != "_" } })
            for word in words.map(String.init).sorted() {
                guard let folder = home[word], let floor = floors.firstIndex(of: folder), floor > own else { continue }
                faults.append("\(file.path) uses \(word), which is in \(folder), above \(file.folder)")
            }
        }
        return faults
    }
}
