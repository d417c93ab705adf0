import Foundation
import RMCPContent
import TestSupport

@testable import RMCPHost
@testable import RMCPProtocol

/// What a sender has to offer: one version of a bundle.
struct ScheduleVersion {
    static let chunkLength = 4_096
    let name: String
    let creationTime: UInt64
    let session: SessionID
    /// By chunk; the last may be short.
    let chunks: [[UInt8]]

    var content: [UInt8] { chunks.flatMap { $0 } }

    /// Of so many full chunks, none of them zero.
    init(name: String, creationTime: UInt64, chunks count: Int, random: inout RandomSource) {
        self.name = name
        self.creationTime = creationTime
        session = SessionID(high: random.next() | 1 << 40, low: random.next())
        chunks = (0..<count).map { _ in (0..<Self.chunkLength).map { _ in UInt8(truncatingIfNeeded: random.next()) } }
    }

    /// Of any shape.
    init(name: String, creationTime: UInt64, random: inout RandomSource, resembling other: ScheduleVersion?) {
        self.name = name
        self.creationTime = creationTime
        session = SessionID(high: random.next() | 1 << 40, low: random.next())
        var chunks: [[UInt8]] = []
        let count = Int.random(in: 0...9, using: &random)
        for index in 0..<count {
            let length = index == count - 1 && Bool.random(using: &random) ? Int.random(in: 1..<Self.chunkLength, using: &random) : Self.chunkLength
            if let other, index < other.chunks.count, other.chunks[index].count == length, Bool.random(using: &random) {
                chunks.append(other.chunks[index])
            } else if Int.random(in: 0..<4, using: &random) == 0 {
                chunks.append([UInt8](repeating: 0, count: length))
            } else {
                chunks.append((0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) })
            }
        }
        self.chunks = chunks
    }
}

/// A sender's engine and the least that a host does for it.
final class ScheduleSender {
    let version: ScheduleVersion
    let address: SocketAddress
    var engine: SenderEngine
    var outcome: SenderOutcome?
    private var records: [ChunkRecord] = []
    private var encoded: [[UInt8]] = []

    init(
        _ version: ScheduleVersion, key: SigningKey, number: Int, wait: Interval, until: JoiningSettings.Until = .receivers, seed: UInt64, at now: Instant
    ) throws {
        self.version = version
        address = .ipv4(10, 0, UInt8(truncatingIfNeeded: number >> 8), UInt8(truncatingIfNeeded: number), port: 4_000)
        var configuration = Configuration()
        configuration.joining.minimumWait = .milliseconds(100)
        configuration.joining.maximumWait = wait
        configuration.joining.until = until
        configuration.packets.datagramLength = 1_024
        let content = version.content
        let announce = Announce.sample(
            version.name, session: version.session, chunkLength: UInt32(ScheduleVersion.chunkLength), payloadLength: 1_000,
            creationTime: version.creationTime, contentLength: UInt64(content.count), allocatedLength: UInt64(content.count),
            modificationTime: FileTime(seconds: 1_000, nanoseconds: 5), key: key.publicKey)
        engine = SenderEngine(
            configuration: configuration, announce: announce, signer: Ed25519Signer(key), digest: BLAKE3Digest(), seed: seed, at: now)
        let encoder = try ChunkEncoder(level: 1)
        var output = [UInt8](repeating: 0, count: ScheduleVersion.chunkLength)
        for chunk in version.chunks {
            let record = try chunk.withUnsafeBytes { content in
                try output.withUnsafeMutableBytes { try encoder.encode(content: content, into: $0) }
            }
            records.append(record)
            encoded.append(record.kind == .compressed ? Array(output.prefix(Int(record.encodedLength))) : record.kind == .zero ? [] : chunk)
        }
    }

    /// Does what is due, and answers what is to go out: to whom (nil is the group) and the datagram.
    func drive(at now: Instant) -> [(SocketAddress?, [UInt8])] {
        engine.encode(records, at: now)
        if let due = engine.pollTimeout(at: now), due <= now { engine.handleTimeout(at: now) }
        var result: [(SocketAddress?, [UInt8])] = []
        while result.count < 200, let transmit = engine.pollTransmit(at: now) {
            let destination: SocketAddress? = if case .peer(let peer) = transmit.destination { peer } else { nil }
            for datagram in transmit.datagrams(encoded: { encoded[Int($0)] }) { result.append((destination, datagram)) }
        }
        while let event = engine.pollEvent() {
            switch event {
            case .outline(let chunk, let shape):
                let bytes = encoded[Int(chunk)]
                let parts = ChunkOutline.parts(of: bytes.span.bytes, chunk: chunk, shape)
                engine.handle(.outlined(chunk: chunk, parts), at: now)
            case .fetch(let chunk): engine.handle(.fetched(chunk: chunk), at: now)
            case .finished(let outcome): self.outcome = outcome
            case .started, .release, .sentOnce, .unicastFallback, .rateChanged: break
            }
        }
        return result
    }

    func take(_ datagram: [UInt8], from source: SocketAddress, at now: Instant) {
        engine.handle(datagram: datagram.span.bytes, from: source, at: now)
    }
}
