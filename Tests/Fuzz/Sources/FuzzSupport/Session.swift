@testable package import RMCPProtocol

/// A small bundle: 12 chunks of every kind, the last one short.
package enum Bundle {
    package static let chunkLength = 2_000
    package static let chunkCount = 12
    package static let contentLength = UInt64((chunkCount - 1) * chunkLength + 700)

    /// Encoded bytes; none for a hole.
    package static let contents: [[UInt8]] = (0..<chunkCount).map { chunk in
        var random = RandomSource(seed: UInt64(chunk))
        let length = chunk % 5 == 3 ? 0 : chunk % 4 == 2 ? 900 : chunk == chunkCount - 1 ? 700 : chunkLength
        return (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }

    package static let records: [ChunkRecord] = contents.indices.map { chunk in
        let length = UInt32(chunk == chunkCount - 1 ? 700 : chunkLength)
        let encoded = contents[chunk]
        guard !encoded.isEmpty else { return .zero(contentLength: length) }
        let digest = LaneDigest().digest(of: encoded)
        let isStored = encoded.count == Int(length)
        return ChunkRecord(
            kind: isStored ? .stored : .compressed, contentLength: length, encodedLength: UInt32(encoded.count), encodedDigest: digest,
            contentDigest: isStored ? digest : Digest(Bytes32(UInt64(chunk), 0, 0, 1)))
    }

    package static func announce(isStream: Bool) -> Announce {
        Announce(
            session: SessionID(high: 0x0102_0304_0000_0000, low: 9), kind: isStream ? .stream : .file, chunkLength: UInt32(chunkLength),
            payloadLength: 476, creationTime: 1, contentLength: isStream ? nil : contentLength,
            allocatedLength: isStream ? 0 : contentLength, mode: 0o644, modificationTime: FileTime(seconds: 1, nanoseconds: 0), name: "bundle", key: .none)
    }
}

/// The engines' limits made small, so that a few hundred bytes of input reach them.
package func smallConfiguration() -> Configuration {
    var configuration = Configuration()
    configuration.packets.datagramLength = 500
    configuration.packets.datagramLengthLadder = [500, 460, 424]
    configuration.joining.minimumWait = .milliseconds(20)
    configuration.memory.assemblySlots = 6
    configuration.repairs.maximumRepairChunks = 3
    configuration.repairs.maximumCatchUpRanges = 3
    configuration.memory.maximumResidentChunks = 6
    configuration.memory.encodeAhead = 4
    configuration.memory.maximumChildren = 12
    configuration.unicast.maximumUnicastChildren = 3
    configuration.memory.maximumControlQueue = 16
    configuration.packets.firstSequence = .max - 20
    return configuration
}

/// What goes over the wire in a session without trouble.
package struct Recording {
    package let announce: Announce
    package let transmitter: UInt32
    package private(set) var datagrams: [[UInt8]] = []
    /// Everything that was signed.
    package private(set) var signed: Set<[UInt8]> = []

    package init(isSigned: Bool, isStream: Bool) {
        var now = Instant.milliseconds(1)
        var sender = SenderEngine(
            configuration: smallConfiguration(), announce: Bundle.announce(isStream: isStream), signer: MarkSigner(isSigned: isSigned),
            digest: LaneDigest(), seed: 7, at: now)
        announce = sender.announce
        transmitter = sender.transmitterID
        for step in 0..<2_000 where !sender.isFinished {
            now = now + .milliseconds(1)
            if sender.encodeCredit > 0, Int(sender.chunkCount) < Bundle.chunkCount {
                sender.handle(.encoded(Bundle.records[Int(sender.chunkCount)]), at: now)
            }
            if Int(sender.chunkCount) == Bundle.chunkCount { sender.handle(.ended, at: now) }
            let isOver = sender.sessionPhase == .draining
            if step % 10 == 0 { Self.report(to: &sender, isOver: isOver, at: now) }
            sender.handleTimeout(at: now)
            while let transmit = sender.pollTransmit(at: now) { datagrams.append(contentsOf: wire(transmit)) }
            while sender.pollEvent() != nil {}
        }
        for datagram in datagrams { note(datagram) }
    }

    private static func report(to sender: inout SenderEngine, isOver: Bool, at now: Instant) {
        let leaf = LeafStatus(state: isOver ? .complete : .receiving, progress: 0, network: nil)
        let address = SocketAddress.ipv4(10, 0, 0, 2, port: 1)
        // Who shows no cookie does not count, and a session that nobody joins has no DATA.
        let report = StatusReport(echo: .none, longestDatagram: 500, cookie: sender.cookie(for: address), histogram: StatusHistogram(leaf))
        let datagram = write(.status(report), tag: sender.session.tag, transmitter: 1)
        unsafe sender.handle(datagram: datagram.span.bytes, from: address, at: now)
    }

    private mutating func note(_ datagram: [UInt8]) {
        guard announce.isSigned, let packet = unsafe try? Packet.parse(datagram.span.bytes).1 else { return }
        switch packet {
        case .announce(let announce, _): signed.insert(announce.signedMessage)
        case .page(_, let body, _): signed.insert(TablePage.signedMessage(session: announce.session, body: body))
        case .end(let end, _): signed.insert(end.signedMessage(session: announce.session))
        default: break
        }
    }

    /// The first datagram of each kind, then the rest: a short input can name any kind.
    package var byKind: [[UInt8]] {
        var first: [[UInt8]] = []
        var rest: [[UInt8]] = []
        var seen: Set<UInt8> = []
        for datagram in datagrams {
            if seen.insert(datagram[3]).inserted { first.append(datagram) } else { rest.append(datagram) }
        }
        return first + rest
    }

    /// An ANNOUNCE with a shorter payload, as a sender that found a hole in the path MTU would have signed it.
    package mutating func lowered(to payloadLength: UInt16) -> [UInt8] {
        var lower = announce
        lower.payloadLength = payloadLength
        let packet = Packet.announce(lower, MarkSigner(isSigned: announce.isSigned).signature(for: lower.signedMessage))
        let datagram = write(packet, tag: announce.session.tag, transmitter: transmitter)
        note(datagram)
        return datagram
    }
}

/// A datagram, header included.
package func write(_ packet: Packet, isUnicast: Bool = false, tag: UInt32, transmitter: UInt32, sequence: UInt32 = 0) -> [UInt8] {
    var writer = ByteWriter()
    PacketHeader(
        kind: PacketKind(of: packet), isUnicast: isUnicast, sessionTag: tag, transmitter: transmitter, sequence: sequence
    ).write(to: &writer)
    writer.write(packet)
    return writer.bytes
}

/// The datagrams that a host would send.
package func wire(_ transmit: Transmit) -> [[UInt8]] {
    switch transmit {
    case .datagram(let bytes, _): return [bytes]
    case .data(let batch):
        return (0..<batch.count).map { index in
            var datagram = [UInt8](repeating: 0, count: DataHeader.length)
            unsafe datagram.withUnsafeMutableBytes { buffer in
                var span = unsafe buffer.mutableBytes
                batch.writeHeader(at: index, into: &span)
            }
            return datagram + Bundle.contents[Int(batch.chunk)][batch.payloadRange(at: index)]
        }
    }
}

extension Instant {
    package static func milliseconds(_ count: Int64) -> Instant { .zero + .milliseconds(count) }
}

/// How far a step takes the clock: scheduling, round trips, a host that was asleep.
package func stepLength(_ choice: UInt8) -> Interval {
    let microseconds: [Int64] = [
        0, 50, 200, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 300_000, 700_000, 1_500_000, 3_000_000, 6_000_000, 31_000_000,
    ]
    return .microseconds(microseconds[Int(choice) % microseconds.count])
}
