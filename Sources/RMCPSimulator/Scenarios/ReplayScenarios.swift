import RMCPProtocol

extension Scenario {
    /// A stranger without a key repeats what was recorded of other sessions, which receivers trust and have never had.
    static let replayScenarios: [Scenario] = [
        Scenario("replayed-announces", "eight ANNOUNCEs are replayed all the time: the honest session begins as if there were none", limit: .seconds(10)) {
            world in
            replay(world, sessions: 8)
        } check: {
            Expect.allComplete($0) + onTime($0)
        },
        Scenario(
            "replayed-hundred", "a hundred are, from before the session begins, which waits for receivers: it keeps its place among them", limit: .seconds(10)
        ) { world in
            replay(world, sessions: 100) { $0.joining.minimumWait = .seconds(1) }
        } check: { world in
            Expect.allComplete(world) + onTime(world)
                + world.receivers.filter { $0.endpoint.directory.candidateCount > $0.endpoint.directory.candidateLimit }.map {
                    "receiver \($0.index) has \($0.endpoint.directory.candidateCount) candidates"
                }
        },
        Scenario("replayed-latecomer", "a hundred are, and a receiver comes in the middle of the session: it gets it", limit: .seconds(10)) { world in
            replay(world, sessions: 100) { $0.rate.fixedRate = 50_000_000 }
            world.after(.milliseconds(700)) { world in world.addReceiver(configuration: Setting.configuration, downlink: Setting.gigabit) }
        } check: {
            Expect.complete($0, receivers: $0.allReceivers)
        },
    ]

    /// Each of them is repeated five times a second, for two seconds.
    private static func replay(_ world: World, sessions count: Int, change: @escaping (inout Configuration) -> Void = { _ in }) {
        let signer = SimulatedSigner(secret: World.secret)
        let recorded = (1...count).map { number in
            let announce = Announce(
                session: SessionID(high: UInt64(number) << 32, low: 5), kind: .file, chunkLength: 65_536, payloadLength: 1_376, creationTime: 9,
                contentLength: 1 << 30, allocatedLength: 1 << 30, mode: nil, modificationTime: nil, name: "recorded \(number)", key: signer.publicKey)
            let packet = Packet.announce(announce, signer.signature(for: announce.signedMessage))
            return packet.datagram(sessionTag: announce.session.tag, transmitter: 5, isUnicast: false)
        }
        for step in 0..<10 {
            for (index, bytes) in recorded.enumerated() {
                world.after(.microseconds(Int64(step) * 200_000 + Int64(index) * 1_900)) { world in
                    world.inject(bytes, from: .ipv4(10, 9, 0, 1, port: 9))
                }
            }
        }
        world.after(.milliseconds(20)) { world in
            var configuration = Setting.configuration
            configuration.joining.waitForReceivers = 3
            change(&configuration)
            world.addSender(content: Setting.content(world), configuration: configuration, egress: Setting.gigabit)
        }
        for _ in 0..<3 { world.addReceiver(configuration: Setting.configuration, downlink: Setting.gigabit) }
    }

    private static func onTime(_ world: World) -> [String] { Expect.finish(world, receivers: world.allReceivers, within: 1) }
}
