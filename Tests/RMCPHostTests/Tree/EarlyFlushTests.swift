import Dispatch
import Foundation
import RMCPContent
import RMCPProtocol
import Testing

@testable import RMCPHost

/// Small files go to the disk while the rest of their tree comes.
@Suite struct EarlyFlushTests {
    /// Files whose first flush of the file system takes as long as a test likes, and fails.
    private final class SlowFiles: FileSystem, @unchecked Sendable {
        private let state = LockedValue((calls: 0, isArmed: false))
        private let isOver = DispatchSemaphore(value: 0)
        private let hasBegun = DispatchSemaphore(value: 0)

        var flushes: Int { state.withLock { $0.calls } }

        /// The flushes before are those of a new staging directory.
        func arm() { state.withLock { $0 = (0, true) } }
        func waitForFlush() { hasBegun.wait() }
        func finishFlush() { isOver.signal() }

        override func flushFileSystem(_ descriptor: Int32) -> Int32 {
            let call = state.withLock { state in
                state.calls += 1
                return state.isArmed ? state.calls : 0
            }
            guard call == 1 else { return super.flushFileSystem(descriptor) }
            hasBegun.signal()
            isOver.wait()
            errno = EIO
            return -1
        }
    }

    private let scratch = TemporaryDirectory()
    private let tree: MemoryTree

    init() throws {
        tree = try MemoryTree((0..<24).map { ("f\($0 + 10)", .file(MemoryTree.bytes(2_000, salt: $0))) })
    }

    @Test("A flush is under way while files are written, one at a time; what it says is nobody's business")
    func besideWriting() throws {
        let files = SlowFiles()
        var options = TreeOptions()
        options.flushStep = 4_096
        let storage = try tree.open(in: scratch.path, options: options, files: files)
        files.arm()
        for index in 0..<tree.count { try tree.store(index, in: storage) }
        files.waitForFlush()
        #expect(files.flushes == 1, "one waits for the disk, and no other was begun")
        // It has its own descriptor: the kernel tells the error of a write once more to who flushes at the end.
        try storage.commit(contentLength: UInt64(tree.content.count))
        #expect(files.flushes == 2)
        files.finishFlush()
        storage.close()
        #expect(Listing.of(scratch.path + "/tree").filter { $0.hasPrefix("/f") }.count == 24)
    }

    @Test func aSmallTreeIsFlushedOnce() throws {
        let files = SlowFiles()
        let storage = try tree.open(in: scratch.path, files: files)
        files.arm()
        files.finishFlush()
        for index in 0..<tree.count { try tree.store(index, in: storage) }
        #expect(files.flushes == 0)
        #expect(throws: HostError.self, "the one at the end says what was lost") { try storage.commit(contentLength: UInt64(tree.content.count)) }
        #expect(files.flushes == 1)
        storage.close()
    }
}
