public import RMCPProtocol

extension Instant {
    public static func milliseconds(_ count: Int64) -> Instant { .zero + .milliseconds(count) }
}

// MARK: Packets, with something usual in each field that a test does not care about

extension Announce {
    /// The session of most tests; its tag is 0x01020304.
    public static let sampleSession = SessionID(high: 0x0102_0304_0000_0000, low: 9)

    public static func sample(
        _ name: String, session: SessionID = sampleSession, kind: BundleKind = .file, chunkLength: UInt32 = 8_000, payloadLength: UInt16 = 1_376,
        creationTime: UInt64 = 0, contentLength: UInt64?, allocatedLength: UInt64 = 0, mode: UInt16? = 0o644, modificationTime: FileTime? = nil,
        key: PublicKey = .none
    ) -> Announce {
        Announce(
            session: session, kind: kind, chunkLength: chunkLength, payloadLength: payloadLength, creationTime: creationTime,
            contentLength: contentLength, allocatedLength: allocatedLength, mode: mode, modificationTime: modificationTime, name: name, key: key)
    }
}

extension Heartbeat {
    public static func sample(
        _ phase: SessionPhase = .streaming, timestamp: UInt64 = 1, groupRoundTrip: UInt32 = 10_000, statusInterval: UInt32 = 20,
        population: UInt32 = 1, position: StreamPosition = .start, pageCount: UInt32 = 0, hasEnd: Bool = false, rate: UInt64 = 1_000_000,
        place: TreePlace = TreePlace()
    ) -> Heartbeat {
        Heartbeat(
            phase: phase, timestamp: timestamp, groupRoundTrip: groupRoundTrip, statusInterval: statusInterval, population: population,
            position: position, pageCount: pageCount, hasEnd: hasEnd, rate: rate, liveLossLimit: 16, livePressureLimit: 8, place: place)
    }
}

extension ChunkRecord {
    /// A chunk whose encoded bytes these are: a hole where there are none, stored as it is where they are all of it.
    /// - Parameter contentDigest: of a compressed chunk.
    public static func sample(of encoded: [UInt8], contentLength: Int, contentDigest: Digest = .zero) -> ChunkRecord {
        guard !encoded.isEmpty else { return .zero(contentLength: UInt32(contentLength)) }
        let digest = LaneDigest().digest(of: encoded)
        let isStored = encoded.count == contentLength
        return ChunkRecord(
            kind: isStored ? .stored : .compressed, contentLength: UInt32(contentLength), encodedLength: UInt32(encoded.count), encodedDigest: digest,
            contentDigest: isStored ? digest : contentDigest)
    }
}

/// Bytes that do not compress, the same for each seed.
public func randomBytes(_ count: Int, seed: UInt64) -> [UInt8] {
    var random = RandomSource(seed: seed)
    return (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
}

// MARK: Datagrams

extension DataBatch {
    /// The datagrams that a host would send of a chunk, whose encoded bytes these are.
    public func datagrams(of encoded: [UInt8]) -> [[UInt8]] {
        (0..<count).map { index in
            var datagram = [UInt8](repeating: 0, count: DataHeader.length)
            var span = datagram.mutableSpan
            var bytes = unsafe span.mutableBytes
            writeHeader(at: index, into: &bytes)
            return datagram + encoded[payloadRange(at: index)]
        }
    }
}

extension Transmit {
    public var destination: Destination {
        switch self {
        case .datagram(_, let destination): destination
        case .data(let batch): batch.destination
        }
    }

    /// The datagrams that a host would send, by chunks' encoded bytes.
    public func datagrams(encoded: (UInt32) -> [UInt8]) -> [[UInt8]] {
        switch self {
        case .datagram(let bytes, _): [bytes]
        case .data(let batch): batch.datagrams(of: encoded(batch.chunk))
        }
    }
}
