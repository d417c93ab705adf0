import RMCPContent
import RMCPProtocol

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
            case .encode(let chunk, let length, let buffer, let level, let known):
                return try encode(chunk: chunk, length: length, buffer: buffer, level: level, known: known)
            case .encodeRead(let chunk, let length, let buffer, let level):
                let begun = Poller.now()
                let record = try encode(buffer: buffer, length: length, level: level)
                let spent = Poller.now() - begun
                if let stream = source as? StreamSource, record.kind != .zero {
                    let encoded = unsafe UnsafeRawBufferPointer(rebasing: buffer.bytes.prefix(Int(record.encodedLength)))
                    unsafe try stream.spool(encoded, at: UInt64(chunk) * UInt64(chunkLength))
                }
                return .encoded(chunk: chunk, record: record, buffer: buffer, spent: spent, isFetch: false)
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
            return .encoded(chunk: chunk, record: known, buffer: buffer, spent: .zero, isFetch: true)
        }
        unsafe try source.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer.bytes.prefix(length)), at: offset)
        let begun = Poller.now()
        let record = try encode(buffer: buffer, length: length, level: level)
        let spent = Poller.now() - begun
        guard known == nil || known == record else {
            throw HostError("\(source.path) changed while it was being sent; receivers keep nothing of it. Send it again once it is at rest")
        }
        return .encoded(chunk: chunk, record: record, buffer: buffer, spent: spent, isFetch: known != nil)
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

/// Working memory of one worker.
@safe final class ChunkScratch {
    let bytes: UnsafeMutableRawBufferPointer
    let length: Int
    init(length: Int) {
        self.length = length
        unsafe bytes = .allocate(byteCount: length, alignment: 4_096)
    }
    deinit { unsafe bytes.deallocate() }
}
