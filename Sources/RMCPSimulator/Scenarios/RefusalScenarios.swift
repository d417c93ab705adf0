import RMCPProtocol

extension Scenario {
    /// Receivers that take no part: the sender counts them, once each, and nothing else changes.
    static let refusalScenarios: [Scenario] = [
        Scenario("refusing-thousand", "a thousand receivers do not trust the sender, and four do: all are counted, and nobody is held up") { world in
            Setting.plain(world, receivers: 4) { $0.joining.minimumWait = .seconds(2) }
            addRefusing(world, 1_000)
        } check: { world in
            Expect.complete(world, receivers: Array(0..<4)) + Expect.outcome(world, .complete) + refused(world, 1_000)
                + Expect.that(world.senders[0].engine.counters.statusesReceived < 1_000, "they speak as children")
        },
        Scenario("refusing-region", "the same below repair nodes and a relay: sums go up", limit: .seconds(20)) { world in
            Tree.build(world, subnets: 2, receivers: 3) { $0.joining.minimumWait = .seconds(3) }
            for subnet in 1...2 { addRefusing(world, 50, subnet: subnet) }
            Tree.addRelay(world, receivers: 2, downlink: Setting.gigabit)
            addRefusing(world, 200, subnet: 102)
        } check: { world in
            let trusting = world.receivers.filter { $0.host.trusts == .sender }.map(\.index)
            return Expect.complete(world, receivers: trusting) + Expect.outcome(world, .complete) + refused(world, 300)
        },
        Scenario("refusing-lossy", "a fifth of all datagrams of those who refuse is lost, both ways: they are counted all the same", limit: .seconds(60)) {
            world in
            var configuration = Setting.configuration
            configuration.joining.minimumWait = .seconds(20)
            configuration.joining.maximumWait = .seconds(20)
            world.addSender(content: Setting.content(world), configuration: configuration, egress: Setting.gigabit)
            addRefusing(world, 50, link: Setting.lossy(.random(0.2)))
        } check: { world in
            let counted = world.outcome(ofSender: 0)?.receivers.tree.refusals.total ?? 0
            return Expect.outcome(world, .refused) + Expect.that(counted >= 48 && counted <= 50, "\(counted) of 50 are counted")
        },
        Scenario("refusing-replay", "somebody replays an ANNOUNCE that nobody trusts, in a victim's name: the victim gets less than was sent") { world in
            Setting.plain(world, receivers: 8)
            world.saidTo = [:]
            for step in 0..<2_000 {
                world.after(.milliseconds(Int64(2 * step))) { world in
                    let session = SessionID(high: UInt64(step + 1) << 32, low: 5)
                    let announce = Announce(
                        session: session, kind: .file, chunkLength: 65_536, payloadLength: 1_376, creationTime: 9, contentLength: 1, allocatedLength: 1,
                        mode: nil, modificationTime: nil, name: "made up", key: PublicKey(Bytes32(UInt64(step) + 1, 2, 3, 4)))
                    let packet = Packet.announce(announce, .none)
                    world.inject(packet.datagram(sessionTag: session.tag, transmitter: 5, isUnicast: false), from: victim)
                }
            }
        } check: { world in
            // Eight receivers, each eight ATTACHes and one a second.
            let asked = world.saidTo?[victim] ?? 0
            return Expect.allComplete(world) + refused(world, 0) + Expect.that((8...8 * (8 + 6)).contains(asked), "\(asked) ATTACHes to the victim")
        },
    ]

    private static let victim = SocketAddress.ipv4(10, 9, 0, 1, port: 9)

    private static func addRefusing(_ world: World, _ count: Int, subnet: Int = 0, link: LinkModel = Setting.gigabit) {
        for _ in 0..<count {
            world.addReceiver(
                configuration: Setting.configuration, downlink: link, uplink: link, host: ReceiverHostModel(trusts: .nobody), subnet: subnet)
        }
    }

    private static func refused(_ world: World, _ count: UInt64) -> [String] {
        let counted = world.outcome(ofSender: 0)?.receivers.tree.refusals[.untrusted] ?? 0
        return Expect.that(counted == count, "\(counted) of \(count) that refuse are counted")
    }
}
