import Foundation
import RMCPContent
import Testing

@testable import RMCPHost

/// Trees that are removed may have been made by anybody.
@Suite struct TreeRemovalTests {
    private let scratch = TemporaryDirectory()

    /// Directories one in another, each with a file, deeper than any path can say.
    private func make(levels: Int, in directory: OwnedDescriptor) {
        var above = directory
        for _ in 0..<levels {
            #expect(mkdirat(above.raw, "d", 0o700) == 0)
            above = OwnedDescriptor(openat(above.raw, "d", O_RDONLY | O_DIRECTORY))
            _ = OwnedDescriptor(openat(above.raw, "f", O_WRONLY | O_CREAT, 0o600))
        }
    }

    @Test("A tree of any depth is removed", arguments: [1, 255, 256, 257, 258, 513, 5_000])
    func depth(levels: Int) throws {
        let directory = try FileSystem.host.openDirectory(scratch.path)
        make(levels: levels, in: directory)
        // A receiver does it in a thread, and those have small stacks.
        let thread = try HostThread(name: "removal") { [scratch] in
            #expect(TreeRemoval.remove("d", in: directory.raw, files: .host), "\(HostError.errorText(errno))")
            #expect(scratch.names.isEmpty)
        }
        thread.join()
    }

    /// Room that a tree takes is counted with as little.
    @Test func countedDepth() throws {
        let directory = try FileSystem.host.openDirectory(scratch.path)
        make(levels: 5_000, in: directory)
        let thread = try HostThread(name: "survey") {
            let top = OwnedDescriptor(unsafe openat(directory.raw, "d", O_RDONLY | O_DIRECTORY))
            // Each level has a directory and a file; deeper than that no tree is.
            #expect(TreeRoom.taken(by: top, files: .host).entries == 2 * 257)
            #expect(TreeRemoval.remove("d", in: directory.raw, files: .host))
        }
        thread.join()
    }

    // MARK: Links

    @Test func aModeIsThatOfTheNameItself() throws {
        let directory = try FileSystem.host.openDirectory(scratch.path)
        _ = FileManager.default.createFile(atPath: scratch.path + "/file", contents: Data())
        #expect(mkdir(scratch.path + "/directory", 0o700) == 0 && mkfifo(scratch.path + "/fifo", 0o600) == 0)
        func failure(_ name: String) -> Int32 { FileSystem.host.setMode(of: SystemText.cString(name), in: directory.raw, 0o640) == 0 ? 0 : errno }
        for name in ["file", "directory", "fifo"] {
            #expect(failure(name) == 0)
            #expect(Listing.status(scratch.path + "/" + name).st_mode & 0o7777 == 0o640)
        }
        #expect(symlink("file", scratch.path + "/link") == 0)
        chmod(scratch.path + "/file", 0o600)
        #expect(failure("link") == ELOOP && failure("none") == ENOENT)
        #expect(Listing.status(scratch.path + "/file").st_mode & 0o7777 == 0o600)
        chmod(scratch.path + "/directory", 0o700)
    }

    /// Somebody in an old tree who swaps a directory for a link as soon as it has been looked at.
    private final class SwappingFiles: FileSystem, @unchecked Sendable {
        let target: String
        init(target: String) { self.target = target }
        override func status(of name: KernelName, in directory: Int32) -> stat? {
            let status = super.status(of: name, in: directory)
            if name == SystemText.cString("victim"), status?.kind == S_IFDIR {
                _ = unsafe unlinkat(directory, "victim", AT_REMOVEDIR)
                _ = unsafe symlinkat(target, directory, "victim")
            }
            return status
        }
    }

    @Test func nothingOutsideGetsAnotherMode() throws {
        let outside = TemporaryDirectory()
        chmod(outside.path, 0o755)
        #expect(mkdir(scratch.path + "/d", 0o700) == 0)
        var above = try FileSystem.host.openDirectory(scratch.path + "/d")
        let directory = try FileSystem.host.openDirectory(scratch.path)
        // As deep as a directory is moved up.
        for _ in 0..<CatalogLimits.depth {
            #expect(mkdirat(above.raw, "d", 0o700) == 0)
            above = OwnedDescriptor(unsafe openat(above.raw, "d", O_RDONLY | O_DIRECTORY))
        }
        #expect(mkdirat(above.raw, "victim", 0o500) == 0)
        #expect(TreeRemoval.remove("d", in: directory.raw, files: SwappingFiles(target: outside.path)))
        #expect(Listing.status(outside.path).st_mode & 0o7777 == 0o755 && scratch.names.isEmpty)
    }
}
