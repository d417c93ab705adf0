import Glibc
import RMCPContent
import RMCPProtocol

/// What storage threads do for a session. Each job names its session, since sessions come and go meanwhile.
enum StorageJob: Sendable {
    case prepare(session: SessionID, any BundleStorage, contentLength: UInt64?, allocatedLength: UInt64)
    /// Verify, decode and write what is in the buffer.
    case store(session: SessionID, any BundleStorage, slot: Int, chunk: UInt32, record: ChunkRecord, ChunkBuffer)
    /// Look whether the chunk is there from before.
    case check(session: SessionID, any BundleStorage, chunk: UInt32, record: ChunkRecord)
    case zero(session: SessionID, any BundleStorage, Range<UInt32>, contentLength: UInt64)
    case commit(session: SessionID, any BundleStorage, contentLength: UInt64)
    case hook(session: SessionID, command: String, environment: [String])
}

enum StorageOutput: Sendable {
    case prepared
    case stored(session: SessionID, slot: Int, chunk: UInt32, contentLength: UInt32, ChunkBuffer)
    case rejected(session: SessionID, slot: Int, chunk: UInt32, ChunkBuffer)
    case checked(session: SessionID, chunk: UInt32, contentLength: UInt32, isKept: Bool)
    case zeroed(session: SessionID, Range<UInt32>, contentLength: UInt64)
    case committed(session: SessionID)
    case hookFinished(session: SessionID, status: Int32)
    case failed(session: SessionID, HostError, ChunkBuffer?)
}

/// What one storage thread owns: a decoder and room for one chunk of content.
final class StorageWorker {
    private var decoder: ChunkDecoder?
    private var scratch = ChunkScratch(length: 1 << 20)

    func run(_ job: StorageJob) -> StorageOutput {
        switch job {
        case .prepare(let session, let storage, let contentLength, let allocatedLength):
            return attempt(session) { () throws(HostError) in
                try storage.prepare(contentLength: contentLength, allocatedLength: allocatedLength)
                return .prepared
            }
        case .store(let session, let storage, let slot, let chunk, let record, let buffer):
            return store(session, storage, slot: slot, chunk: chunk, record: record, buffer: buffer)
        case .check(let session, let storage, let chunk, let record):
            let isKept = check(storage, chunk: chunk, record: record)
            return .checked(session: session, chunk: chunk, contentLength: record.contentLength, isKept: isKept)
        case .zero(let session, let storage, let chunks, let contentLength):
            return attempt(session) { () throws(HostError) in
                try storage.zero(chunks: chunks, contentLength: contentLength)
                return .zeroed(session: session, chunks, contentLength: contentLength)
            }
        case .commit(let session, let storage, let contentLength):
            return attempt(session) { () throws(HostError) in
                try storage.commit(contentLength: contentLength)
                return .committed(session: session)
            }
        case .hook(let session, let command, let environment):
            return attempt(session) { () throws(HostError) in
                .hookFinished(session: session, status: try Hook.run(command, environment: environment))
            }
        }
    }

    private func attempt(_ session: SessionID, _ body: () throws(HostError) -> StorageOutput) -> StorageOutput {
        do throws(HostError) { return try body() } catch { return .failed(session: session, error, nil) }
    }

    private func store(
        _ session: SessionID, _ storage: any BundleStorage, slot: Int, chunk: UInt32, record: ChunkRecord,
        buffer: ChunkBuffer
    ) -> StorageOutput {
        let encoded = unsafe UnsafeRawBufferPointer(rebasing: buffer.bytes.prefix(Int(record.encodedLength)))
        let content: UnsafeRawBufferPointer
        do throws(ContentError) {
            unsafe content = try decode(encoded, record: record)
        } catch {
            return .rejected(session: session, slot: slot, chunk: chunk, buffer)
        }
        do throws(HostError) {
            unsafe try storage.write(chunk: chunk, record: record, content: content)
        } catch {
            return .failed(session: session, error, buffer)
        }
        return .stored(session: session, slot: slot, chunk: chunk, contentLength: record.contentLength, buffer)
    }

    /// The content of verified bytes: the bytes themselves when they are stored as they are.
    private func decode(_ encoded: UnsafeRawBufferPointer, record: ChunkRecord) throws(ContentError) -> UnsafeRawBufferPointer {
        if decoder == nil { decoder = try ChunkDecoder() }
        guard let decoder else { throw .compression("no decoder") }
        unsafe try decoder.verify(encoded, against: record)
        guard record.kind == .compressed else { return unsafe encoded }
        reserve(Int(record.contentLength))
        unsafe try decoder.decode(encoded, record: record, into: scratch.bytes)
        return unsafe UnsafeRawBufferPointer(rebasing: scratch.bytes.prefix(Int(record.contentLength)))
    }

    private func reserve(_ length: Int) {
        if scratch.length < length { scratch = ChunkScratch(length: length) }
    }

    private func check(_ storage: any BundleStorage, chunk: UInt32, record: ChunkRecord) -> Bool {
        reserve(Int(record.contentLength))
        let content = unsafe UnsafeMutableRawBufferPointer(rebasing: scratch.bytes.prefix(Int(record.contentLength)))
        // What cannot be read back is fetched again.
        guard (unsafe try? storage.read(chunk: chunk, into: content)) == true else { return false }
        return unsafe ChunkDecoder.isContent(UnsafeRawBufferPointer(content), of: record)
    }
}

/// Runs the user's command after a bundle.
public enum Hook {
    /// Names the variables that tell a hook of its bundle. Options come in variables called RMCP_*, too; by this an rmcp
    /// that the hook runs can tell that RMCP_NAME and RMCP_KEY are none.
    public static let factsVariable = "RMCP_HOOK"

    /// The command's exit status; 128 and more for a signal, as a shell says it.
    static func run(_ command: String, environment: [String]) throws(HostError) -> Int32 {
        let arguments = ["/bin/sh", "-c", command]
        let argumentPointers = unsafe arguments.map { unsafe strdup($0) } + [nil]
        let environmentPointers = unsafe environment.map { unsafe strdup($0) } + [nil]
        defer {
            unsafe (argumentPointers + environmentPointers).forEach { unsafe free($0) }
        }
        var attributes = posix_spawnattr_t()
        _ = unsafe posix_spawnattr_init(&attributes)
        defer { _ = unsafe posix_spawnattr_destroy(&attributes) }
        // This process blocks the signals that stop it; its hook must not.
        var none = sigset_t()
        _ = unsafe sigemptyset(&none)
        _ = unsafe posix_spawnattr_setsigmask(&attributes, &none)
        _ = unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var process: pid_t = 0
        let code = unsafe posix_spawn(&process, "/bin/sh", nil, &attributes, argumentPointers, environmentPointers)
        guard code == 0 else { throw HostError("cannot run the hook \(command): \(HostError.errorText(code))") }
        var status: Int32 = 0
        while unsafe waitpid(process, &status, 0) < 0, errno == EINTR {}
        return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
    }

    /// This process's environment with the bundle's facts added.
    static func environment(adding bundleFacts: [(String, String)]) -> [String] {
        let facts = bundleFacts + [(factsVariable, bundleFacts.map(\.0).joined(separator: " "))]
        var result: [String] = []
        var next = unsafe environ
        while let entry = unsafe next.pointee {
            unsafe result.append(String(cString: entry))
            unsafe next += 1
        }
        let names = facts.map { $0.0 + "=" }
        result.removeAll { entry in names.contains { entry.hasPrefix($0) } }
        return result + facts.map { "\($0.0)=\($0.1)" }
    }
}
