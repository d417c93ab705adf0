import RMCPProtocol

extension Scenario {
    /// Somebody forges DATA ahead of the stream: every forged packet is the first of its kind to come, and none must cost its chunk.
    static let poisonScenarios: [Scenario] = [
        Scenario("poison", "one packet in a hundred is forged ahead of the stream: receivers are hardly slower") { world in
            megabyteChunks(world)
            forgers(world, share: 0.01)
        } check: {
            // 64 MiB at 200 Mb/s take 2.79 s.
            Expect.allComplete($0) + Expect.finish($0, receivers: Array(0..<8), within: 2.95)
        },
        Scenario("poison-loss", "the same beside 1 % of loss") { world in
            megabyteChunks(world, downlink: Setting.lossy(.random(0.01)))
            forgers(world, share: 0.01)
        } check: {
            Expect.allComplete($0) + Expect.finish($0, receivers: Array(0..<8), within: 3.5)
        },
        Scenario("poison-flood", "as many packets are forged as one in ten: it takes longer, and ends") { world in
            megabyteChunks(world)
            forgers(world, share: 0.1)
        } check: {
            Expect.allComplete($0) + Expect.finish($0, receivers: Array(0..<8), within: 6)
        },
        Scenario("poison-outlines", "forged outlines come beside forged DATA: they are found out one by one") { world in
            megabyteChunks(world)
            forgers(world, share: 0.01) { world, chunk, random in
                let values = (0..<32).map { _ in Digest(Bytes32(random.next(), 0, 0, 0)) }
                let part = OutlinePart(chunk: chunk, part: UInt8.random(in: 0...7, using: &random), values: values, siblings: Array(values.prefix(3)))
                world.inject(
                    Packet.outline(part).datagram(
                        sessionTag: world.session(ofSender: 0).tag, transmitter: world.senders[0].engine.transmitterID, isUnicast: false),
                    from: Addressing.sender(0))
            }
        } check: {
            Expect.allComplete($0) + Expect.finish($0, receivers: Array(0..<8), within: 3.5)
        },
    ]

    /// 64 MiB in chunks of 1 MiB, as they are in earnest, to eight receivers at 200 Mb/s.
    private static func megabyteChunks(_ world: World, downlink: LinkModel = Setting.gigabit) {
        var configuration = Setting.configuration
        configuration.rate.fixedRate = 200_000_000
        configuration.joining.waitForReceivers = 8
        for _ in 0..<8 { world.addReceiver(configuration: configuration, downlink: downlink) }
        world.addSender(
            content: SimulatedContent(seed: world.seed &* 31 &+ 7, length: 64 << 20, chunkLength: 1 << 20), configuration: configuration,
            egress: Setting.gigabit)
    }

    /// Packets of what is about to be sent, at this share of the sender's rate, for as long as it sends.
    private static func forgers(
        _ world: World, share: Double, also: @escaping @Sendable (World, UInt32, inout RandomSource) -> Void = { _, _, _ in }
    ) {
        let seed = world.seed ^ 0x9015
        let interval = Interval.seconds(1_400 * 8 / 200e6 / share)
        for step in 0..<Int(8 / interval.inSeconds) {
            world.after(interval * Double(step)) { world in
                var random = RandomSource(seed: seed &+ UInt64(step))
                let engine = world.senders[0].engine
                let chunk = engine.positionChunk &+ UInt32.random(in: 0...1, using: &random)
                let header = PacketHeader(
                    kind: .data, sessionTag: engine.session.tag, transmitter: engine.transmitterID, sequence: UInt32.random(in: 0...(.max), using: &random))
                var writer = ByteWriter()
                header.write(to: &writer)
                writer.writeUInt32(chunk)
                writer.writeUInt16(UInt16.random(in: 0..<762, using: &random))
                writer.writeUInt16(0)
                writer.pad(to: engine.datagramLength)
                world.inject(writer.bytes, fingerprint: random.next(), from: Addressing.sender(0))
                also(world, chunk, &random)
            }
        }
    }
}
