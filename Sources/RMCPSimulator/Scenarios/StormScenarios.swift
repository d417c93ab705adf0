import RMCPProtocol

extension Scenario {
    /// No fault by itself, but whatever a seed throws together.
    static let stormScenarios: [Scenario] = [
        Scenario("storm", "faults of all kinds at random for six seconds, then everything heals: everybody must finish", limit: .seconds(180)) { world in
            Storm.build(world)
        } check: { world in
            // A receiver that lost touch with a repair node that died may be counted as lost, and is complete all the same.
            Expect.complete(world, receivers: world.allReceivers)
                + Expect.ended(world)
        }
    ]
}

/// Two subnets below a sender, and faults that the world's seed chooses. A link, a process or a subnet that is broken is mended again
/// within a second; a new address stays, and what was to be lost is lost when it comes. Nothing is broken from `calm` on.
enum Storm {
    private static let begin = Interval.milliseconds(400)
    private static let calm = Interval.seconds(6)
    private static let faults = 40
    private static let subnets = 2
    private static let receivers = 4
    /// Kinds that no receiver says or hears here.
    private static let strangeKinds: Set<PacketKind> = [.solicitation, .query, .report, .refusal, .outline]

    static func build(_ world: World) {
        Tree.build(world, subnets: subnets, receivers: receivers, downlink: Setting.lossy(.random(0.02))) {
            $0.rate.fixedRate = 15_000_000; $0.joining.linger = .seconds(10)
        }
        for _ in 0..<faults {
            let start = begin + world.random.interval(upTo: .seconds((calm - begin).inSeconds))
            let length = Interval.milliseconds(50) + world.random.interval(upTo: .milliseconds(900))
            let victim = Int.random(in: 0..<subnets * receivers, using: &world.random)
            let kind = Int.random(in: 0..<10, using: &world.random)
            world.after(start) { strike($0, kind: kind, victim: victim, for: length) }
        }
    }

    /// Breaks something, and mends it `length` later.
    private static func strike(_ world: World, kind: Int, victim: Int, for length: Interval) {
        let node = victim % subnets
        func later(_ heal: @escaping (World) -> Void) { world.after(world.now - World.start + length, heal) }
        switch kind {
        case 0:
            guard world.receivers[victim].isRunning else { return }
            world.killReceiver(victim)
            later { $0.restartReceiver(victim) }
        case 1:
            guard world.repairNodes[node].isRunning else { return }
            world.killRepairNode(node, cache: [.kept, .lost, .torn(0.3)][Int.random(in: 0..<3, using: &world.random)])
            later { $0.restartRepairNode(node) }
        case 2:
            world.setLinks(ofReceiver: victim, up: false)
            later { $0.setLinks(ofReceiver: victim, up: true) }
        case 3:
            world.setLinks(ofRepairNode: node, up: false)
            later { $0.setLinks(ofRepairNode: node, up: true) }
        case 4:
            let start = world.now - World.start
            world.cutOff(subnet: node + 1, from: start, until: start + length)
        case 5:
            world.setEgress(ofSender: 0, up: false)
            later { $0.setEgress(ofSender: 0, up: true) }
        case 6: world.pauseReceiver(victim, for: length)
        case 7:
            world.setMulticast(ofReceiver: victim, delivered: false)
            later { $0.setMulticast(ofReceiver: victim, delivered: true) }
        case 8: world.changeAddress(ofReceiver: victim)
        default:
            let kinds = PacketKind.allCases.filter { !strangeKinds.contains($0) }
            world.drop(kinds[Int.random(in: 0..<kinds.count, using: &world.random)], count: 3, ofReceiver: victim)
        }
    }
}
