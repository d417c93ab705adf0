import RMCPProtocol
import TestSupport

/// Stand in for Ed25519 and BLAKE3, as `MarkSigner` does: they are no part of what is measured, and no path here signs or
/// digests for a packet.
struct StubVerifier: MessageVerifier {
    func isValid(_ signature: Signature, for message: [UInt8], by key: PublicKey) -> Bool { key == MarkSigner.key }
}

struct StubDigest: MessageDigest {
    func digest(of message: [UInt8]) -> Digest { Digest(Bytes32(UInt64(message.count), 2, 3, 4)) }
    func isTrue(part: Int, values: [Digest], siblings: [Digest], _ shape: OutlineShape, root: Digest) -> Bool { false }
}

/// A session in its usual measures: chunks of 1 MiB in packets of 1,376 bytes, stored as they are, at 10 Gb/s.
enum Fixture {
    static let chunkLength: UInt32 = 1 << 20
    static let payloadLength: UInt16 = 1_376
    static let packetsPerChunk = ChunkGeometry.packetCount(encodedLength: chunkLength, payloadLength: payloadLength)
    /// Room for every count that is run: 60,000 packets.
    static let chunkCount = 96
    /// A datagram of 1,400 bytes and its headers at 10 Gb/s.
    static let packetTime = Interval(nanoseconds: 1_139)
    /// Packets in a batch, and batches in one round of receiving.
    static let batch = 46
    static let round = 16 * batch
    static let session = SessionID(high: 0x0102_0304_0000_0000, low: 9)
    static let senderID = StreamingSender().engine.transmitterID
    static let senderAddress = SocketAddress.ipv4(10, 0, 0, 1, port: 4_000)
    static let start = Instant.zero + .seconds(1)

    static func childAddress(_ number: Int) -> SocketAddress {
        .ipv4(10, 0, UInt8(truncatingIfNeeded: number >> 8), UInt8(truncatingIfNeeded: number), port: 5_000)
    }

    static let announce = Announce.sample(
        "bundle", session: session, chunkLength: chunkLength, payloadLength: payloadLength, creationTime: 1,
        contentLength: UInt64(chunkCount) * UInt64(chunkLength), allocatedLength: UInt64(chunkCount) * UInt64(chunkLength),
        modificationTime: FileTime(seconds: 1, nanoseconds: 0), key: MarkSigner.key)

    static func record(of chunk: Int) -> ChunkRecord {
        let digest = Digest(Bytes32(UInt64(chunk), 1, 1, 1))
        return ChunkRecord(
            kind: .stored, contentLength: chunkLength, encodedLength: chunkLength, encodedDigest: digest, contentDigest: digest)
    }

    /// Nothing but the stream: no feedback, no timers that wait for silence.
    static var quiet: Configuration {
        var configuration = Configuration()
        configuration.joining.waitForReceivers = 1
        configuration.joining.minimumWait = .zero
        configuration.rate.fixedRate = 10_000_000_000
        configuration.presence.senderTimeout = .seconds(1e6)
        configuration.presence.rejoinAfterSilence = .seconds(1e6)
        configuration.presence.childTimeout = .seconds(1e6)
        configuration.presence.stalledTimeout = .seconds(1e6)
        return configuration
    }

    static func heartbeat(
        position: StreamPosition = .start, timestamp: UInt64 = 1_000_000, statusInterval: UInt32 = 10, path: [UInt32] = []
    ) -> Packet {
        .heartbeat(
            .sample(
                timestamp: timestamp, statusInterval: statusInterval, population: 4, position: position, rate: 10_000_000_000,
                place: TreePlace(path: path, timeToLive: 1)))
    }

    static func leaf(_ state: ReceiverState = .receiving, progress: UInt8 = 4) -> LeafStatus {
        LeafStatus(state: state, progress: progress, network: LeafStatus.Network(loss: 2, pressure: 1, arrival: 90))
    }

    /// Every address's, since the digest that stands in is a message's length: 35 bytes of secret and address.
    static let cookie: UInt64 = 35

    static func status(_ histogram: StatusHistogram) -> Packet {
        .status(StatusReport(echo: .none, longestDatagram: 1_400, cookie: cookie, histogram: histogram))
    }

    static func fromSender(_ packet: Packet) -> [UInt8] { packet.datagram(sessionTag: session.tag, transmitter: senderID, isUnicast: false) }

    static func fromChild(_ packet: Packet, _ number: Int) -> [UInt8] {
        packet.datagram(sessionTag: session.tag, transmitter: 1_000 + UInt32(number))
    }

    /// The signed pages of the whole bundle, as the sender puts them on the wire.
    static func pages() -> [[UInt8]] {
        var sender = StreamingSender()
        var pages: [[UInt8]] = []
        while sender.packets < packetsPerChunk * chunkCount {
            guard let datagram = sender.step() else { continue }
            if unsafe PacketHeader.kind(of: datagram.span.bytes) == .page { pages.append(datagram) }
        }
        return pages
    }
}

/// A DATA datagram that is written anew for each packet, as the kernel would have filled a buffer: only the fields that
/// change, three stores. The memory is the program's until it ends.
@safe struct DataDatagram {
    private let memory: UnsafeMutableRawBufferPointer

    init(transmitter: UInt32 = Fixture.senderID) {
        let header = Packet.data(DataHeader(chunk: 0, packet: 0, isRepair: false), payloadOffset: DataHeader.length)
            .datagram(sessionTag: Fixture.session.tag, transmitter: transmitter, isUnicast: false)
        unsafe memory = .allocate(byteCount: DataHeader.length + Int(Fixture.payloadLength), alignment: 64)
        unsafe memory.copyBytes(from: header + [UInt8](repeating: 0xA5, count: Int(Fixture.payloadLength)))
    }

    @inline(__always)
    func set(sequence: UInt32, chunk: Int, packet: Int, isRepair: Bool = false) {
        let tail = UInt32(truncatingIfNeeded: packet) << 16 | (isRepair ? 1 : 0)
        unsafe memory.storeBytes(of: sequence.bigEndian, toByteOffset: 12, as: UInt32.self)
        unsafe memory.storeBytes(of: UInt32(truncatingIfNeeded: chunk).bigEndian, toByteOffset: 16, as: UInt32.self)
        unsafe memory.storeBytes(of: tail.bigEndian, toByteOffset: 20, as: UInt32.self)
    }

    /// As long as the packet is.
    @inline(__always)
    func bytes(of packet: Int) -> UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: memory.baseAddress, count: length(of: packet))
    }

    /// The chunk's last packet is shorter than the others.
    @inline(__always)
    private func length(of packet: Int) -> Int {
        let full = Int(Fixture.payloadLength)
        return DataHeader.length + min(full, Int(Fixture.chunkLength) - packet * full)
    }
}
