import RMCPProtocol

extension Scenario {
    /// The first packets of one kind are lost at every node that hears or says it, in a world where it flies. What only watchers ask and
    /// are told is not among them: there are none here.
    static let lostKindScenarios: [Scenario] = PacketKind.allCases.compactMap { kind -> Scenario? in
        switch kind {
        case .query, .report: nil
        case .solicitation:
            lost(kind, "of a relay") { world in
                Tree.build(world, subnets: 0, receivers: 2) { $0.rate.fixedRate = 8_000_000 }
                Tree.addRelay(world, receivers: 2, downlink: Setting.lossy(.random(0.005)))
            }
        case .advertisement: lost(kind, "at every receiver", check: { Expect.everybodyBelowARepairNode($0) }) { inATree($0) }
        case .place:
            lost(kind, "at every receiver, and no other repair nodes are taken", check: { Expect.everybodyBelowARepairNode($0) }) { world in
                trusted(world, subnets: 1) { $0.rate.fixedRate = 4_000_000 }
            }
        case .detach:
            lost(kind, "of every receiver, and a repair node comes when they have settled", check: { Expect.everybodyBelowARepairNode($0) }) { world in
                inATree(world)
                world.killRepairNode(0)
                world.after(.milliseconds(900)) { $0.restartRepairNode(0) }
            }
        case .outline:
            lost(kind, "at every receiver, and links flip bits") { world in
                var link = Setting.lossy(.random(0.005))
                link.corruption = 0.002
                Setting.plain(world, downlink: link)
            }
        case .refusal:
            lost(kind, "of a receiver that takes no part", check: { refusals($0) }) { world in
                // A receiver says so six times, longer and longer apart.
                Setting.plain(world, receivers: 2) {
                    $0.joining.minimumWait = .seconds(50)
                    $0.joining.maximumWait = .seconds(50)
                }
                world.addReceiver(configuration: Setting.configuration, downlink: Setting.gigabit, host: ReceiverHostModel(trusts: .nobody))
            }
        case .announce, .page, .data, .end, .heartbeat, .nak, .ncf, .status, .acknowledgement, .attach, .attached, .statement:
            lost(kind, "at every receiver") { Setting.plain($0, downlink: Setting.lossy(.random(0.005))) }
        }
    }

    /// Packets that are lost at each node.
    private static let lostCount = 5

    private static func lost(
        _ kind: PacketKind, _ place: String, check: @escaping @Sendable (World) -> [String] = { _ in [] }, build: @escaping @Sendable (World) -> Void
    ) -> Scenario {
        Scenario("lost-\(kind)", "the first five packets of kind \(kind) are lost \(place)", limit: .seconds(120)) { world in
            build(world)
            for index in world.receivers.indices { world.drop(kind, count: lostCount, ofReceiver: index) }
            for index in world.repairNodes.indices where world.repairNodes[index].model.upstream != nil {
                world.drop(kind, count: lostCount, ofRepairNode: index)
            }
        } check: { world in
            let trusting = world.receivers.filter { $0.host.trusts == .sender }.map(\.index)
            return Expect.complete(world, receivers: trusting) + Expect.outcome(world, .complete) + Expect.lost(world, kind, of: lostCount) + check(world)
        }
    }

    private static func inATree(_ world: World) {
        Tree.build(world, subnets: 1, receivers: 6, downlink: Setting.lossy(.random(0.005))) { $0.rate.fixedRate = 8_000_000 }
    }

    private static func refusals(_ world: World) -> [String] {
        let counted = world.outcome(ofSender: 0)?.receivers.tree.refusals[.untrusted] ?? 0
        return Expect.that(counted == 1, "\(counted) that refuse are counted")
    }
}
