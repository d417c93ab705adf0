import Foundation
import Testing

/// A type with walls: what it remembers can be read at one glance. Files cut short do not make it so, since an extension
/// in another file needs properties that every file may write.
@Suite struct StoredPropertyTests {
    static let limit = 24

    @Test("A type has 24 stored properties at most")
    func fewProperties() throws {
        for file in try SourceFile.all(in: "Sources") {
            for type in TypeDeclaration.all(in: file) {
                #expect(type.storedProperties.count <= Self.limit, "\(file.path): \(type.name) has \(type.storedProperties.count) stored properties")
            }
        }
    }

    @Test("Stored properties are told from computed ones, statics, and those of nested types")
    func propertiesAreCounted() {
        let text = """
            public struct Outer: Sendable {
                public private(set) var first = 1
                let second: Int
                var third: [Int] = [] { didSet { changed() } }
                static let shared = 3
                var computed: Int { first }
                var longer: Int {
                    let local = 1
                    return local
                }
                struct Inner {
                    var inner = 2
                    lazy var later = 3
                }
                let closure = { 5 }
            }
            """
        let types = TypeDeclaration.all(in: SourceFile(path: "Sources/M/Outer.swift", text: text))
        #expect(types.map(\.name) == ["Outer", "Inner"])
        #expect(types.map(\.storedProperties) == [["first", "second", "third", "closure"], ["inner", "later"]])
    }
}
