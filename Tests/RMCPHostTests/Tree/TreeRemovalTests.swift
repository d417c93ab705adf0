import Foundation
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
}
