import RMCPProtocol

extension Scenario {
    /// A stranger without a key claims, in the sender's name, that more has been sent than has been. Claims come from before the session begins
    /// on, for three seconds.
    static let claimScenarios: [Scenario] = [
        Scenario("claim-position", "a stranger says that everything has been sent that a bundle can have: nobody waits for it") { world in
            latecomers(world)
            claims(world) { $0.position = StreamPosition(chunk: Limits.maximumChunks, packet: 0) }
        } check: {
            Expect.allComplete($0) + Expect.finish($0, receivers: Array(0..<4), within: 5) + fewNAKs($0)
        },
        Scenario("claim-pages", "a stranger says that pages have been sent that do not exist, and END: nobody asks for them for ever") { world in
            latecomers(world)
            claims(world) {
                $0.pageCount = Limits.maximumChunks
                $0.hasEnd = true
            }
        } check: {
            Expect.allComplete($0) + Expect.finish($0, receivers: Array(0..<4), within: 5) + fewNAKs($0)
        },
        Scenario("claim-ahead", "a stranger says, with each packet of the sender's, that the stream is a little further than it is") { world in
            latecomers(world)
            claims(world, every: .milliseconds(2)) { $0.position.chunk += 3 }
        } check: {
            Expect.allComplete($0) + Expect.finish($0, receivers: Array(0..<4), within: 5) + fewNAKs($0)
        },
        Scenario("claim-stream", "forged first transmissions of chunks that are far from being sent") { world in
            latecomers(world)
            every(.milliseconds(5), world) { world, random in
                var writer = ByteWriter()
                PacketHeader(
                    kind: .data, sessionTag: world.session(ofSender: 0).tag, transmitter: world.senders[0].engine.transmitterID,
                    sequence: UInt32.random(in: 0...(.max), using: &random)
                ).write(to: &writer)
                writer.writeUInt32(UInt32.random(in: 0..<160, using: &random))
                writer.writeUInt16(0)
                writer.writeUInt16(0)
                writer.pad(to: 1_400)
                world.inject(writer.bytes)
            }
        } check: {
            Expect.allComplete($0) + Expect.finish($0, receivers: Array(0..<4), within: 5)
        },
        Scenario("claim-sequence", "sequence numbers that run ahead by two million: loss is measured by what the sender signs") { world in
            Setting.plain(world, receivers: 4, megabytes: 64) { $0.packets.firstSequence = 0 }
            every(.milliseconds(20), world) { world, _ in world.inject(forged(world, sequenceAhead: 2_000_000) { _ in }) }
        } check: {
            Expect.allComplete($0) + Expect.finish($0, receivers: Array(0..<4), within: 2)
        },
        Scenario("claim-below", "the same claims below repair nodes, in the sender's name and in the nodes'") { world in
            Tree.build(world, subnets: 2, receivers: 3, downlink: Setting.lossy(.random(0.01))) { $0.rate.fixedRate = 50_000_000 }
            every(.milliseconds(20), world) { world, _ in
                func everything(_ heartbeat: inout Heartbeat) {
                    heartbeat.position = StreamPosition(chunk: Limits.maximumChunks, packet: 0)
                    heartbeat.pageCount = Limits.maximumChunks
                    heartbeat.hasEnd = true
                }
                let bytes = forged(world, everything)
                world.inject(bytes)
                world.inject(bytes, toRepairNodesAt: .above)
                for node in world.repairNodes.compactMap({ $0.sessions.first?.engine.downstream }) {
                    let bytes = forged(world, as: node.transmitterID) {
                        everything(&$0)
                        $0.place = TreePlace(path: [world.senders[0].engine.transmitterID], timeToLive: 1, watermark: Limits.maximumChunks)
                    }
                    world.inject(bytes)
                    world.inject(bytes, toRepairNodesAt: .above)
                }
            }
        } check: {
            Expect.allComplete($0) + Expect.finish($0, receivers: $0.allReceivers, within: 5)
        },
    ]

    /// Links without loss, so that what is asked for is asked for in vain; the last ones come when nearly everything has been sent.
    private static func latecomers(_ world: World) {
        Setting.plain(world, receivers: 4, megabytes: 32) {
            $0.rate.fixedRate = 80_000_000
            $0.packets.firstSequence = 0
        }
        world.after(.milliseconds(2_500)) { world in
            for _ in 0..<2 { world.addReceiver(configuration: Setting.configuration, downlink: Setting.gigabit) }
        }
    }

    /// NAKs of those that were there from the beginning on are a round at most, until the lie is found out.
    private static func fewNAKs(_ world: World) -> [String] {
        let naks = (0..<4).map { world.counters(ofReceiver: $0).naksSent }
        return Expect.that(naks.allSatisfy { $0 < 12 }, "\(naks) NAKs")
    }

    private static func every(_ interval: Interval, _ world: World, _ body: @escaping @Sendable (World, inout RandomSource) -> Void) {
        let seed = world.seed ^ 0xC1A13
        for step in 0..<Int(3_000_000_000 / interval.nanoseconds) {
            world.after(interval * Double(step)) { world in
                var random = RandomSource(seed: seed &+ UInt64(step))
                body(world, &random)
            }
        }
    }

    /// The sender's HEARTBEAT with something else in it.
    static func claims(_ world: World, every interval: Interval = .milliseconds(20), _ change: @escaping @Sendable (inout Heartbeat) -> Void) {
        every(interval, world) { world, _ in world.inject(forged(world, change)) }
    }

    /// - Parameter transmitter: in whose name; nil for the sender's.
    private static func forged(
        _ world: World, as transmitter: UInt32? = nil, sequenceAhead: UInt32 = 0, _ change: (inout Heartbeat) -> Void
    ) -> [UInt8] {
        let engine = world.senders[0].engine
        var heartbeat = Heartbeat(
            phase: engine.sessionPhase, timestamp: UInt64(world.now.nanoseconds / 1_000), groupRoundTrip: 10_000, statusInterval: 20, population: 6,
            position: StreamPosition(chunk: engine.positionChunk, packet: 0), pageCount: 0, hasEnd: false, rate: UInt64(engine.rate), liveLossLimit: 16,
            livePressureLimit: 8, place: TreePlace(timeToLive: 1))
        change(&heartbeat)
        // About where the sender is: what goes to single addresses is numbered apart.
        let sequence = UInt32(truncatingIfNeeded: engine.counters.datagramsSent) &+ sequenceAhead
        return Packet.heartbeat(heartbeat).datagram(
            sessionTag: engine.session.tag, transmitter: transmitter ?? engine.transmitterID, sequence: sequence, isUnicast: false)
    }
}
