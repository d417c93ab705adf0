import RMCPProtocol

extension Scenario {
    /// Repair nodes: what they save, and what happens when they die, lie, come back or are cut off.
    static let treeScenarios: [Scenario] = [
        Scenario("tree", "three subnets with a repair node and 8 receivers each, 5 % loss on the receivers' links") { world in
            Tree.build(world, subnets: 3, receivers: 8, megabytes: 64, downlink: Setting.lossy(.random(0.05)))
        } check: { world in
            // Receivers that have not heard of the region yet ask the sender at first.
            Expect.allComplete(world) + Expect.copies(world, atMost: 1.1) + Expect.everybodyBelowARepairNode(world)
        },
        Scenario("tree-inner-loss", "loss on the links between the sender and the subnets: one repair a subnet") { world in
            Tree.build(world, subnets: 3, receivers: 8, inner: Setting.lossy(.random(0.02)))
        } check: { world in
            Expect.allComplete(world) + Expect.copies(world, atMost: 1.1)
        },
        Scenario("tree-lan", "one repair node beside the sender on one network: receivers prefer it") { world in
            Tree.build(world, subnets: 0, receivers: 0)
            Tree.addNode(world, subnet: 0)
            for _ in 0..<8 { Tree.addReceiver(world, subnet: 0, downlink: Setting.lossy(.random(0.05))) }
        } check: { world in
            Expect.allComplete(world) + Expect.copies(world, atMost: 1.1)
        },
        Scenario("tree-two-nodes", "two repair nodes in one subnet share the receivers") { world in
            // A dozen may all choose one of them before they hear that it has many.
            Tree.build(world, subnets: 1, receivers: 60, downlink: Setting.lossy(.random(0.05)))
            Tree.addNode(world, subnet: 1)
        } check: { world in
            Expect.allComplete(world) + Expect.parent(world, of: 6, each: 0...1)
        },
        Scenario("two-levels", "a repair node below a repair node") { world in
            // Time enough to change who has not found the best parent at first: five seconds.
            Tree.twoLevels(world) { $0.rate.fixedRate = 5_000_000 }
        } check: { world in
            Expect.allComplete(world) + Expect.depths(world, ofRepairNodes: [1, 2, 2])
                + Expect.that(world.receivers.contains { $0.record.lastDepth == 3 }, "no receiver is below the lower level")
        },
        Scenario("relay", "a site across a link without multicast: one copy crosses, whatever the number of receivers") { world in
            Tree.build(world, subnets: 0, receivers: 3, downlink: Setting.lossy(.random(0.01)))
            Tree.addRelay(world, receivers: 8, downlink: Setting.lossy(.random(0.02)))
        } check: { world in
            Expect.allComplete(world) + Expect.crossed(world, relay: 0, atMost: 1.15)
        },
        Scenario("relay-lossy-link", "the same with 2 % loss on the link") { world in
            Tree.build(world, subnets: 0, receivers: 3)
            Tree.addRelay(world, receivers: 8, link: Setting.lossy(.random(0.02)), downlink: Setting.gigabit)
        } check: { world in
            Expect.allComplete(world) + Expect.crossed(world, relay: 0, atMost: 1.2)
        },
        Scenario("relay-alone", "nobody but receivers behind a relay") { world in
            Tree.build(world, subnets: 0, receivers: 0)
            Tree.addRelay(world, receivers: 4, downlink: Setting.gigabit)
        },
        Scenario("relays-too-many", "more relays than the sender takes: those that are refused cost nobody else anything") { world in
            Tree.build(world, subnets: 0, receivers: 2) { $0.unicast.maximumUnicastChildren = 1 }
            Tree.addRelay(world, receivers: 2, downlink: Setting.gigabit)
            world.after(.milliseconds(500)) { Tree.addRelay($0, receivers: 0, downlink: Setting.gigabit) }
        } check: { world in
            let refused = world.repairNodes.indices.filter { world.turnedDown[world.delivery.childAddress(ofRepairNode: $0)] == .noUnicast }
            return Expect.allComplete(world) + Expect.that(refused == [1], "relays \(refused) were refused, expected the second one")
        },
    ]
}

/// Trees that scenarios build.
enum Tree {
    static var configuration: Configuration {
        var configuration = Setting.configuration
        configuration.joining.timeToLive = Topology.timeToLive
        // Repair nodes are found while receivers join.
        configuration.joining.minimumWait = .milliseconds(800)
        return configuration
    }

    /// A sender on subnet 0, and behind it `subnets` with a repair node and `receivers` each; without subnets, so many
    /// receivers beside the sender.
    static func build(
        _ world: World, subnets: Int, receivers: Int, megabytes: Int = 8, inner: LinkModel = Setting.gigabit,
        downlink: LinkModel = Setting.gigabit, change: (inout Configuration) -> Void = { _ in }
    ) {
        var configuration = configuration
        change(&configuration)
        for _ in 0..<(subnets == 0 ? receivers : 0) { addReceiver(world, subnet: 0, downlink: downlink) }
        for subnet in 0..<subnets {
            world.setSubnet(subnet + 1, link: inner)
            addNode(world, subnet: subnet + 1)
            for _ in 0..<receivers { addReceiver(world, subnet: subnet + 1, downlink: downlink) }
        }
        world.addSender(content: Setting.content(world, megabytes: megabytes), configuration: configuration, egress: Setting.gigabit)
    }

    /// A node whose region reaches two more subnets, which have a node each. They are a router further from the sender: of nodes that are
    /// equally far only those with higher numbers go below others.
    static func twoLevels(_ world: World, change: (inout Configuration) -> Void = { _ in }) {
        build(world, subnets: 1, receivers: 2, downlink: Setting.lossy(.random(0.02)), change: change)
        world.changeRepairNode(0, to: RepairNodeModel(subnet: 1, reach: [1, 2, 3]), configuration: configuration)
        for subnet in 2...3 {
            world.setSubnet(subnet, link: Setting.lossy(.random(0.02)))
            world.setDistance(2, ofSubnet: subnet)
            addNode(world, subnet: subnet)
            for _ in 0..<6 { addReceiver(world, subnet: subnet, downlink: Setting.lossy(.random(0.03))) }
        }
    }

    @discardableResult
    static func addNode(_ world: World, subnet: Int, character: RepairNodeModel.Character = .honest) -> Int {
        world.addRepairNode(
            RepairNodeModel(character: character, subnet: subnet), configuration: configuration, downlink: Setting.gigabit,
            egress: Setting.gigabit)
    }

    @discardableResult
    static func addReceiver(_ world: World, subnet: Int, downlink: LinkModel = Setting.gigabit) -> Int {
        world.addReceiver(configuration: configuration, downlink: downlink, subnet: subnet)
    }

    /// A relay in a subnet of its own that multicast does not reach, told of its parent by the address.
    static func addRelay(
        _ world: World, receivers: Int, below parent: SocketAddress = Addressing.sender(0), link: LinkModel = Setting.gigabit, downlink: LinkModel
    ) {
        let subnet = 100 + world.repairNodes.count
        world.setSubnet(subnet, up: false)
        world.addRepairNode(
            RepairNodeModel(subnet: subnet, upstream: parent), configuration: configuration, downlink: link, egress: Setting.gigabit)
        for _ in 0..<receivers { addReceiver(world, subnet: subnet, downlink: downlink) }
    }
}
