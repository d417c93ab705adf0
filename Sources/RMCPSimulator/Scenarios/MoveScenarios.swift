import RMCPProtocol

extension Scenario {
    /// Hosts that are given other addresses, as by DHCP or from one network to another: every session goes on.
    static let moveScenarios: [Scenario] = [
        Scenario("receiver-moves", "receivers are given other addresses in mid-transfer: the sender counts each of them once") { world in
            Setting.plain(world, downlink: Setting.lossy(.random(0.01))) { $0.rate.fixedRate = 40_000_000 }
            world.after(.milliseconds(700)) { world in for index in 0..<3 { world.moveReceiver(index) } }
            world.after(.milliseconds(1_500)) { $0.moveReceiver(0) }
        } check: {
            eachOnce($0)
        },
        Scenario("deaf-receiver-moves", "a receiver that is served by unicast is given another address") { world in
            Setting.plain(world, receivers: 4, megabytes: 32) { $0.rate.fixedRate = 40_000_000 }
            world.after(.milliseconds(600)) { $0.setMulticast(ofReceiver: 2, delivered: false) }
            world.after(.milliseconds(5_000)) { $0.moveReceiver(2) }
        } check: {
            eachOnce($0)
        },
        Scenario("sender-moves", "the sender is given another address in mid-transfer: what is lost is asked for there") { world in
            Setting.plain(world, downlink: Setting.lossy(.random(0.01))) { $0.rate.fixedRate = 40_000_000 }
            world.after(.milliseconds(700)) { $0.moveSender(0) }
        } check: { world in
            eachOnce(world) + Expect.finish(world, receivers: Array(world.receivers.indices), within: 4)
        },
        Scenario("sender-moves-waiting", "the sender is given another address while it waits: those who came before it are still there") { world in
            Setting.threeOfFour(world, maximumWait: .seconds(30))
            world.after(.seconds(1)) { $0.moveSender(0) }
            world.after(.seconds(9)) { $0.addReceiver(configuration: Setting.configuration, downlink: Setting.gigabit) }
        } check: { world in
            let start = world.startTime(ofSender: 0).map { ($0 - World.start).inSeconds } ?? 0
            return eachOnce(world) + Expect.that((9.0...9.3).contains(start), "started after \(start) s, expected 9.0 to 9.3")
        },
        Scenario("everybody-moves", "the sender and all receivers move at one moment, and once more: the network was renumbered") { world in
            Setting.plain(world, receivers: 6, megabytes: 16, downlink: Setting.lossy(.random(0.01))) { $0.rate.fixedRate = 40_000_000 }
            for time in [600, 2_400] {
                world.after(.milliseconds(Int64(time))) { world in
                    world.moveSender(0)
                    for index in world.receivers.indices { world.moveReceiver(index) }
                }
            }
        } check: {
            eachOnce($0)
        },
        Scenario("node-moves", "a repair node is given another address, above and below") { world in
            Tree.build(world, subnets: 2, receivers: 4, downlink: Setting.lossy(.random(0.02))) { $0.rate.fixedRate = 20_000_000 }
            world.after(.milliseconds(1_500)) { $0.moveRepairNode(0) }
        } check: { world in
            eachOnce(world) + Expect.everybodyBelowARepairNode(world)
        },
        Scenario("sender-above-nodes-moves", "the sender of a tree is given another address: repair nodes follow it") { world in
            Tree.build(world, subnets: 2, receivers: 4, downlink: Setting.lossy(.random(0.02))) { $0.rate.fixedRate = 20_000_000 }
            world.after(.milliseconds(1_500)) { $0.moveSender(0) }
        } check: { world in
            eachOnce(world) + Expect.everybodyBelowARepairNode(world)
        },
        Scenario("relay-moves", "a relay, and then the sender that it was told of, are given other addresses") { world in
            Setting.plain(world, receivers: 2, megabytes: 16) { $0.rate.fixedRate = 20_000_000 }
            Tree.addRelay(world, receivers: 3, downlink: Setting.gigabit)
            world.after(.milliseconds(1_000)) { $0.moveRepairNode(0) }
            world.after(.milliseconds(3_000)) { $0.moveSender(0) }
        } check: {
            eachOnce($0)
        },
        Scenario("false-move", "a stranger says the sender's id from an address of its own, also while the sender is cut off: nobody stays with it") { world in
            Setting.plain(world, receivers: 4, downlink: Setting.lossy(.random(0.02))) { $0.rate.fixedRate = 20_000_000 }
            world.after(.milliseconds(1_000)) { $0.setEgress(ofSender: 0, up: false) }
            world.after(.milliseconds(3_000)) { $0.setEgress(ofSender: 0, up: true) }
            for step in 0..<400 {
                world.after(.milliseconds(Int64(step) * 20)) { world in
                    world.inject(
                        Packet.acknowledgement(sequence: UInt32(step)).datagram(
                            sessionTag: world.session(ofSender: 0).tag, transmitter: world.senders[0].engine.transmitterID, isUnicast: false))
                }
            }
        } check: { world in
            eachOnce(world) + Expect.finish(world, receivers: Array(world.receivers.indices), within: 9)
        },
    ]

    /// Everybody is complete, and the sender counts as many as there are.
    private static func eachOnce(_ world: World) -> [String] {
        let population = world.outcome(ofSender: 0)?.receivers.population ?? 0
        return Expect.allComplete(world)
            + Expect.that(Int(population) == world.receiverCount, "\(population) receivers are counted, and there are \(world.receiverCount)")
    }
}
