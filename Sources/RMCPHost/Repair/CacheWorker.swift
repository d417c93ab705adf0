import RMCPContent
import RMCPProtocol

/// What cache threads do. Each job names its session, since sessions come and go meanwhile.
enum CacheJob: Sendable {
    /// Verify and write what is in the buffer.
    case store(session: SessionID, CachedBundle, slot: Int, chunk: UInt32, record: ChunkRecord, ChunkBuffer)
    /// Look whether the chunk is there from before, as it should be.
    case check(session: SessionID, CachedBundle, chunk: UInt32, record: ChunkRecord, purpose: CheckPurpose)
    /// Read the chunk back, and verify it once more: disks forget, too.
    case fetch(session: SessionID, CachedBundle, chunk: UInt32, record: ChunkRecord, ChunkBuffer)
}

enum CheckPurpose: Sendable {
    /// The receiver's half asks.
    case consult
    /// The session is being restored.
    case restore
}

enum CacheOutput: Sendable {
    case stored(session: SessionID, slot: Int, chunk: UInt32, ChunkBuffer, isKept: Bool)
    case rejected(session: SessionID, slot: Int, chunk: UInt32, ChunkBuffer)
    case checked(session: SessionID, chunk: UInt32, isKept: Bool, purpose: CheckPurpose)
    case fetched(session: SessionID, chunk: UInt32, ChunkBuffer)
    case damaged(session: SessionID, chunk: UInt32, ChunkBuffer)
    case failed(session: SessionID, slot: Int, chunk: UInt32, ChunkBuffer, HostError)
}

/// What one cache thread owns: room for one chunk.
final class CacheWorker {
    private var scratch = ChunkScratch(length: 1 << 20)

    func run(_ job: CacheJob) -> CacheOutput {
        switch job {
        case .store(let session, let bundle, let slot, let chunk, let record, let buffer):
            let encoded = unsafe UnsafeRawBufferPointer(rebasing: buffer.bytes.prefix(Int(record.encodedLength)))
            guard unsafe BLAKE3Digest.digest(of: encoded) == record.encodedDigest else {
                return .rejected(session: session, slot: slot, chunk: chunk, buffer)
            }
            do throws(HostError) {
                let isKept = unsafe try bundle.write(chunk: chunk, record: record, encoded: encoded) == .kept
                return .stored(session: session, slot: slot, chunk: chunk, buffer, isKept: isKept)
            } catch {
                return .failed(session: session, slot: slot, chunk: chunk, buffer, error)
            }
        case .check(let session, let bundle, let chunk, let record, let purpose):
            if scratch.length < Int(record.encodedLength) { scratch = ChunkScratch(length: Int(record.encodedLength)) }
            let isKept = unsafe bundle.verify(chunk: chunk, record: record, into: scratch.bytes)
            return .checked(session: session, chunk: chunk, isKept: isKept, purpose: purpose)
        case .fetch(let session, let bundle, let chunk, let record, let buffer):
            let isThere = unsafe bundle.verify(chunk: chunk, record: record, into: buffer.bytes)
            return isThere ? .fetched(session: session, chunk: chunk, buffer) : .damaged(session: session, chunk: chunk, buffer)
        }
    }
}
