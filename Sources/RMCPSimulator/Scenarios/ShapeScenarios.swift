import RMCPProtocol

extension Scenario {
    /// Bundles of unusual shape, and numbers that wrap.
    static let shapeScenarios: [Scenario] = [
        shape("empty", "an empty file", length: 0),
        shape("one-byte", "one byte", length: 1),
        shape("one-chunk", "exactly one chunk", length: 64 << 10),
        shape("short-last-chunk", "the last chunk is one byte long", length: 10 * (64 << 10) + 1),
        Scenario("all-zero", "a gigabyte of nothing costs next to nothing") { world in
            for _ in 0..<4 { world.addReceiver(configuration: Setting.configuration) }
            world.addSender(
                content: SimulatedContent(seed: 5, length: 1 << 30, zeroShare: 1), configuration: Setting.configuration)
        } check: { world in
            Expect.allComplete(world) + Expect.that(world.counters(ofSender: 0).bytesSent < 100_000, "\(world.counters(ofSender: 0).bytesSent) bytes sent")
        },
        Scenario("five-gigabytes", "more than 4 GiB, most of it holes", limit: .seconds(120)) { world in
            let configuration = Setting.configuration
            for _ in 0..<2 { world.addReceiver(configuration: configuration, downlink: LinkModel(rate: 10e9)) }
            world.addSender(
                content: SimulatedContent(
                    seed: world.seed, length: 5 << 30 + 12_345, chunkLength: 1 << 20, zeroShare: 0.95, ratio: 0.05),
                configuration: configuration, egress: LinkModel(rate: 10e9))
        },
        Scenario("sequence-wrap", "the sequence number wraps in mid-transfer") { world in
            Setting.plain(world, downlink: Setting.lossy(.random(0.02))) { $0.packets.firstSequence = UInt32.max - 2_000 }
        },
        Scenario("mtu-hole", "two receivers sit behind a tunnel that swallows datagrams above 1250 bytes") { world in
            var hole = Setting.gigabit
            hole.longestDatagram = 1_250
            let configuration = Setting.configuration
            for index in 0..<4 { world.addReceiver(configuration: configuration, downlink: index < 2 ? hole : Setting.gigabit) }
            world.addSender(content: Setting.content(world), configuration: configuration, egress: Setting.gigabit)
        } check: { world in
            Expect.allComplete(world)
                + Expect.that(world.datagramLength(ofSender: 0) == 1_200, "datagrams are \(world.datagramLength(ofSender: 0)) bytes long, expected 1200")
        },
        Scenario("jumbo", "frames of 9000 bytes, and 1 % loss") { world in
            Setting.plain(world, megabytes: 32, downlink: Setting.lossy(.random(0.01))) { $0.packets.datagramLength = Setting.jumbo }
        } check: { world in
            Expect.allComplete(world)
                + Expect.that(world.datagramLength(ofSender: 0) == Setting.jumbo, "datagrams are \(world.datagramLength(ofSender: 0)) bytes long")
        },
        Scenario("jumbo-hole", "one of eight has frames of 1500 bytes where the sender's have 9000") { world in
            var configuration = Setting.configuration
            configuration.packets.datagramLength = Setting.jumbo
            var short = Setting.gigabit
            short.longestDatagram = 1_472
            for index in 0..<8 { world.addReceiver(configuration: configuration, downlink: index == 3 ? short : Setting.gigabit) }
            world.addSender(content: Setting.content(world), configuration: configuration, egress: Setting.gigabit)
        } check: { world in
            Expect.allComplete(world)
                + Expect.that(world.datagramLength(ofSender: 0) == 1_400, "datagrams are \(world.datagramLength(ofSender: 0)) bytes long, expected 1400")
        },
        Scenario("mtu-hole-late", "a latecomer sits behind a tunnel that swallows all packets: it says so, and the sender ends") { world in
            var configuration = Setting.configuration
            configuration.rate.fixedRate = 20_000_000
            for _ in 0..<3 { world.addReceiver(configuration: configuration, downlink: Setting.lossy(.random(0.01))) }
            world.addSender(content: Setting.content(world), configuration: configuration, egress: Setting.gigabit)
            world.after(.milliseconds(600)) { world in
                var hole = Setting.gigabit
                hole.longestDatagram = 1_250
                world.addReceiver(configuration: Setting.configuration, downlink: hole)
            }
        } check: { world in
            Expect.failed(world, receiver: 3, as: .failedPath)
                + Expect.that(world.now.nanoseconds < 20_000_000_000, "it took \(world.now)")
        },
        Scenario("many-receivers", "200 receivers, 1 % loss each: NAKs stay few") { world in
            Setting.plain(world, receivers: 200, megabytes: 4, downlink: Setting.lossy(.random(0.01)))
        } check: { world in
            let naks = world.counters(ofSender: 0).naksReceived
            return Expect.allComplete(world) + Expect.that(naks < 6_000, "\(naks) NAKs reached the sender")
        },
    ]

    private static func shape(_ name: String, _ summary: String, length: UInt64) -> Scenario {
        Scenario(name, summary) { world in
            let configuration = Setting.configuration
            for _ in 0..<4 { world.addReceiver(configuration: configuration, downlink: Setting.lossy(.random(0.02))) }
            world.addSender(
                content: SimulatedContent(seed: world.seed, length: length), configuration: configuration, egress: Setting.gigabit)
        }
    }
}
