import CLinux
import Foundation
import RMCPContent
import Testing

@testable import RMCPHost

/// A walk finds the same whoever looks before it.
@Suite struct WalkAheadTests {
    private static let chunk: UInt32 = 65_536

    /// More names than a walk passes alone, of all kinds, in wide, deep and empty directories, among each other.
    private func sample() throws -> SampleTree {
        let tree = try SampleTree()
        for index in 0..<600 { try tree.file("f\(index)", [UInt8](repeating: 7, count: index % 40)) }
        for outer in 0..<12 {
            // Between files, by the order of names.
            let directory = "f\(outer * 50)-directory"
            try tree.directory(directory)
            try tree.directory("\(directory)/empty")
            for index in 0..<(outer * 30) { try tree.file("\(directory)/\(index)", [1, 2, 3]) }
            try tree.link("\(directory)/link", to: "f\(outer)")
            try tree.hardLink("\(directory)/again", to: "f\(outer)")
            try #require(mkfifo("\(tree.path)/\(directory)/fifo", 0o600) == 0)
            try tree.file("\(directory)/sparse")
            try #require(truncate("\(tree.path)/\(directory)/sparse", 1 << 20) == 0)
            try tree.file("\(directory)/long", [UInt8](repeating: 1, count: (9 << 20) >> outer))
        }
        var deep = "deep"
        for index in 0..<40 {
            try tree.directory(deep)
            for file in 0..<10 { try tree.file("\(deep)/f\(file)", [UInt8(index)]) }
            deep += "/d\(index % 3)"
        }
        _ = unsafe setxattr("\(tree.path)/f17", "user.note", "x", 1, 0)
        return tree
    }

    private func walk(_ tree: SampleTree, helpers: Int, _ change: (inout TreeSelection) -> Void = { _ in }) throws -> TreeScan.Tree {
        var selection = TreeSelection(paths: [tree.path])
        change(&selection)
        var scan = try TreeScan(selection, helpers: helpers)
        if selection.paths.count == 1 { try scan.walk(try selection.openRoot()) } else { try scan.walk(try selection.openRoots()) }
        return try scan.finish(chunkLength: Self.chunk)
    }

    @Test(arguments: [1, 4]) func theSameIsFoundInTheSameOrder(helpers: Int) throws {
        let tree = try sample()
        let changes: [(inout TreeSelection) -> Void] = [
            { _ in },
            { $0.excluded = ["*7", "f50-directory/", "deep/**/d1", "sparse"] },
            { $0.staysOnFileSystem = true },
            { ($0.owners, $0.attributes) = (.none, .none) },
            { $0.paths = ["\(tree.path)/deep", "\(tree.path)/f550-directory", "\(tree.path)/f1", "\(tree.path)/f300-directory"] },
        ]
        for (number, change) in changes.enumerated() {
            let alone = try walk(tree, helpers: 0, change)
            for _ in 0..<5 {
                let together = try walk(tree, helpers: helpers, change)
                #expect(together.catalog.bytes == alone.catalog.bytes, "\(number)")
                #expect(together.marks == alone.marks && together.counts == alone.counts && together.hasHoles == alone.hasHoles, "\(number)")
            }
        }
    }

    /// Threads find all that is ordinary, and leave the rest to the walk.
    @Test func threadsLookAtWhatComesNext() throws {
        let tree = try SampleTree()
        let files = (0..<300).map { "a\($0 + 100)" }
        for file in files { try tree.file(file, [1, 2, 3]) }
        for name in ["b", "c", "d"] {
            try tree.directory(name)
            for file in 0..<3 { try tree.file("\(name)/\(file)", [4]) }
        }
        let special = ["a110", "a120", "a130", "c"]
        try tree.hardLink("d/link", to: "a110")
        try #require(truncate("\(tree.path)/a120", 1 << 20) == 0)
        let selection = TreeSelection(paths: [tree.path])
        let root = try selection.openRoot()
        let names = try #require(DirectoryNames(of: root.raw))
        let ahead = WalkAhead(selection, excluded: try ExcludedNames(["c", "a130"]), threads: 2)
        defer { ahead.end() }
        ahead.enter(root, [], names, nil)
        // Nobody helps a small walk.
        for index in 0..<255 { #expect(ahead.finding(at: index) == nil) }
        ahead.leave()
        ahead.enter(root, [], names, nil)
        // Two runs of files, and three directories.
        let deadline = Date(timeIntervalSinceNow: 60)
        while ahead.foundCount < 5, Date() < deadline { sched_yield() }
        for index in 0..<names.count {
            let name = String(decoding: names[index], as: UTF8.self)
            switch ahead.finding(at: index) {
            case .file(let file): #expect(name.hasPrefix("a") && !special.contains(name) && file.status.st_size == 3)
            case .directory(let found): #expect(["b", "d"].contains(name) && found.names.count == found.files.count && found.files[2] != nil)
            case nil: #expect(special.contains(name))
            }
        }
        #expect(ahead.foundCount == 0)
    }
}
