/// Flushes that write small files to the disk while the rest of their tree comes, so that little is left for the end, when everybody waits.
///
/// Large files begin on their own (`beginFlush`). For small ones that would be a call each, in the order in which they come; the file
/// system writes many of them at once, side by side. A thread does it, one at a time. What it cannot write is said to who flushes at the end:
/// the kernel tells each open descriptor of an error once, and this one has its own.
final class EarlyFlush: Sendable {
    private struct State {
        var written: UInt64 = 0
        var isUnderWay = false
        var thread: HostThread?
    }

    /// Bytes of small files from one flush to the next: half a second at 500 Mb/s. Less costs journal commits, and more leaves more to the end
    /// (docs/decisions/0039).
    static let step: UInt64 = 32 << 20

    private let descriptor: OwnedDescriptor
    private let step: UInt64
    private let files: FileSystem
    private let state = LockedValue(State())

    /// - Parameters:
    ///   - descriptor: of something in the file system that nobody else flushes by.
    ///   - step: bytes.
    init(_ descriptor: OwnedDescriptor, step: UInt64, files: FileSystem) {
        self.descriptor = descriptor
        self.step = step
        self.files = files
    }

    /// Bytes were written that nothing else has begun to flush. Waits for no disk.
    func note(written bytes: UInt64) {
        state.withLock { state in
            state.written += bytes
            guard state.written >= step, !state.isUnderWay else { return }
            state.written = 0
            // The one before has ended.
            state.thread?.join()
            state.isUnderWay = true
            state.thread = try? HostThread(quiet: "rmcp-flush") { [self] in
                _ = files.flushFileSystem(descriptor.raw)
                self.state.withLock { $0.isUnderWay = false }
            }
            if state.thread == nil { state.isUnderWay = false }
        }
    }

    /// Waits for what is under way. Nothing is noted afterwards.
    func finish() {
        let thread = state.withLock { state in
            state.isUnderWay = true
            defer { state.thread = nil }
            return state.thread
        }
        thread?.join()
    }
}
