import RMCPContent
import RMCPProtocol

/// Time that encoding a chunk took, reading left out: by the clock, and with a processor.
struct EncodeEffort: Sendable {
    /// zstd level that it was encoded at.
    var level = 0
    var spent = Interval.zero
    var worked = Interval.zero
}

/// State of one encoding thread.
final class EncodeWorker {
    private let source: any BundleSource
    private let sealer: ChunkSealer?
    /// Level for what is encoded next.
    private let level: LockedValue<Int>
    private var encoder: ChunkEncoder?
    private let scratch: ChunkScratch

    /// - Parameter sealer: nil where nothing is sealed.
    init(source: any BundleSource, chunkLength: UInt32, level: LockedValue<Int>, sealer: ChunkSealer? = nil) {
        self.source = source
        self.level = level
        self.sealer = sealer
        scratch = ChunkScratch(length: Int(chunkLength))
    }

    func run(_ job: ChunkFeeder.Job) -> ChunkFeeder.Output {
        do throws(HostError) {
            switch job {
            case .lookAhead(let work):
                work()
                return .lookedAhead
            case .check:
                try source.checkUnchanged()
                return .checked
            case .outline(let chunk, let shape, let buffer):
                return .outlined(chunk: chunk, ChunkOutline.parts(of: buffer.span(shape.encodedLength), chunk: chunk, shape))
            case .encode(let chunk, let extent, let buffer):
                try source.load(extent, into: buffer)
                // The level is asked for now: a chunk that waited for a thread is not bound to one that has been left since.
                let level = level.withLock { $0 }
                let (record, effort) = try measured(level) { () throws(HostError) in try encode(buffer, chunk: chunk, length: extent.length, level: level) }
                if record.kind != .zero { try source.keep(buffer.span(Int(record.encodedLength)), of: extent) }
                return .encoded(chunk: chunk, record: record, buffer: buffer, effort: effort)
            case .fetch(let chunk, let extent, let record, let buffer, let level):
                if case .content = try source.reread(extent, record, into: buffer) {
                    guard try encode(buffer, chunk: chunk, length: extent.length, level: level) == record else { throw source.changed(extent) }
                }
                return .fetched(chunk: chunk, buffer: buffer)
            }
        } catch {
            return .failed(error)
        }
    }

    private func measured(_ level: Int, _ body: () throws(HostError) -> ChunkRecord) throws(HostError) -> (ChunkRecord, EncodeEffort) {
        let (begun, begunWork) = (Poller.now(), Poller.threadTime())
        let record = try body()
        return (record, EncodeEffort(level: level, spent: Poller.now() - begun, worked: Poller.threadTime() - begunWork))
    }

    /// Encodes what is in the buffer; the encoded bytes end up in its front.
    private func encode(_ buffer: ChunkBuffer, chunk: UInt32, length: UInt64, level: Int) throws(HostError) -> ChunkRecord {
        do throws(ContentError) {
            if encoder == nil { encoder = try ChunkEncoder(level: level, sealer: sealer) }
            guard let encoder else { throw .compression("no encoder") }
            encoder.level = level
            let content = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer.bytes.prefix(Int(length)))
            return unsafe try encoder.encode(inPlace: content, chunk: chunk, scratch: scratch.bytes)
        } catch {
            throw HostError("cannot encode \(source.path): \(error)")
        }
    }
}
