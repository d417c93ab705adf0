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
            attack(world) { world, random in world.inject(forgery(of: .data, in: world, using: &random), from: Addressing.sender(0)) }
        },
        Scenario("forged-control", "forged heartbeats, NCFs, pages and ENDs of the session") { world in
            Setting.plain(world, downlink: Setting.lossy(.random(0.01))) { $0.rate.fixedRate = 200_000_000 }
            attack(world) { world, random in
                for kind in [PacketKind.ncf, .page, .end] {
                    world.inject(forgery(of: kind, in: world, using: &random), from: Addressing.sender(0))
                }
            }
        },
        Scenario("nak-flood", "thousands of forged NAKs and statuses a second at the sender") { world in
            Setting.plain(world) { $0.rate.fixedRate = 400_000_000 }
            attack(world, every: .microseconds(100)) { world, random in
                world.inject(forgery(of: .nak, in: world, using: &random), toSender: 0)
            }
        },
        Scenario("old-traffic", "packets of a session that is over arrive during the next") { world in
            Setting.plain(world) { $0.rate.fixedRate = 200_000_000 }
            attack(world) { world, random in
                var bytes = forgery(of: .data, in: world, using: &random)
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

    /// A well-formed packet of the session that its sender did not make.
    private static func forgery(of kind: PacketKind, in world: World, using random: inout RandomSource) -> [UInt8] {
        let engine = world.senders[0].engine
        let transmitter = kind == .nak ? UInt32.random(in: 1...50, using: &random) : engine.transmitterID
        var writer = ByteWriter()
        PacketHeader(
            kind: kind, sessionTag: engine.session.tag, transmitter: transmitter, sequence: UInt32.random(in: 0...(.max), using: &random)
        ).write(to: &writer)
        let chunk = UInt32.random(in: 0..<160, using: &random)
        switch kind {
        case .data:
            writer.writeUInt32(chunk)
            writer.writeUInt16(UInt16.random(in: 0..<48, using: &random))
            writer.writeUInt16(UInt16.random(in: 0...1, using: &random))
            writer.pad(to: 1_400)
        case .nak, .ncf:
            if kind == .nak { for _ in 0..<20 { writer.writeUInt8(0) } }
            // All packets of a chunk.
            writer.writeUInt8(1)
            writer.writeUInt32(chunk)
            writer.writeUInt8(1)
            writer.writeUInt16(0)
            writer.writeUInt16(47)
        default:
            while writer.count < 400 { writer.writeUInt8(UInt8.random(in: 0...3, using: &random)) }
        }
        return writer.bytes
    }
}
