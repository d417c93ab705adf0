import RMCPProtocol

typealias ReceivingHost = ListeningHost<ReceiverEngine>

extension ReceivingHost {
    init(configuration: Configuration = Fixture.quiet) {
        self.init(
            ReceiverEngine(
                identity: 1_001, configuration: configuration, announce: Fixture.announce, source: Fixture.senderAddress,
                transmitter: Fixture.senderID, isResumable: false, verifier: StubVerifier(), digest: StubDigest(), seed: 5, at: Fixture.start))
        hear(Fixture.fromSender(Fixture.heartbeat()))
        for page in Fixture.pages() { hear(page) }
    }
}

let receiverPaths: [EnginePath] = [
    EnginePath("receive-data", per: "packet", isHot: true) {
        let prepared = ReceivingHost()
        return { count in
            var host = prepared
            host.receive(packets: count)
            return count
        }
    },
    // A hundredth is lost and comes a chunk later as a repair; NAKs are made meanwhile.
    EnginePath("receive-data-lossy", per: "packet", isHot: true) {
        let prepared = ReceivingHost()
        return { count in
            var host = prepared
            for index in 0..<count {
                let (chunk, packet) = index.quotientAndRemainder(dividingBy: Fixture.packetsPerChunk)
                if packet % 100 == 50 { host.sequence &+= 1 } else { host.receive(chunk: chunk, packet: packet) }
                if chunk > 0, packet % 100 == 60 { host.receive(chunk: chunk - 1, packet: packet - 10, isRepair: true) }
            }
            host.endRound()
            host.check(chunks: count / Fixture.packetsPerChunk - 1)
            return count
        }
    },
    // Repairs for others: what is here is told from the header alone.
    EnginePath("receive-duplicate", per: "packet", isHot: true) { duplicates(skipping: 0) },
    EnginePath("receive-duplicate-gaps", per: "packet", isHot: true) { duplicates(skipping: 1) },
    // A NAK for 8 packets of each of 32 chunks that are being assembled.
    EnginePath("compose-nak", per: "NAK") {
        var configuration = Fixture.quiet
        configuration.feedback.minimumStatusInterval = .seconds(1e6)
        configuration.feedback.maximumStatusInterval = .seconds(1e6)
        var prepared = ReceivingHost(configuration: configuration)
        prepared.hear(Fixture.fromSender(Fixture.heartbeat(statusInterval: 4_000_000_000)))
        for chunk in 0..<32 {
            let lost = scattered(count: 8, seed: UInt64(chunk))
            for packet in 0..<Fixture.packetsPerChunk where !lost.contains(packet) { prepared.receive(chunk: chunk, packet: packet) }
        }
        return { count in
            var host = prepared
            var naks = 0
            while naks < count {
                guard let due = host.engine.pollTimeout() else { fatalError("no NAK is due") }
                host.now = max(host.now, due)
                host.engine.handleTimeout(at: host.now)
                while let (bytes, _) = host.engine.pollTransmit(at: host.now) {
                    consume(bytes.count)
                    naks += 1
                }
            }
            return naks
        }
    },
]

private func duplicates(skipping gap: UInt32) -> (Int) -> Int {
    var prepared = ReceivingHost()
    for packet in 0..<Fixture.packetsPerChunk { prepared.receive(chunk: 0, packet: packet) }
    prepared.endRound()
    prepared.check(chunks: 1)
    return { count in
        var host = prepared
        for index in 0..<count {
            if index % 100 == 50 { host.sequence &+= gap }
            host.receive(chunk: 0, packet: index % Fixture.packetsPerChunk, isRepair: true)
        }
        return count
    }
}
