import RMCPContent
import RMCPProtocol

/// What encoding a chunk took, reading left out: by the clock, and with a processor.
struct EncodeEffort: Sendable {
    var spent = Interval.zero
    var worked = Interval.zero
}

/// What one encoding thread owns.
final class EncodeWorker {
    private let source: any BundleSource
    private let chunkLength: Int
    private var encoder: ChunkEncoder?
    private let scratch: ChunkScratch

    init(source: any BundleSource, chunkLength: Int) {
        self.source = source
        self.chunkLength = chunkLength
        scratch = ChunkScratch(length: chunkLength)
    }

    func run(_ job: ChunkFeeder.Job) -> ChunkFeeder.Output {
        do throws(HostError) {
            switch job {
            case .survey(let first):
                let stretches = (source as? FileSource)?.survey(from: first, chunkLength: UInt64(chunkLength)) ?? []
                return .surveyed(stretches)
            case .check:
                try source.checkUnchanged()
                return .checked
            case .encode(let chunk, let length, let buffer, let level, let known):
                return try encode(chunk: chunk, length: length, buffer: buffer, level: level, known: known)
            case .encodeRead(let chunk, let length, let buffer, let level):
                let (record, effort) = try measured { () throws(HostError) in try encode(buffer: buffer, length: length, level: level) }
                if let stream = source as? StreamSource, record.kind != .zero {
                    let encoded = unsafe UnsafeRawBufferPointer(rebasing: buffer.bytes.prefix(Int(record.encodedLength)))
                    unsafe try stream.spool(encoded, at: UInt64(chunk) * UInt64(chunkLength))
                }
                return .encoded(chunk: chunk, record: record, buffer: buffer, effort: effort, isFetch: false)
            }
        } catch {
            return .failed(error)
        }
    }

    private func encode(
        chunk: UInt32, length: Int, buffer: ChunkBuffer, level: Int, known: ChunkRecord?
    ) throws(HostError) -> ChunkFeeder.Output {
        let offset = UInt64(chunk) * UInt64(chunkLength)
        if let known, let stream = source as? StreamSource {
            let target = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer.bytes.prefix(Int(known.encodedLength)))
            unsafe try stream.readSpooled(into: target, at: offset)
            // A disk may have lost it without a word: nobody could do anything with what is not in the table.
            guard unsafe BLAKE3Digest.digest(of: UnsafeRawBufferPointer(target)) == known.encodedDigest else {
                throw HostError("the spool file has lost what was written to it; set TMPDIR to a directory on another disk")
            }
            return .encoded(chunk: chunk, record: known, buffer: buffer, effort: EncodeEffort(), isFetch: true)
        }
        unsafe try source.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer.bytes.prefix(length)), at: offset)
        let (record, effort) = try measured { () throws(HostError) in try encode(buffer: buffer, length: length, level: level) }
        guard known == nil || known == record else {
            throw HostError("\(source.path) changed while it was being sent; receivers keep nothing of it. Send it again once it is at rest")
        }
        return .encoded(chunk: chunk, record: record, buffer: buffer, effort: effort, isFetch: known != nil)
    }

    private func measured(_ body: () throws(HostError) -> ChunkRecord) throws(HostError) -> (ChunkRecord, EncodeEffort) {
        let (begun, begunWork) = (Poller.now(), Poller.threadTime())
        let record = try body()
        return (record, EncodeEffort(spent: Poller.now() - begun, worked: Poller.threadTime() - begunWork))
    }

    /// Encodes what is in the buffer; the encoded bytes end up in its front.
    private func encode(buffer: ChunkBuffer, length: Int, level: Int) throws(HostError) -> ChunkRecord {
        do throws(ContentError) {
            if encoder == nil { encoder = try ChunkEncoder(level: level) }
            guard let encoder else { throw .compression("no encoder") }
            encoder.level = level
            let content = unsafe UnsafeRawBufferPointer(rebasing: buffer.bytes.prefix(length))
            let record = unsafe try encoder.encode(content: content, into: scratch.bytes)
            if record.kind == .compressed {
                unsafe buffer.bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: scratch.bytes.prefix(Int(record.encodedLength))))
            }
            return record
        } catch {
            throw HostError("cannot encode \(source.path): \(error)")
        }
    }
}
