import TestSupport

@testable package import RMCPProtocol

/// A small bundle: 12 chunks of every kind, the last one short.
package enum Bundle {
    package static let chunkLength = 2_000
    package static let chunkCount = 12
    package static let contentLength = UInt64((chunkCount - 1) * chunkLength + 700)

    /// Encoded bytes; none for a hole.
    package static let contents: [[UInt8]] = (0..<chunkCount).map { chunk in
        randomBytes(chunk % 5 == 3 ? 0 : chunk % 4 == 2 ? 900 : chunk == chunkCount - 1 ? 700 : chunkLength, seed: UInt64(chunk))
    }

    package static let records: [ChunkRecord] = contents.indices.map { chunk in
        .sample(
            of: contents[chunk], contentLength: chunk == chunkCount - 1 ? 700 : chunkLength, contentDigest: Digest(Bytes32(UInt64(chunk), 0, 0, 1)))
    }

    /// The datagrams that a host would send.
    package static func datagrams(_ transmit: Transmit) -> [[UInt8]] { transmit.datagrams { contents[Int($0)] } }

    package static func announce(isStream: Bool) -> Announce {
        .sample(
            "bundle", kind: isStream ? .stream : .file, chunkLength: UInt32(chunkLength), payloadLength: 476, creationTime: 1,
            contentLength: isStream ? nil : contentLength, allocatedLength: isStream ? 0 : contentLength,
            modificationTime: FileTime(seconds: 1, nanoseconds: 0))
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
    // Fewer than the bundle has, of which two are holes: all of it in memory would be too much.
    configuration.memory.maximumResidentChunks = 3
    configuration.memory.encodeAhead = 2
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
        var sender = SenderEngine(
            configuration: smallConfiguration(), announce: Bundle.announce(isStream: isStream), signer: signer(isSigned: isSigned),
            digest: LaneDigest(), seed: 7, at: .milliseconds(1))
        announce = sender.announce
        transmitter = sender.transmitterID
        datagrams = record(&sender, Bundle.records, Bundle.contents, chunksAtOnce: 1, steps: 2_000)
        for datagram in datagrams { note(datagram) }
    }

    private mutating func note(_ datagram: [UInt8]) {
        guard announce.isSigned, let packet = unsafe try? Packet.parse(datagram.span.bytes).1 else { return }
        switch packet {
        case .announce(let announce, _): signed.insert(announce.signedMessage)
        case .page(_, let body, _): signed.insert(TablePage.signedMessage(session: announce.session, body: body))
        case .end(let end, _): signed.insert(end.signedMessage(session: announce.session))
        case .statement(let statement, _): signed.insert(statement.signedMessage(session: announce.session))
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
        let packet = Packet.announce(lower, signer(isSigned: announce.isSigned).signature(for: lower.signedMessage))
        let datagram = write(packet, tag: announce.session.tag, transmitter: transmitter)
        note(datagram)
        return datagram
    }
}

/// Datagrams that a sender puts on the wire in so many milliseconds, with one receiver that gets everything.
package func record(
    _ sender: inout SenderEngine, _ records: [ChunkRecord], _ encoded: [[UInt8]], chunksAtOnce: Int = .max, steps: Int
) -> [[UInt8]] {
    var now = Instant.milliseconds(1)
    var datagrams: [[UInt8]] = []
    for step in 0..<steps where !sender.isFinished {
        now = now + .milliseconds(1)
        sender.encode(records, atMost: chunksAtOnce, at: now)
        if step % 10 == 0 { report(to: &sender, at: now) }
        sender.handleTimeout(at: now)
        while let transmit = sender.pollTransmit(at: now) { datagrams += transmit.datagrams { encoded[Int($0)] } }
        while sender.pollEvent() != nil {}
    }
    return datagrams
}

private func report(to sender: inout SenderEngine, at now: Instant) {
    let leaf = LeafStatus(state: sender.sessionPhase == .draining ? .complete : .receiving, progress: 0, network: nil)
    let address = SocketAddress.ipv4(10, 0, 0, 2, port: 1)
    // A receiver that shows no cookie does not count, and a session that nobody joins has no DATA.
    let report = StatusReport(echo: .none, longestDatagram: 500, cookie: sender.cookie(for: address), histogram: StatusHistogram(leaf))
    let datagram = write(.status(report), tag: sender.session.tag, transmitter: 1)
    unsafe sender.handle(datagram: datagram.span.bytes, from: address, at: now)
}

/// A datagram, header included.
package func write(_ packet: Packet, isUnicast: Bool = false, tag: UInt32, transmitter: UInt32, sequence: UInt32 = 0) -> [UInt8] {
    packet.datagram(sessionTag: tag, transmitter: transmitter, sequence: sequence, isUnicast: isUnicast)
}

package func signer(isSigned: Bool) -> any MessageSigner { isSigned ? MarkSigner() : NoSigner() }

/// How far a step takes the clock: scheduling, round trips, a host that was asleep.
package func stepLength(_ choice: UInt8) -> Interval {
    let microseconds: [Int64] = [
        0, 50, 200, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 300_000, 700_000, 1_500_000, 3_000_000, 6_000_000, 31_000_000,
    ]
    return .microseconds(microseconds[Int(choice) % microseconds.count])
}
