import RMCPProtocol

extension Scenario {
    /// Other senders, strangers and liars.
    static let hostileScenarios: [Scenario] = [
        Scenario("two-senders", "two senders on one group: every receiver gets both bundles") { world in
            Setting.plain(world, downlink: Setting.lossy(.random(0.01)))
            world.addSender(
                content: SimulatedContent(seed: world.seed ^ 99, length: 6 << 20, ratio: 0.8), configuration: Setting.configuration,
                egress: Setting.gigabit, name: "other")
        },
        Scenario("same-tag", "two sessions with one tag: one of them is received, and neither is damaged") { world in
            Setting.plain(world, receivers: 4)
            let session = world.session(ofSender: 0)
            world.addSender(
                content: SimulatedContent(seed: world.seed ^ 99, length: 6 << 20), configuration: Setting.configuration,
                egress: Setting.gigabit, name: "other", session: SessionID(high: session.high, low: session.low ^ 1))
        } check: { world in
            // The sender that was first at a receiver keeps the tag; one that nobody joined gives up by itself.
            let sessions = world.senders.indices.map { world.session(ofSender: $0) }
            return world.receivers.indices.filter { index in sessions.allSatisfy { world.completion(ofReceiver: index, session: $0) == nil } }
                .map { "receiver \($0) got neither bundle" }
        },
        Scenario("unsigned-refused", "an unsigned session is refused, once") { world in
            world.addReceiver(configuration: Setting.configuration)
            world.addSender(content: Setting.content(world), configuration: Setting.configuration, isSigned: false)
        } check: {
            Expect.refused($0, receiver: 0, as: [.unsigned]) + Expect.outcome($0, .refused)
        },
        Scenario("unsigned-allowed", "an unsigned session is taken by who allows it") { world in
            for _ in 0..<4 {
                world.addReceiver(
                    configuration: Setting.configuration, downlink: Setting.lossy(.random(0.01)), host: ReceiverHostModel(trusts: .anybody))
            }
            world.addSender(content: Setting.content(world), configuration: Setting.configuration, egress: Setting.gigabit, isSigned: false)
        },
        Scenario("untrusted-refused", "a signed session by a key that is not trusted is refused, once") { world in
            world.addReceiver(configuration: Setting.configuration, host: ReceiverHostModel(trusts: .nobody))
            world.addSender(content: Setting.content(world), configuration: Setting.configuration)
        } check: {
            Expect.refused($0, receiver: 0, as: [.untrusted(SimulatedSigner(secret: World.secret).publicKey)]) + Expect.outcome($0, .refused)
        },
        Scenario("garbage", "random bytes on the group and at the sender") { world in
            Setting.plain(world)
            attack(world) { world, random in
                let bytes = (0..<Int.random(in: 0..<1_500, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
                world.inject(bytes)
                world.inject(bytes, toSender: 0)
            }
        },
        Scenario("forged-data", "somebody on the network injects DATA of the session: each packet costs at most the chunk that it hit") { world in
            Setting.plain(world) { $0.rate.fixedRate = 200_000_000 }
            attack(world) { world, random in world.inject(forgedData(of: world, using: &random), from: Addressing.sender(0)) }
        },
        Scenario("forged-control", "forged heartbeats, NCFs, pages and ENDs of the session") { world in
            Setting.plain(world, downlink: Setting.lossy(.random(0.01))) { $0.rate.fixedRate = 200_000_000 }
            attack(world) { world, random in
                let engine = world.senders[0].engine
                for packet in [forgedHeartbeat(of: engine, using: &random), .ncf(request(using: &random))] + forgedTable(of: engine, using: &random) {
                    world.inject(
                        packet.datagram(
                            sessionTag: engine.session.tag, transmitter: engine.transmitterID, sequence: UInt32.random(in: 0...(.max), using: &random),
                            isUnicast: false),
                        from: Addressing.sender(0))
                }
            }
        },
        Scenario("nak-flood", "thousands of forged NAKs and statuses a second at the sender, half of them from an address that was proven") { world in
            Setting.plain(world) { $0.rate.fixedRate = 400_000_000 }
            attack(world, every: .microseconds(100)) { world, random in
                let address = SocketAddress.ipv4(10, 9, 0, random.chance(0.5) ? 1 : 2, port: 9)
                let engine = world.senders[0].engine
                func say(_ packet: Packet, as transmitter: UInt32) {
                    world.inject(packet.datagram(sessionTag: engine.session.tag, transmitter: transmitter), toSender: 0, from: address)
                }
                let isProven = address.low & 1 == 1
                if isProven, world.givenCookies[address] == nil { say(.attach(AttachRequest(nonce: 1, wantsStream: false)), as: 1) }
                let cookie = isProven ? world.givenCookies[address] ?? 0 : random.next()
                // One that is a child, and forty that are none.
                let transmitter = UInt32.random(in: 1...40, using: &random)
                let echo = TimestampEcho(timestamp: UInt64(world.now.nanoseconds / 1_000), delay: UInt32.random(in: 0...9_000, using: &random))
                if random.chance(0.5) {
                    say(.nak(NegativeAcknowledgement(echo: echo, cookie: cookie, request: request(using: &random))), as: transmitter)
                } else {
                    let network = LeafStatus.Network(
                        loss: UInt8.random(in: 0...15, using: &random), pressure: UInt8.random(in: 0...7, using: &random),
                        arrival: UInt8.random(in: 0...90, using: &random))
                    let histogram = StatusHistogram(LeafStatus(state: .receiving, progress: 5, network: network))
                    say(.status(StatusReport(echo: echo, longestDatagram: 1_400, cookie: cookie, histogram: histogram)), as: transmitter)
                }
            }
        } check: { world in
            // A child that is proven is one as others are, and is lost when it falls silent. A flood leaves a fifth of the rate to the stream.
            Expect.complete(world, receivers: world.allReceivers) + Expect.finish(world, receivers: world.allReceivers, within: 3)
                + Expect.ended(world)
        },
        Scenario("old-traffic", "packets of a session that is over arrive during the next") { world in
            Setting.plain(world) { $0.rate.fixedRate = 200_000_000 }
            attack(world) { world, random in
                var bytes = forgedData(of: world, using: &random)
                bytes[4] ^= 0x55
                world.inject(bytes, from: Addressing.sender(0))
            }
        },
    ]

    /// Does something over and over during the first seconds.
    private static func attack(
        _ world: World, every interval: Interval = .milliseconds(1), _ body: @escaping @Sendable (World, inout RandomSource) -> Void
    ) {
        let seed = world.seed ^ 0xA77AC
        for step in 0..<Int(1_500_000_000 / interval.nanoseconds) {
            world.after(interval * Double(step)) { world in
                var random = RandomSource(seed: seed &+ UInt64(step))
                body(world, &random)
            }
        }
    }

    /// Chunks of the bundle, and some behind its end.
    private static let chunks = 0..<160 as Range<UInt32>

    /// DATA of the session that its sender did not send.
    private static func forgedData(of world: World, using random: inout RandomSource) -> [UInt8] {
        let engine = world.senders[0].engine
        var writer = ByteWriter()
        PacketHeader(
            kind: .data, sessionTag: engine.session.tag, transmitter: engine.transmitterID, sequence: UInt32.random(in: 0...(.max), using: &random)
        ).write(to: &writer)
        writer.writeUInt32(UInt32.random(in: chunks, using: &random))
        writer.writeUInt16(UInt16.random(in: 0..<48, using: &random))
        writer.writeUInt16(UInt16.random(in: 0...1, using: &random))
        writer.pad(to: 1_400)
        return writer.bytes
    }

    /// All packets of a chunk.
    private static func request(using random: inout RandomSource) -> RepairRequest {
        var request = RepairRequest()
        let chunk = UInt32.random(in: chunks, using: &random)
        if random.chance(0.5) { request.packets = [.init(chunk: chunk, packets: PacketSet(0..<48))] } else { request.chunks = [chunk..<chunk + 1] }
        return request
    }

    /// The sender's own, with something else in it. Nobody leaves: that is `stranger-leaving`.
    private static func forgedHeartbeat(of engine: SenderEngine, using random: inout RandomSource) -> Packet {
        let phases: [SessionPhase] = [.waiting, .streaming, .draining, .lingering]
        return .heartbeat(
            Heartbeat(
                phase: phases[Int.random(in: 0..<phases.count, using: &random)], timestamp: random.next() >> 20,
                groupRoundTrip: UInt32.random(in: 0...2_000_000, using: &random), statusInterval: UInt32.random(in: 1...10_000, using: &random),
                population: UInt32.random(in: 0...100_000, using: &random),
                position: StreamPosition(chunk: UInt32.random(in: chunks, using: &random), packet: UInt16.random(in: 0..<48, using: &random)),
                pageCount: UInt32.random(in: 0...9, using: &random), hasEnd: random.chance(0.5), rate: random.next() >> 24, liveLossLimit: 16,
                livePressureLimit: 8, place: TreePlace(timeToLive: 1)))
    }

    /// A page of records that are not the bundle's, and an END of another table, by somebody with a key of its own.
    private static func forgedTable(of engine: SenderEngine, using random: inout RandomSource) -> [Packet] {
        let signer = SimulatedSigner(secret: World.secret + 1)
        let digest = Digest(Bytes32(random.next(), 1, 2, 3))
        let record = ChunkRecord(kind: .stored, contentLength: 65_536, encodedLength: 65_536, encodedDigest: digest, contentDigest: digest)
        let page = TablePage(
            index: UInt32.random(in: 0...9, using: &random), firstChunk: UInt32.random(in: chunks, using: &random),
            records: Array(repeating: record, count: Int.random(in: 1...9, using: &random)))
        let end = EndOfTable(
            chunkCount: UInt32.random(in: chunks, using: &random), pageCount: UInt32.random(in: 0...9, using: &random), contentLength: random.next() >> 40,
            encodedLength: random.next() >> 40, tableDigest: digest)
        return [.page(page, body: page.body, signer.signature(for: page.body)), .end(end, signer.signature(for: page.body))]
    }
}
