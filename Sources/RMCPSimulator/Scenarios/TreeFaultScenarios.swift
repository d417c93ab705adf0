import RMCPProtocol

extension Scenario {
    /// Repair nodes that die, come back, lie, or are cut off.
    static let treeFaultScenarios: [Scenario] = [
        Scenario("repair-node-crash", "a repair node dies mid-transfer: its children go on with the sender") { world in
            Tree.build(world, subnets: 2, receivers: 6, downlink: Setting.lossy(.random(0.03))) { $0.rate.fixedRate = 50_000_000 }
            world.after(.seconds(1.3)) { $0.killRepairNode(0) }
        } check: { world in
            Expect.allComplete(world) + Expect.nobodyStartedAgain(world)
        },
        Scenario("repair-node-crash-lan", "the same beside the sender, where children hear both") { world in
            Tree.build(world, subnets: 0, receivers: 6, downlink: Setting.lossy(.random(0.05))) { $0.rate.fixedRate = 50_000_000 }
            Tree.addNode(world, subnet: 0)
            world.after(.seconds(1.5)) { $0.killRepairNode(0) }
        },
        Scenario("repair-node-crash-at-end", "a repair node dies as the last repairs are under way") { world in
            Tree.build(world, subnets: 2, receivers: 6, downlink: Setting.lossy(.random(0.1))) { $0.rate.fixedRate = 100_000_000 }
            killAfterSentOnce(world, node: 0)
        },
        Scenario("busy-sender", "a repair node dies, and the sender's answers to ATTACH are lost for a while: its children go on asking") { world in
            Tree.build(world, subnets: 1, receivers: 4, downlink: Setting.lossy(.random(0.03))) { $0.rate.fixedRate = 50_000_000 }
            world.after(.seconds(1.3)) { world in
                world.killRepairNode(0)
                for receiver in world.receivers.indices { world.drop(.attached, count: 4, ofReceiver: receiver) }
            }
        },
        Scenario("all-repair-nodes-down", "every repair node dies, and the sender serves everybody") { world in
            Tree.build(world, subnets: 3, receivers: 5, downlink: Setting.lossy(.random(0.03))) { $0.rate.fixedRate = 50_000_000 }
            for node in 0..<3 { world.after(.seconds(1.2 + 0.1 * Double(node))) { $0.killRepairNode(node) } }
        },
        Scenario("repair-node-back-full", "a repair node dies and comes back with its cache") { world in
            Tree.build(world, subnets: 2, receivers: 6, downlink: Setting.lossy(.random(0.03))) { $0.rate.fixedRate = 40_000_000 }
            killAndReturn(world, cache: .kept)
        },
        Scenario("repair-node-back-empty", "the same with an empty cache") { world in
            Tree.build(world, subnets: 2, receivers: 6, downlink: Setting.lossy(.random(0.03))) { $0.rate.fixedRate = 40_000_000 }
            killAndReturn(world, cache: .lost)
        },
        Scenario("repair-node-back-torn", "the same with a cache of which a third is damaged: verified before it is passed on") { world in
            Tree.build(world, subnets: 2, receivers: 6, downlink: Setting.lossy(.random(0.03))) { $0.rate.fixedRate = 40_000_000 }
            killAndReturn(world, cache: .torn(0.3))
        },
        Scenario("repair-node-stopped", "a repair node is stopped by its user: its children are told") { world in
            Tree.build(world, subnets: 2, receivers: 6, downlink: Setting.lossy(.random(0.03))) { $0.rate.fixedRate = 50_000_000 }
            world.after(.seconds(1.3)) { stopAndListen($0, node: 0) }
        } check: { world in
            Expect.allComplete(world) + Expect.nobodyStartedAgain(world)
        },
        Scenario("re-parenting-storm", "repair nodes die and return one after another", limit: .seconds(120)) { world in
            Tree.build(world, subnets: 3, receivers: 8, downlink: Setting.lossy(.random(0.02))) { $0.rate.fixedRate = 20_000_000 }
            for round in 0..<4 {
                let node = round % 3
                world.after(.seconds(1.2 + 0.6 * Double(round))) { $0.killRepairNode(node) }
                world.after(.seconds(1.2 + 0.6 * Double(round) + 1.5)) { $0.restartRepairNode(node) }
            }
        },
        Scenario("two-levels-crash", "the upper one of two levels dies: the lower ones go to the sender with all below them") { world in
            Tree.twoLevels(world) { $0.rate.fixedRate = 40_000_000 }
            world.after(.seconds(1.5)) { $0.killRepairNode(0) }
        },
        Scenario("address-changes", "every receiver's address changes mid-transfer: it proves the new one, and nobody is lost") { world in
            Tree.build(world, subnets: 2, receivers: 6, downlink: Setting.lossy(.random(0.03))) { $0.rate.fixedRate = 10_000_000 }
            world.after(.seconds(1.5)) { world in for receiver in world.receivers.indices { world.changeAddress(ofReceiver: receiver) } }
        } check: { world in
            Expect.allComplete(world) + Expect.everybodyBelowARepairNode(world)
        },
        Scenario("lost-detach-answers", "a repair node comes when receivers have settled, and the sender's answers to DETACH are lost") { world in
            Tree.build(world, subnets: 1, receivers: 6, downlink: Setting.lossy(.random(0.01))) { $0.rate.fixedRate = 8_000_000 }
            world.killRepairNode(0)
            world.after(.milliseconds(900)) { world in
                world.restartRepairNode(0)
                for receiver in world.receivers.indices { world.drop(.acknowledgement, count: 5, ofReceiver: receiver) }
            }
        } check: { world in
            Expect.allComplete(world) + Expect.everybodyBelowARepairNode(world)
        },
        Scenario("repair-node-crash-when-done", "a repair node dies as soon as its children are done and gone: they are not lost") { world in
            Tree.build(world, subnets: 2, receivers: 6, downlink: Setting.lossy(.random(0.03))) { $0.rate.fixedRate = 50_000_000 }
            // The other half of the receivers is under way for longer.
            for receiver in 6..<12 { world.after(.seconds(1)) { $0.pauseReceiver(receiver, for: .seconds(2)) } }
            poll(world, { world in world.receivers[0..<6].allSatisfy { !$0.record.completed.isEmpty } }) { $0.killRepairNode(0) }
        },
        Scenario("late-joiner-after-sender", "a receiver comes when the sender has gone: the repair node serves it", limit: .seconds(30)) { world in
            Tree.build(world, subnets: 1, receivers: 3)
            afterSender(world) { Tree.addReceiver($0, subnet: 1) }
        } check: { world in
            Expect.complete(world, receivers: world.allReceivers) + Expect.outcome(world, .complete)
        },
        Scenario("late-joiner-after-restart", "the same, and the node was killed and started again meanwhile", limit: .seconds(30)) { world in
            Tree.build(world, subnets: 1, receivers: 3)
            afterSender(world) { world in
                world.killRepairNode(0)
                world.restartRepairNode(0)
                Tree.addReceiver(world, subnet: 1, downlink: Setting.lossy(.random(0.02)))
            }
        } check: { world in
            Expect.complete(world, receivers: world.allReceivers) + Expect.outcome(world, .complete)
        },
        Scenario("until-repair", "the sender leaves as soon as the repair node has everything", limit: .seconds(30)) { world in
            var lossy = Setting.lossy(.random(0.3))
            lossy.rate = 20e6
            Tree.build(world, subnets: 1, receivers: 4, downlink: lossy) { $0.joining.until = .repairNodes }
        } check: { world in
            Expect.complete(world, receivers: world.allReceivers) + Expect.outcome(world, .complete)
        },
        Scenario(
            "until-repair-without-room", "the sender waits for a repair node whose cache takes half of the bundle, and leaves with those words",
            limit: .seconds(60)
        ) { world in
            Tree.build(world, subnets: 1, receivers: 2, downlink: Setting.lossy(.random(0.02))) { $0.joining.until = .repairNodes }
            var model = RepairNodeModel(subnet: 1)
            model.keptChunks = 4
            world.changeRepairNode(0, to: model, configuration: Tree.configuration)
        } check: { world in
            Expect.complete(world, receivers: world.allReceivers) + Expect.outcome(world, .partial)
        },
        Scenario("region-partition", "a subnet is cut off from the sender for two seconds and comes back") { world in
            Tree.build(world, subnets: 2, receivers: 4, downlink: Setting.lossy(.random(0.01))) { $0.rate.fixedRate = 30_000_000 }
            world.heardFrom = [:]
            world.cutOff(subnet: 1, from: .seconds(1.2), until: .seconds(3.2))
        } check: { world in
            Expect.allComplete(world) + Expect.nothingHeard(world.timesHeard(fromSubnet: 1), between: 1.21, and: 3.2)
        },
        Scenario("repair-node-cut-off", "a repair node's link is down for three seconds: its children leave it, and it may return") { world in
            Tree.build(world, subnets: 2, receivers: 4, downlink: Setting.lossy(.random(0.02))) { $0.rate.fixedRate = 20_000_000 }
            world.after(.seconds(1.2)) { $0.setLinks(ofRepairNode: 0, up: false) }
            world.after(.seconds(4.2)) { $0.setLinks(ofRepairNode: 0, up: true) }
        },
        Scenario("lying-repair-node", "a repair node sends wrong bytes: it costs time, never a wrong byte", limit: .seconds(120)) { world in
            Tree.build(world, subnets: 1, receivers: 4, downlink: Setting.lossy(.random(0.03))) { $0.rate.fixedRate = 50_000_000 }
            makeDishonest(world, .liar)
        },
        Scenario("black-hole", "a repair node says that it has everything and sends nothing: it is left", limit: .seconds(120)) { world in
            Tree.build(world, subnets: 1, receivers: 4, downlink: Setting.lossy(.random(0.03))) { $0.rate.fixedRate = 50_000_000 }
            makeDishonest(world, .blackHole)
        },
        Scenario("relay-crash", "a relay is killed and restarted: its site goes on with what it has", limit: .seconds(120)) { world in
            Tree.build(world, subnets: 0, receivers: 2) {
                $0.rate.fixedRate = 40_000_000; $0.joining.linger = .seconds(5)
            }
            Tree.addRelay(world, receivers: 4, downlink: Setting.lossy(.random(0.02)))
            world.after(.seconds(1.5)) { $0.killRepairNode(0) }
            world.after(.seconds(2.5)) { $0.restartRepairNode(0) }
        },
    ]

    private static func killAfterSentOnce(_ world: World, node: Int) {
        poll(world, { $0.timeToSendOnce(ofSender: 0) != nil }) { $0.killRepairNode(node) }
    }

    private static func killAndReturn(_ world: World, cache: CacheFate) {
        world.after(.seconds(1.3)) { $0.killRepairNode(0, cache: cache) }
        world.after(.seconds(2.1)) { $0.restartRepairNode(0) }
    }

    private static func afterSender(_ world: World, _ action: @escaping (World) -> Void) {
        poll(world, { $0.outcome(ofSender: 0) != nil }) { world in
            world.after(world.now - World.start + .milliseconds(300), action)
        }
    }

    /// Looks every 10 ms whether it is time.
    private static func poll(_ world: World, _ condition: @escaping (World) -> Bool, _ action: @escaping (World) -> Void) {
        world.after((world.now - World.start) + .milliseconds(10)) { world in
            if condition(world) { action(world) } else { poll(world, condition, action) }
        }
    }

    /// A node that is stopped says so, and who hears it is elsewhere a second of silence and a fifth of one later.
    private static func stopAndListen(_ world: World, node: Int) {
        var farewells = 0
        world.eavesdropper = { bytes in
            guard case .heartbeat(let heartbeat)? = unsafe (try? Packet.parse(bytes.span.bytes))?.1 else { return }
            if heartbeat.phase == .leaving || heartbeat.phase == .aborted { farewells += 1 }
        }
        world.stopRepairNode(node)
        world.after(world.now - World.start + .seconds(2)) { world in
            if farewells == 0 { world.safety.report("repair node \(node) does not say that it goes") }
            let address = world.delivery.address(ofRepairNode: node)
            for receiver in world.receivers where receiver.first?.engine.parentAddress == address {
                world.safety.report("receiver \(receiver.index) is still below repair node \(node)")
            }
        }
    }

    private static func makeDishonest(_ world: World, _ character: RepairNodeModel.Character) {
        world.changeRepairNode(0, to: RepairNodeModel(character: character, subnet: 1), configuration: Tree.configuration)
    }
}
