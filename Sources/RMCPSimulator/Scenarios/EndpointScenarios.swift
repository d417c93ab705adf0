import RMCPProtocol

extension Scenario {
    /// Nodes among datagrams of many sessions and of none: regions are advertised, parents are asked what there is,
    /// sessions give way to others.
    static let endpointScenarios: [Scenario] = [
        Scenario("late-region", "a repair node begins mid-transfer: its region is joined when it is advertised") { world in
            Tree.build(world, subnets: 1, receivers: 6, downlink: Setting.lossy(.random(0.01))) { $0.rate.fixedRate = 8_000_000 }
            world.killRepairNode(0)
            world.after(.seconds(2)) { $0.restartRepairNode(0) }
        } check: { world in
            Expect.allComplete(world) + Expect.everybodyBelowARepairNode(world) + Expect.everybodyListens(world, toOneOf: 0...0)
        },
        Scenario("advertisements-lost", "the first three advertisements do not come to anybody: the fourth does") { world in
            Tree.build(world, subnets: 1, receivers: 6) { $0.rate.fixedRate = 8_000_000 }
            for receiver in world.receivers.indices { world.drop(.advertisement, count: 3, ofReceiver: receiver) }
        } check: { world in
            Expect.allComplete(world) + Expect.everybodyBelowARepairNode(world)
        },
        Scenario("more-regions-than-places", "seven repair nodes on one network: nobody listens to more than four") { world in
            Tree.build(world, subnets: 0, receivers: 6, downlink: Setting.lossy(.random(0.02))) { $0.rate.fixedRate = 20_000_000 }
            for _ in 0..<7 { Tree.addNode(world, subnet: 0) }
        } check: { world in
            Expect.allComplete(world)
                + world.receivers.filter { $0.endpoint.regions.joined.count != RegionTable.limit }.map {
                    "receiver \($0.index) listens to \($0.endpoint.regions.joined.count) regions"
                }
        },
        Scenario("regions-change", "four repair nodes die, and half a minute later a fifth has the place of one of them", limit: .seconds(90)) { world in
            Tree.build(world, subnets: 0, receivers: 4)
            for _ in 0..<4 { Tree.addNode(world, subnet: 0) }
            world.after(.seconds(3)) { world in
                for node in 0..<4 { world.killRepairNode(node) }
                Tree.addNode(world, subnet: 0)
            }
            world.after(.seconds(35)) { world in
                world.addSender(content: Setting.content(world, megabytes: 2), configuration: Tree.configuration, egress: Setting.gigabit, name: "second")
            }
        } check: { world in
            Expect.allComplete(world) + Expect.everybodyListens(world, toOneOf: 4...4)
        },
        Scenario("region-flood", "a stranger advertises hundreds of groups: none of another port or scope is joined, and the node's is") { world in
            Tree.build(world, subnets: 1, receivers: 6) { $0.rate.fixedRate = 8_000_000 }
            for step in 0..<200 {
                world.after(.milliseconds(Int64(10 * step))) { world in
                    var elsewhere = Addressing.region(ofRepairNode: 0)
                    elsewhere.port = UInt16(20_000 + step)
                    for region in [elsewhere, .ipv4(239, 1, 0, 0, port: Addressing.group.port), .ipv4(239, 254, 1, UInt8(step), port: Addressing.group.port)] {
                        world.inject(Packet.advertisement(Advertisement(region: region), .none).datagram(sessionTag: 0, transmitter: 1))
                    }
                }
            }
        } check: { world in
            Expect.allComplete(world) + Expect.everybodyBelowARepairNode(world)
                + world.receivers.filter { $0.endpoint.regions.joined != [Addressing.region(ofRepairNode: 0)] }.map {
                    "receiver \($0.index) listens to \($0.endpoint.regions.joined.map(\.text))"
                }
        },
        Scenario("phantom-node", "receivers go below a node that tells nobody of them: it is not said that nobody came", limit: .seconds(120)) { world in
            phantomNode(world, downlink: Setting.gigabit)
        } check: { world in
            let outcome = world.outcome(ofSender: 0)
            return Expect.complete(world, receivers: Array(0..<6)) + Expect.outcome(world, .partial)
                + Expect.that(outcome?.unaccounted == 6, "\(outcome?.unaccounted ?? 0) unaccounted")
        },
        Scenario("phantom-node-loss", "who loses packets below such a node comes back for them, and is counted", limit: .seconds(120)) { world in
            phantomNode(world, downlink: Setting.lossy(.random(0.02)))
        } check: { world in
            Expect.allComplete(world) + Expect.that(world.outcome(ofSender: 0)?.unaccounted == 0, "unaccounted")
        },
        Scenario("relay-of-many", "a relay asks a repair node that serves three sessions, and is told of one with each question") { world in
            Tree.build(world, subnets: 1, receivers: 2, megabytes: 2) { $0.rate.fixedRate = 4_000_000 }
            for name in ["second", "third"] { addSender(world, name) { $0.rate.fixedRate = 4_000_000 } }
            Tree.addRelay(world, receivers: 2, below: Addressing.repairNode(0), downlink: Setting.gigabit)
            world.after(.seconds(20)) { _ in }
        } check: { world in
            everybodyHasAll(world) + Expect.that(world.repairNodes[1].cache.count == 3, "the relay has not been told of all")
        },
        Scenario("sender-restarted-tree", "the sender is restarted with the same file above repair nodes: all go on with what they have") { world in
            Tree.build(world, subnets: 2, receivers: 4) { $0.rate.fixedRate = 40_000_000 }
            world.after(.seconds(1.4)) { $0.killSender(0) }
            world.after(.seconds(1.41)) { world in
                world.addSender(content: Setting.content(world), configuration: Tree.configuration, egress: Setting.gigabit)
            }
        } check: { world in
            Expect.allComplete(world)
                + world.receivers.filter { $0.record.keptChunks < 10 }.map { "receiver \($0.index) kept \($0.record.keptChunks) chunks" }
        },
        Scenario("more-sessions-than-places", "ten senders at once, and receivers that store eight sessions: two come back when there is room") { world in
            Setting.plain(world, receivers: 3, megabytes: 1)
            for number in 2...10 { addSender(world, "bundle \(number)", megabytes: 1) }
        } check: { world in
            Expect.allComplete(world)
                + world.receivers.indices.filter { !Set(world.refusals(ofReceiver: $0)).isSubset(of: [.tooManySessions]) }.map {
                    "receiver \($0) refused \(world.refusals(ofReceiver: $0))"
                }
        },
        Scenario("sessions-evicted", "a repair node has three places, and five sessions come one after another: the longest idle gives way") { world in
            Tree.build(world, subnets: 1, receivers: 3, megabytes: 1)
            var model = RepairNodeModel(subnet: 1)
            model.sessionLimit = 3
            world.changeRepairNode(0, to: model, configuration: Tree.configuration)
            for number in 1..<5 { world.after(.seconds(4 * Double(number))) { addSender($0, "bundle \(number)", megabytes: 1) } }
        } check: { world in
            let node = world.repairNodes[0]
            return Expect.allComplete(world) + Expect.everybodyBelowARepairNode(world)
                + Expect.that(node.sessions.count <= 3, "it serves \(node.sessions.count) sessions")
                + Expect.that(node.cache.count == 5, "its cache has \(node.cache.count) sessions")
                + Expect.that(node.sessions.contains { $0.announce.name == "bundle 4" }, "it does not serve the last one")
        },
    ]

    /// A phantom that comes when the session has begun.
    private static func phantomNode(_ world: World, downlink: LinkModel) {
        Tree.build(world, subnets: 1, receivers: 6, downlink: downlink) { $0.rate.fixedRate = 8_000_000 }
        world.changeRepairNode(0, to: RepairNodeModel(character: .phantom, subnet: 1), configuration: Tree.configuration)
        world.killRepairNode(0)
        world.after(.seconds(2)) { $0.restartRepairNode(0) }
    }

    private static func addSender(_ world: World, _ name: String, megabytes: Int = 2, change: (inout Configuration) -> Void = { _ in }) {
        var configuration = world.repairNodes.isEmpty ? Setting.configuration : Tree.configuration
        change(&configuration)
        world.addSender(content: Setting.content(world, megabytes: megabytes), configuration: configuration, egress: Setting.gigabit, name: name)
    }

    private static func everybodyHasAll(_ world: World) -> [String] {
        world.senders.indices.flatMap { Expect.complete(world, sender: $0, receivers: world.allReceivers) }
    }
}
