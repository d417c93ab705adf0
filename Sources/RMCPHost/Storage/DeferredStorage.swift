import RMCPContent
import RMCPProtocol
import RMCPReport

/// A bundle's storage that is not made before something has to be stored: anybody can repeat an ANNOUNCE years later, and nothing of it
/// shall be on the disk until a chunk that its sender has signed was here. What can be known before, such as that there is no room, is.
final class DeferredStorage: BundleStorage {
    private enum State: Sendable {
        /// Runs of zeros that came before anything else.
        case waiting(zeros: [(chunks: Range<UInt32>, contentLength: UInt64)])
        case made(any BundleStorage)
        /// Storage that could not be made, which is said each time.
        case failed(HostError)
        case closed
    }

    let path: String
    private let announce: Announce
    private let make: @Sendable () throws(HostError) -> any BundleStorage
    private let state = LockedValue(State.waiting(zeros: []))
    private let identity: LockedValue<UInt32?>
    /// Storage once it is made: `state` is locked for as long as making it takes.
    private let finished = LockedValue<(any BundleStorage)?>(nil)
    /// Line for the user that is known before anything is made; it is not told once more.
    private let told: String?
    private let notes: LockedValue<[String]>

    /// - Parameter told: what is known without making it, as `prepare` would say it; a line for the user.
    init(path: String, announce: Announce, told: String? = nil, make: @escaping @Sendable () throws(HostError) -> any BundleStorage) {
        self.path = path
        self.announce = announce
        self.told = told
        self.make = make
        notes = LockedValue(told.map { [$0] } ?? [])
        identity = LockedValue(nil)
    }

    /// Made by whoever comes first; the others wait for that.
    private func made() throws(HostError) -> any BundleStorage {
        try state.withLock { state throws(HostError) in
            switch state {
            case .made(let storage): return storage
            case .failed(let error): throw error
            case .closed: throw HostError("\(path): the session is over", kind: .cancelled)
            case .waiting(let zeros):
                do throws(HostError) {
                    let storage = try make()
                    if let drawn = identity.withLock({ $0 }) { _ = storage.identity(in: announce.session, drawn: drawn) }
                    do throws(HostError) { try prepare(storage, zeros) } catch {
                        // Nothing is in it, and its locks are another's.
                        storage.abandon()
                        storage.close()
                        // The old file may be gone by then.
                        let untold = untold(storage.takeNotes())
                        notes.withLock { $0 += untold }
                        throw error
                    }
                    state = .made(storage)
                    finished.withLock { $0 = storage }
                    return storage
                } catch {
                    state = .failed(error)
                    throw error
                }
            }
        }
    }

    private func prepare(_ storage: any BundleStorage, _ zeros: [(chunks: Range<UInt32>, contentLength: UInt64)]) throws(HostError) {
        try storage.prepare(contentLength: announce.contentLength, allocatedLength: announce.allocatedLength)
        // A file of somebody else's may be under its name by now.
        for run in zeros { try storage.zero(chunks: run.chunks, contentLength: run.contentLength) }
    }

    private var storage: (any BundleStorage)? { state.withLock { if case .made(let storage) = $0 { storage } else { nil } } }

    func identity(in session: SessionID, drawn: UInt32) -> UInt32 {
        identity.withLock { $0 = drawn }
        return drawn
    }

    /// Nothing is reserved before something has to be stored, and what is known before was asked for before this was made.
    func prepare(contentLength: UInt64?, allocatedLength: UInt64) throws(HostError) {}

    func write(chunk: UInt32, record: ChunkRecord, content: RawSpan) throws(HostError) {
        try made().write(chunk: chunk, record: record, content: content)
    }

    func zero(chunks: Range<UInt32>, contentLength: UInt64) throws(HostError) {
        let made = state.withLock { state -> (any BundleStorage)? in
            switch state {
            case .waiting(var zeros):
                zeros.append((chunks, contentLength))
                state = .waiting(zeros: zeros)
                return nil
            case .made(let storage): return storage
            case .failed, .closed: return nil
            }
        }
        try made?.zero(chunks: chunks, contentLength: contentLength)
    }

    var progress: TreeProgress? { finished.withLock { $0 }?.progress }

    func flush(contentLength: UInt64) throws(HostError) { try made().flush(contentLength: contentLength) }
    func publish() throws(HostError) { try made().publish() }
    func abandon() { storage?.abandon() }
    func discard() { storage?.discard() }

    func takeNotes() -> [String] {
        let own = notes.withLock { notes in
            defer { notes = [] }
            return notes
        }
        // Closing may have its own to tell.
        return own + untold(finished.withLock { $0 }?.takeNotes() ?? [])
    }

    private func untold(_ lines: [String]) -> [String] { lines.filter { $0 != told } }

    func close() {
        storage?.close()
        state.withLock { $0 = .closed }
    }
}
