import CLinux
import Foundation
import RMCPContent
import RMCPProtocol
import Testing

@testable import RMCPHost

/// A folder of a test's own, and what is made in it.
final class SampleTree {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "rmcp-tree-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        _ = chmod(path, 0o700)
        try? FileManager.default.removeItem(atPath: path)
    }

    func directory(_ name: String) throws { try #require(mkdir("\(path)/\(name)", 0o755) == 0) }

    func file(_ name: String, _ content: [UInt8] = [], mode: mode_t = 0o644) throws {
        let raw = open("\(path)/\(name)", O_CREAT | O_WRONLY | O_TRUNC, 0o600)
        try #require(raw >= 0)
        defer { close(raw) }
        try #require(write(raw, content, content.count) == content.count && fchmod(raw, mode) == 0)
    }

    func link(_ name: String, to target: String) throws { try #require(symlink(target, "\(path)/\(name)") == 0) }
    func hardLink(_ name: String, to other: String) throws { try #require(Glibc.link("\(path)/\(other)", "\(path)/\(name)") == 0) }
}

/// Catalog of a directory, and the content of its tree.
@Suite struct TreeSourceTests {
    private static let chunk: UInt32 = 65_536

    private func bytes(_ count: Int, seed: UInt8 = 1) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 + $0 / 251 + Int(seed)) } }

    /// Everything that a source hands out, as a feeder takes it.
    /// - Parameter holes: chunks that were not read.
    private func content(_ source: TreeSource, holes: inout Int) throws -> [UInt8] {
        let map = ChunkMap(chunkLength: Self.chunk)
        let pool = BufferPool(bufferLength: Int(Self.chunk), limit: 6)
        try source.start(map, pool: pool, wakeUp: try WakeUp())
        var result: [UInt8] = []
        while true {
            source.lookAhead()?()
            switch try source.next() {
            case .waiting: continue
            case .ended:
                try source.checkUnchanged()
                return result
            case .hole(let chunks):
                holes += chunks
                result += [UInt8](repeating: 0, count: chunks * Int(Self.chunk))
            case .data(let extent, let buffer):
                #expect(extent.offset == UInt64(result.count))
                try source.load(extent, into: buffer)
                result += Array(UnsafeRawBufferPointer(buffer.bytes).prefix(Int(extent.length)))
                // The next one to have it finds what is left in it.
                buffer.bytes.initializeMemory(as: UInt8.self, repeating: 0xEE)
                pool.giveBack(buffer)
            }
        }
    }

    private func content(_ source: TreeSource) throws -> [UInt8] {
        var holes = 0
        return try content(source, holes: &holes)
    }

    /// The catalog, as a receiver gets it, and each file's bytes by path.
    private func received(_ source: TreeSource) throws -> (Catalog, [String: [UInt8]]) {
        let content = try content(source)
        let header = try CatalogHeader(parsing: Array(content.prefix(CatalogHeader.length)))
        let catalog = try Catalog(Array(content.prefix(header.catalogLength)), chunkLength: Self.chunk, contentLength: UInt64(content.count))
        var files: [String: [UInt8]] = [:]
        for entry in 0..<catalog.count where catalog.kind(of: entry) == .file {
            let (body, tail) = (catalog.layout.body(of: entry), catalog.layout.tail(of: entry))
            files[SystemText.text(of: catalog.path(of: entry))] =
                Array(content[Int(body.lowerBound)..<Int(body.upperBound)]) + Array(content[Int(tail.lowerBound)..<Int(tail.upperBound)])
        }
        return (catalog, files)
    }

    private func source(_ paths: [String], _ change: (inout TreeSelection) -> Void = { _ in }) throws -> TreeSource {
        var selection = TreeSelection(paths: paths)
        change(&selection)
        return try TreeSource(selection, chunkLength: Self.chunk)
    }

    private func paths(_ catalog: Catalog) -> [String] { (0..<catalog.count).map { SystemText.text(of: catalog.path(of: $0)) } }

    private func paths(_ source: TreeSource) throws -> [String] { paths(try received(source).0) }

    // MARK: What is sent

    @Test func everyKindOfEntryIsListedWithWhatItHas() throws {
        let tree = try SampleTree()
        try tree.directory("d")
        try tree.directory("d/empty")
        try tree.file("d/file", bytes(10), mode: 0o4751)
        try tree.file("empty")
        try tree.link("link", to: "../nowhere")
        try tree.hardLink("other", to: "d/file")
        try #require(mkfifo("\(tree.path)/pipe", 0o600) == 0)
        var times = [timespec(tv_sec: -123_456, tv_nsec: 987_654_321), timespec(tv_sec: -123_456, tv_nsec: 987_654_321)]
        try #require(utimensat(AT_FDCWD, "\(tree.path)/link", &times, AT_SYMLINK_NOFOLLOW) == 0)
        let (catalog, files) = try received(try source([tree.path]))
        #expect(paths(catalog) == ["", "d", "d/empty", "d/file", "empty", "link", "other", "pipe"])
        #expect((0..<8).map { catalog.kind(of: $0) } == [.directory, .directory, .directory, .file, .file, .symbolicLink, .hardLink, .fifo])
        #expect(files == ["d/file": bytes(10), "empty": []])
        #expect(catalog[3].mode == 0o4751 && catalog[6].linkedTo == 3 && catalog[5].target == Array("../nowhere".utf8))
        #expect(catalog[5].modified == FileTime(seconds: -123_456, nanoseconds: 987_654_321))
        let owner = catalog.owner(try #require(catalog[3].owner))
        #expect(owner.user == geteuid() && owner.group == getegid() && owner.userName != nil)
    }

    @Test(arguments: [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000]) func filesOfAllLengthsComeWhole(length: Int) throws {
        let tree = try SampleTree()
        try tree.file("a", bytes(77, seed: 3))
        try tree.file("b", bytes(length, seed: 9))
        try tree.file("c", bytes(300_000, seed: 5))
        let files = try received(try source([tree.path])).1
        #expect(files["a"] == bytes(77, seed: 3) && files["b"] == bytes(length, seed: 9) && files["c"] == bytes(300_000, seed: 5))
    }

    @Test func manySmallFilesArePackedTogether() throws {
        let tree = try SampleTree()
        for index in 0..<300 { try tree.file("f\(index)", bytes(index * 3, seed: UInt8(truncatingIfNeeded: index))) }
        let source = try source([tree.path])
        let (catalog, files) = try received(source)
        #expect(files.count == 300 && catalog.layout.contentLength < 200_000)
        for index in 0..<300 { #expect(files["f\(index)"] == bytes(index * 3, seed: UInt8(truncatingIfNeeded: index))) }
        #expect(source.counts?.files == 300 && source.counts?.directories == 1 && source.counts?.bytes == UInt64((0..<300).reduce(0) { $0 + $1 * 3 }))
    }

    @Test func namesAreSortedByTheirBytesWhateverTheyAre() throws {
        let tree = try SampleTree()
        for name in ["ä", "z", "Z", "a-b", "a", "~", "\u{1B}[2J"] { try tree.file(name) }
        try tree.file(SystemText.text(of: [0x66]))
        let raw = openat(AT_FDCWD, SystemText.cString(tree.path + "/" + SystemText.text(of: [0xFF, 0xFE])), O_CREAT | O_WRONLY, 0o600)
        try #require(raw >= 0)
        close(raw)
        let catalog = try received(try source([tree.path])).0
        let names = (1..<catalog.count).map { catalog.name(of: $0) }
        #expect(names.count == 9 && names == names.sorted { $0.lexicographicallyPrecedes($1) } && names.last == [0xFF, 0xFE])
    }

    @Test func theSameTreeIsTheSameContent() throws {
        let tree = try SampleTree()
        for index in 0..<40 { try tree.file("f\(index)", bytes(index * 1_000)) }
        #expect(try content(try source([tree.path])) == content(try source([tree.path])))
    }

    @Test func holesAreNotRead() throws {
        let tree = try SampleTree()
        let path = tree.path + "/sparse"
        let raw = open(path, O_CREAT | O_RDWR, 0o600)
        try #require(raw >= 0)
        defer { close(raw) }
        try #require(ftruncate(raw, 40 * Int(Self.chunk) + 100) == 0)
        let data = bytes(Int(Self.chunk), seed: 4)
        for chunk in [3, 20] { try #require(pwrite(raw, data, data.count, chunk * Int(Self.chunk)) == data.count) }
        try tree.file("before", bytes(200_000))
        try tree.file("z", bytes(200_000))
        let source = try source([tree.path])
        var holes = 0
        let content = try content(source, holes: &holes)
        let (catalog, files) = try received(try self.source([tree.path]))
        #expect(catalog.layout.contentLength == UInt64(content.count))
        #expect(catalog[2].isSparse && !catalog[1].isSparse && holes == 38, "\(holes)")
        #expect(catalog.header.allocatedLength < 800_000)
        let expected = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
        #expect(files["sparse"] == expected && files["before"] == bytes(200_000) && files["z"] == bytes(200_000))
    }

    /// A long file of zeros that are only reserved needs no room where it goes, and has no holes that the source could leave out.
    @Test func reservedZerosNeedNoRoom() throws {
        let tree = try SampleTree()
        let raw = open(tree.path + "/reserved", O_CREAT | O_RDWR, 0o600)
        try #require(raw >= 0)
        defer { close(raw) }
        try #require(posix_fallocate(raw, 0, 20 << 20) == 0)
        let (catalog, files) = try received(try source([tree.path]))
        #expect(catalog.header.allocatedLength == 0 && !catalog[1].isSparse, "\(catalog.header.allocatedLength)")
        #expect(files["reserved"] == [UInt8](repeating: 0, count: 20 << 20))
    }

    /// Older kernels' tmpfs has no attributes of users, and ext4 has little room for them.
    private static func takesAttributes(_ attributes: [(name: String, value: [UInt8])]) -> Bool {
        guard let tree = try? SampleTree(), (try? tree.file("a")) != nil else { return false }
        return attributes.allSatisfy { setxattr("\(tree.path)/a", $0.name, $0.value, $0.value.count, 0) == 0 }
    }

    private static let comment = [(name: "user.comment", value: Array("hello".utf8))]
    private static let longAttributes = [(256, 1), (257, 2), (2_000, 3)].enumerated().map { index, value in
        (name: "user.\(index)" + String(repeating: "n", count: 200), value: [UInt8](repeating: value.1, count: value.0))
    }

    /// Names and values of any length: the kernel is offered little room first.
    @Test(.enabled(if: takesAttributes(longAttributes), "the file system of temporary files has no such attributes"))
    func longAttributesAreSent() throws {
        let tree = try SampleTree()
        try tree.file("a")
        for (name, value) in Self.longAttributes { try #require(setxattr("\(tree.path)/a", name, value, value.count, 0) == 0) }
        let catalog = try received(try source([tree.path])).0
        let found = catalog[1].attributes.map { catalog.attributes($0) }
        #expect(found == Self.longAttributes.map { CatalogAttribute(name: Array($0.name.utf8), value: $0.value) })
    }

    @Test(.enabled(if: takesAttributes(comment), "the file system of temporary files has no attributes of users"))
    func attributesOfUsersAreSentAndOthersAskedFor() throws {
        let tree = try SampleTree()
        try tree.file("a")
        try #require(setxattr("\(tree.path)/a", "user.comment", "hello", 5, 0) == 0)
        func attributes(_ choice: TreeSelection.Attributes) throws -> [CatalogAttribute]? {
            let catalog = try received(try source([tree.path]) { $0.attributes = choice }).0
            return catalog[1].attributes.map { catalog.attributes($0) }
        }
        let comment = CatalogAttribute(name: Array("user.comment".utf8), value: Array("hello".utf8))
        #expect(try attributes(.usual) == [comment] && attributes(.none) == nil && attributes(.all)?.contains(comment) == true)
        if geteuid() == 0, setxattr("\(tree.path)/a", "trusted.x", "1", 1, 0) == 0 {
            #expect(try attributes(.usual) == [comment] && attributes(.all)?.count == 2)
        }
    }

    @Test func ownersAreLeftOutWhereNobodyWantsThem() throws {
        let tree = try SampleTree()
        let without = try received(try source([tree.path]) { $0.owners = .none }).0
        #expect(!without.header.hasOwners && without[0].owner == nil)
        let numeric = try received(try source([tree.path]) { $0.owners = .numbers }).0
        #expect(numeric.owner(0) == CatalogOwner(user: geteuid(), group: getegid()))
    }

    @Test func socketsAndDevicesAreCountedAndSaid() throws {
        let tree = try SampleTree()
        try tree.file("a")
        let socket = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // A short name from the folder itself: the address has 108 bytes.
        let here = FileManager.default.currentDirectoryPath
        let directory = open(tree.path, O_RDONLY | O_DIRECTORY)
        defer { close(directory) }
        let name = "/proc/self/fd/\(directory)/s"
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(name.utf8)) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        try #require(bound == 0 && here == FileManager.default.currentDirectoryPath)
        let source = try source([tree.path])
        #expect(try paths(source) == ["", "a"])
        #expect(source.warnings == ["left out: 1 socket, which a tree cannot carry"])
    }

    // MARK: Choosing

    @Test func severalPathsAreInADirectoryOfTheirOwn() throws {
        let tree = try SampleTree()
        try tree.directory("x")
        try tree.directory("x/b")
        try tree.file("x/b/in", bytes(5))
        try tree.file("a", bytes(70_000))
        try tree.link("c", to: "x/b")
        let source = try source(["\(tree.path)/c", "\(tree.path)/x/b", "\(tree.path)/a"])
        let (catalog, files) = try received(source)
        #expect(paths(catalog) == ["", "a", "b", "b/in", "c"] && catalog.kind(of: 4) == .symbolicLink)
        #expect(files == ["a": bytes(70_000), "b/in": bytes(5)] && catalog[0].mode == 0o755 && source.defaultName == nil)
        // A slash behind it makes the link be followed.
        let followed = try received(try self.source(["\(tree.path)/c/", "\(tree.path)/a"]))
        #expect(paths(followed.0) == ["", "a", "c", "c/in"] && followed.1["c/in"] == bytes(5))
        #expect(throws: HostError.self) { try self.source(["\(tree.path)/a", "\(tree.path)/x/../a"]) }
        #expect(throws: HostError.self) { try self.source(["\(tree.path)/a", "\(tree.path)/nothing"]) }
        #expect(throws: HostError.self) { try self.source(["\(tree.path)/a", "-"]) }
    }

    @Test func theNameIsTheLastComponent() throws {
        let tree = try SampleTree()
        try tree.directory("d")
        try tree.link("l", to: "d")
        func name(_ path: String) -> String? { TreeSelection(paths: [path]).defaultName }
        #expect(name("\(tree.path)/d") == "d" && name("\(tree.path)/d/") == "d" && name("\(tree.path)/d/.") == "d")
        #expect(name("\(tree.path)/l/") == "l" && name("\(tree.path)/d/..") == String(tree.path.split(separator: "/").last ?? ""))
        #expect(name("/") == "")
    }

    @Test func whatIsListedIsAllThatIsSent() throws {
        let tree = try SampleTree()
        for name in ["d", "d/e", "d/f", "g"] { try tree.directory(name) }
        for name in ["d/e/1", "d/e/2", "d/f/3", "d-a", "g/4", "top"] { try tree.file(name, bytes(20)) }
        try tree.link("d/l", to: "e")
        let list = tree.path + ".list"
        defer { unlink(list) }
        func sent(_ paths: [String]) throws -> [String] {
            try Data(paths.joined(separator: "\0").utf8).write(to: URL(fileURLWithPath: list))
            return try self.paths(try source([tree.path]) { $0.list = list })
        }
        #expect(try sent(["top", "./d/e/1", "d-a", "d//f"]) == ["", "d", "d/e", "d/e/1", "d/f", "d-a", "top"])
        #expect(try sent(["d/e/1", "d/e/1", "d", "d/l"]) == ["", "d", "d/e", "d/e/1", "d/l"])
        // A trailing zero, and the root itself, as find has them.
        #expect(try sent([".", "./g", "./g/4", ""]) == ["", "g", "g/4"])
        for bad in ["../x", "/etc/passwd", "d/../../x"] { #expect(throws: HostError.self) { try sent([bad]) } }
        let missing = #expect(throws: HostError.self) { try sent(["top", "d/nothing", "x/y", "d/l/1"]) }
        let text = missing?.description ?? ""
        #expect(text.contains("d/nothing: no such file") && text.contains("x: no such file") && text.contains("d/l: not a directory"), "\(text)")
        #expect(throws: HostError.self) { try sent([]) }
        #expect(throws: HostError.self) { try sent(["top\nd-a"]) }
    }

    @Test func patternsAreAnchoredAsGitHasThem() throws {
        func excluded(_ patterns: String..., path: String, isDirectory: Bool = false) throws -> Bool {
            try ExcludedNames(patterns).contain(Array(path.utf8), isDirectory: isDirectory)
        }
        #expect(try excluded("*.o", path: "a.o") && excluded("*.o", path: "x/y/a.o") && !excluded("*.o", path: "a.of"))
        #expect(try excluded("/a", path: "a") && !excluded("/a", path: "x/a") && excluded("x/a", path: "x/a") && !excluded("x/a", path: "y/x/a"))
        #expect(try excluded("x/*", path: "x/a") && !excluded("x/*", path: "x/y/a"))
        #expect(try excluded("tmp/", path: "tmp", isDirectory: true) && !excluded("tmp/", path: "tmp") && excluded("tmp/", path: "x/tmp", isDirectory: true))
        #expect(try excluded("**/x/a", path: "x/a") && excluded("**/x/a", path: "y/x/a") && !excluded("**/x/a", path: "y/x/b"))
        #expect(
            try excluded("cache/**", path: "cache/x") && !excluded("cache/**", path: "cache", isDirectory: true) && !excluded("cache/**", path: "y/cache/x"))
        #expect(try excluded("*", path: ".hidden") && excluded("[ab]?", path: "b1") && !excluded("[ab]?", path: "c1"))
        for bad in ["!x", "", "/"] { #expect(throws: HostError.self) { try ExcludedNames([bad]) } }
    }

    @Test func whatIsExcludedIsNotThere() throws {
        let tree = try SampleTree()
        for name in ["keep", "cache", "keep/cache"] { try tree.directory(name) }
        for name in ["keep/a.o", "keep/b", "cache/x", "keep/cache/y", "z.o"] { try tree.file(name) }
        #expect(try paths(try source([tree.path]) { $0.excluded = ["*.o", "/cache"] }) == ["", "keep", "keep/b", "keep/cache", "keep/cache/y"])
        #expect(try paths(try source([tree.path]) { $0.excluded = ["cache/**", "cache/", "b"] }) == ["", "keep", "keep/a.o", "z.o"])
        // The second name of a file is the file where the first is left out.
        try tree.hardLink("keep/second", to: "z.o")
        try tree.hardLink("keep/third", to: "z.o")
        let catalog = try received(try source([tree.path]) { $0.excluded = ["second", "cache", "*.o"] }).0
        #expect(paths(catalog) == ["", "keep", "keep/b", "keep/third"] && catalog.kind(of: 3) == .file)
    }

    private static var hasMountsInDev: Bool {
        guard let dev = FileSystem.status(of: "/dev"), let inner = FileSystem.status(of: "/dev/shm") else { return false }
        return dev.st_dev != inner.st_dev && access("/dev/shm", R_OK | W_OK) == 0
    }

    @Test(.enabled(if: hasMountsInDev, "nothing is mounted at /dev/shm")) func mountsAreLeftOutWhereAsked() throws {
        let name = "rmcp-\(UUID().uuidString)"
        try #require(mkdir("/dev/shm/\(name)", 0o700) == 0)
        defer { rmdir("/dev/shm/\(name)") }
        func paths(_ staysOnFileSystem: Bool) throws -> [String] {
            var selection = TreeSelection(paths: ["/dev"], staysOnFileSystem: staysOnFileSystem)
            // Others have files there, which come and go.
            selection.excluded = ["/pts/*", "/fd", "/mqueue/*", "/hugepages/*", "/shm/*/*"]
            var scan = try TreeScan(selection)
            try scan.walk(try selection.openRoot())
            return self.paths(try scan.finish(chunkLength: Self.chunk).catalog)
        }
        #expect(try paths(true).contains("shm") && !paths(true).contains("shm/\(name)"))
        #expect(try paths(false).contains("shm/\(name)"))
    }

    // MARK: What goes wrong

    @Test func whatCannotBeReadIsNamed() throws {
        let tree = try SampleTree()
        for index in 0..<7 { try tree.file("secret\(index)", mode: 0) }
        try tree.directory("closed")
        try tree.file("open")
        try #require(chmod("\(tree.path)/closed", 0) == 0)
        defer { _ = chmod("\(tree.path)/closed", 0o700) }
        let error = try Self.asNobody { () -> HostError? in
            do { _ = try source([tree.path]) } catch { return error as? HostError }
            return nil
        }
        let text = error?.description ?? ""
        #expect(text.contains("closed: permission denied; secret0: permission denied") && text.contains("and 3 more"), "\(text)")
        #expect(!text.contains("secret4") && !text.contains("open:"))
    }

    /// Permissions mean nothing to root. A thread of its own gives its rights up.
    private static func asNobody<Result: Sendable>(_ body: @escaping () throws -> Result) throws -> Result {
        guard geteuid() == 0 else { return try body() }
        nonisolated(unsafe) var result: Swift.Result<Result, any Error>?
        nonisolated(unsafe) let body = body
        let thread = Thread {
            // Rights of this thread alone (setfsuid(2)).
            _ = setFileSystemUser(65_534)
            result = Swift.Result { try body() }
        }
        thread.start()
        while !thread.isFinished { usleep(1_000) }
        return try #require(result).get()
    }

    @Test func aFileThatChangesIsNamed() throws {
        let tree = try SampleTree()
        for index in 0..<5 { try tree.file("f\(index)", bytes(100)) }
        let source = try source([tree.path])
        try tree.file("f3", bytes(101))
        let error = #expect(throws: HostError.self) { try content(source) }
        #expect(error?.description.hasPrefix("\(tree.path)/f3 changed while") == true, "\(String(describing: error))")
    }

    @Test(arguments: ["replaced", "gone", "link", "linkedDirectory", "target"]) func whatBecomesAnotherIsFound(how: String) throws {
        let tree = try SampleTree()
        try tree.directory("d")
        try tree.file("d/a", bytes(100))
        try tree.file("d/empty")
        try tree.link("d/l", to: "a")
        let source = try source([tree.path])
        var reached = 0
        _ = try content(source, holes: &reached)
        let path = "\(tree.path)/d"
        switch how {
        case "replaced":
            // The same to the byte and the nanosecond, but another file.
            var status = stat()
            try #require(stat("\(path)/a", &status) == 0)
            try tree.file("d/b", bytes(100))
            var times = [status.st_mtim, status.st_mtim]
            try #require(utimensat(AT_FDCWD, "\(path)/b", &times, 0) == 0 && rename("\(path)/b", "\(path)/a") == 0)
        case "gone": try #require(unlink("\(path)/empty") == 0)
        case "link": try #require(unlink("\(path)/a") == 0 && symlink("/etc/passwd", "\(path)/a") == 0)
        case "linkedDirectory": try #require(rename(path, "\(tree.path)/e") == 0 && symlink("e", path) == 0)
        default: try #require(unlink("\(path)/l") == 0 && symlink("/etc", "\(path)/l") == 0)
        }
        #expect(throws: HostError.self) { try source.checkUnchanged() }
    }

    /// A link that somebody plants in place of a directory is not followed, with openat2(2) and without.
    @Test func nothingOutsideIsRead() throws {
        let tree = try SampleTree()
        try tree.directory("d")
        try tree.file("d/passwd", bytes(100))
        let source = try source([tree.path])
        try #require(rename("\(tree.path)/d", "\(tree.path)/e") == 0 && symlink("/etc", "\(tree.path)/d") == 0)
        #expect(throws: HostError.self) { try content(source) }
        let raw = open(tree.path, O_RDONLY | O_DIRECTORY)
        defer { close(raw) }
        #expect(rmcp_open_beneath(raw, "d/passwd", O_RDONLY) < 0 && errno == ELOOP)
        #expect(TreeContents.openStepwise(raw, Array("d/passwd".utf8), O_RDONLY) < 0 && (errno == ELOOP || errno == ENOTDIR))
        let inside = TreeContents.openStepwise(raw, Array("e/passwd".utf8), O_RDONLY)
        #expect(inside >= 0)
        close(inside)
    }

    /// A directory that several files were read in is held open: it stays the one that was walked, and its names are no links.
    @Test func nothingOutsideIsReadOfABusyDirectory() throws {
        let tree = try SampleTree()
        try tree.directory("d")
        for name in ["1", "2", "3", "passwd"] { try tree.file("d/\(name)", bytes(100)) }
        let source = try source([tree.path])
        let all = try content(source)
        try #require(rename("\(tree.path)/d", "\(tree.path)/e") == 0 && symlink("/etc", "\(tree.path)/d") == 0)
        #expect((try? content(source)) ?? all == all)
        #expect(throws: HostError.self) { try source.checkUnchanged() }
        try #require(unlink("\(tree.path)/e/passwd") == 0 && symlink("/etc/passwd", "\(tree.path)/e/passwd") == 0)
        #expect(throws: HostError.self) { try content(source) }
    }

    @Test func aTreeBeyondTheLimitsIsRefusedWithAWayOut() throws {
        let tree = try SampleTree()
        var path = tree.path
        // Deeper than a path may be written: made from one directory to the next.
        var descriptor = open(path, O_RDONLY | O_DIRECTORY)
        for _ in 0..<258 {
            try #require(mkdirat(descriptor, "d", 0o700) == 0)
            let next = openat(descriptor, "d", O_RDONLY | O_DIRECTORY)
            close(descriptor)
            descriptor = next
            path += "/d"
        }
        close(descriptor)
        let error = #expect(throws: HostError.self) { try source([tree.path]) }
        #expect(error?.kind == .usage && error?.description.contains("more than 256 levels deep; use: tar -c") == true, "\(String(describing: error))")
    }
}

@_silgen_name("setfsuid") private func setFileSystemUser(_ user: uid_t) -> Int32
