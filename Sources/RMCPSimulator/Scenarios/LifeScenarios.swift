import RMCPProtocol

extension Scenario {
    /// Nodes that come, go, die and return.
    static let lifeScenarios: [Scenario] = [
        lateJoin(at: 0, "join-0", "a receiver comes as the first chunk goes out"),
        lateJoin(at: 0.5, "join-50", "a receiver comes when half is sent"),
        lateJoin(at: 0.99, "join-99", "a receiver comes when nearly all is sent"),
        Scenario("join-after-end", "a receiver comes after END, while the sender lingers") { world in
            Setting.plain(world, receivers: 4) { $0.joining.linger = .seconds(3) }
            addWhen(world, { $0.timeToSendOnce(ofSender: 0) != nil }, extra: .milliseconds(200))
        },
        Scenario("join-storm", "40 receivers come one after another during the transfer") { world in
            Setting.plain(world, receivers: 2, megabytes: 16) {
                $0.rate.fixedRate = 200_000_000; $0.joining.linger = .milliseconds(500)
            }
            for index in 0..<40 {
                world.after(.milliseconds(320 + 15 * Int64(index))) { world in
                    world.addReceiver(configuration: Setting.configuration, downlink: Setting.gigabit)
                }
            }
        },
        Scenario("receiver-killed", "a receiver is killed half-way and restarted: it fetches the rest only") { world in
            Setting.plain(world) {
                $0.rate.fixedRate = 200_000_000; $0.joining.linger = .seconds(2)
            }
            killAndRestart(world, receiver: 3)
        } check: { world in
            completeAfterRestart(world, receiver: 3)
                + Expect.that(world.keptChunks(ofReceiver: 3) > 10, "only \(world.keptChunks(ofReceiver: 3)) chunks were kept")
        },
        Scenario("receiver-killed-torn", "the same, and a fifth of what its journal claims is torn: verified before it counts") { world in
            Setting.plain(world, receivers: 3) {
                $0.rate.fixedRate = 200_000_000; $0.joining.linger = .seconds(2)
            }
            world.addReceiver(
                configuration: Setting.configuration, downlink: Setting.gigabit, host: ReceiverHostModel(disk: DiskModel(tornShare: 0.2)))
            killAndRestart(world, receiver: 3)
        } check: {
            completeAfterRestart($0, receiver: 3)
        },
        Scenario("sender-killed", "the sender dies and is started again with the same file: receivers keep what they have", limit: .seconds(90)) { world in
            Setting.plain(world) { $0.rate.fixedRate = 200_000_000 }
            world.after(.milliseconds(500)) { $0.killSender(0) }
            world.after(.seconds(3)) { world in
                world.addSender(content: Setting.content(world), configuration: Setting.configuration, egress: Setting.gigabit)
            }
        } check: { world in
            Expect.allComplete(world)
                + world.receivers.indices.filter { world.keptChunks(ofReceiver: $0) < 10 }.map {
                    "receiver \($0) kept \(world.keptChunks(ofReceiver: $0)) chunks"
                }
        },
        Scenario("sender-restarted-at-once", "the same, started again within the blink of an eye: told from two senders by its silence") { world in
            Setting.plain(world) { $0.rate.fixedRate = 200_000_000 }
            world.after(.milliseconds(450)) { $0.killSender(0) }
            world.after(.milliseconds(455)) { world in
                var configuration = Setting.configuration
                configuration.joining.minimumWait = .milliseconds(20)
                configuration.joining.waitForReceivers = world.receiverCount
                world.addSender(content: Setting.content(world), configuration: configuration, egress: Setting.gigabit)
            }
        } check: { world in
            Expect.allComplete(world)
                + world.receivers.indices.filter { world.keptChunks(ofReceiver: $0) < 10 }.map {
                    "receiver \($0) kept \(world.keptChunks(ofReceiver: $0)) chunks"
                }
        },
        Scenario("sender-stopped", "the sender is interrupted: receivers are told and keep what they have") { world in
            Setting.plain(world) { $0.rate.fixedRate = 100_000_000 }
            world.after(.milliseconds(500)) { $0.stopSender(0) }
        } check: { world in
            Expect.outcome(world, .stopped)
                + world.receivers.indices.filter { world.failure(ofReceiver: $0, session: world.session(ofSender: 0)) != .failedSender }
                .map { "receiver \($0) does not know that the sender is gone" }
        },
        Scenario("receiver-dies", "one of four receivers is cut off for good: it is reported as lost, the others do not wait for it") { world in
            Setting.plain(world, receivers: 4) {
                $0.rate.fixedRate = 200_000_000; $0.presence.childTimeout = .seconds(2)
            }
            world.after(.milliseconds(450)) { $0.killReceiver(2) }
        } check: { world in
            Expect.complete(world, receivers: [0, 1, 3]) + Expect.outcome(world, .partial)
                + Expect.that(world.outcome(ofSender: 0)?.receivers.count(.lost) == 1, "the lost receiver is not counted")
        },
        Scenario("nobody", "nobody comes: the sender gives up after its longest wait") { world in
            world.addSender(content: Setting.content(world), configuration: Setting.configuration)
        } check: {
            Expect.outcome($0, .nobodyCame)
        },
        Scenario("wait-for", "the sender starts when the fourth receiver has joined, and not before") { world in
            Setting.threeOfFour(world, maximumWait: .seconds(20))
            world.after(.seconds(2)) { world in
                world.addReceiver(configuration: Setting.configuration, downlink: Setting.gigabit)
            }
        } check: { world in
            let start = world.startTime(ofSender: 0).map { ($0 - World.start).inSeconds } ?? 0
            return Expect.allComplete(world) + Expect.that((2.0...2.3).contains(start), "started after \(start) s, expected 2.0 to 2.3")
        },
        Scenario("partition", "half of the receivers are cut off for three seconds, then come back") { world in
            Setting.plain(world) { $0.rate.fixedRate = 100_000_000 }
            world.after(.milliseconds(500)) { for index in 0..<4 { $0.setLinks(ofReceiver: index, up: false) } }
            world.after(.milliseconds(3_500)) { for index in 0..<4 { $0.setLinks(ofReceiver: index, up: true) } }
        },
        Scenario("egress-down", "the sender's own interface is down for two seconds") { world in
            Setting.plain(world) { $0.rate.fixedRate = 100_000_000 }
            world.after(.milliseconds(500)) { $0.setEgress(ofSender: 0, up: false) }
            world.after(.milliseconds(2_500)) { $0.setEgress(ofSender: 0, up: true) }
        },
        Scenario("membership-lost", "a snooping switch without a querier forgets a receiver: it joins again when it hears nothing") { world in
            Setting.plain(world) { $0.rate.fixedRate = 50_000_000 }
            world.after(.milliseconds(600)) { $0.forgetMembership(ofReceiver: 5) }
        },
        Scenario("multicast-lost", "multicast to one receiver stops for good: it is found out, and served by unicast") { world in
            Setting.plain(world, receivers: 4) { $0.rate.fixedRate = 50_000_000 }
            world.after(.milliseconds(600)) { $0.setMulticast(ofReceiver: 2, delivered: false) }
        } check: { world in
            Expect.allComplete(world) + Expect.finish(world, receivers: [0, 1, 3], within: 1.3)
        },
        Scenario("multicast-returns", "multicast to one receiver stops for five seconds: unicast meanwhile, then the group again") { world in
            Setting.plain(world, receivers: 4, megabytes: 48) { $0.rate.fixedRate = 40_000_000 }
            world.after(.milliseconds(600)) { $0.setMulticast(ofReceiver: 2, delivered: false) }
            world.after(.milliseconds(5_600)) { $0.setMulticast(ofReceiver: 2, delivered: true) }
        } check: {
            Expect.allComplete($0) + Expect.copies($0, atMost: 1.9)
        },
        Scenario("source-changed", "the source is written to while it is sent: an error, and no file") { world in
            Setting.plain(world) { $0.rate.fixedRate = 100_000_000 }
            world.after(.milliseconds(500)) { $0.changeSource(ofSender: 0) }
        } check: { world in
            Expect.outcome(world, .stopped)
                + world.receivers.indices.filter { world.completion(ofReceiver: $0, session: world.session(ofSender: 0)) != nil }
                .map { "receiver \($0) presents a source that changed" }
        },
    ]

    private static func lateJoin(at share: Double, _ name: String, _ summary: String) -> Scenario {
        Scenario(name, summary) { world in
            Setting.plain(world, receivers: 4) {
                $0.rate.fixedRate = 100_000_000; $0.joining.linger = .milliseconds(500)
            }
            addWhen(
                world,
                { world in
                    guard world.startTime(ofSender: 0) != nil else { return false }
                    return Double(world.senders[0].engine.positionChunk) >= share * Double(world.senders[0].content.chunkCount)
                })
        }
    }

    /// Adds a receiver as soon as a condition holds; it is looked at every millisecond.
    private static func addWhen(_ world: World, _ condition: @escaping @Sendable (World) -> Bool, extra: Interval = .zero) {
        world.after((world.now - World.start) + .milliseconds(1)) { world in
            guard condition(world) else { return addWhen(world, condition, extra: extra) }
            world.after((world.now - World.start) + extra) { world in
                world.addReceiver(configuration: Setting.configuration, downlink: Setting.gigabit)
            }
        }
    }

    private static func killAndRestart(_ world: World, receiver: Int) {
        world.after(.milliseconds(480)) { $0.killReceiver(receiver) }
        world.after(.milliseconds(900)) { $0.restartReceiver(receiver) }
    }

    /// The restarted process is the same receiver to the sender: nobody is lost.
    private static func completeAfterRestart(_ world: World, receiver: Int) -> [String] {
        let population = world.outcome(ofSender: 0)?.receivers.population ?? 0
        return Expect.allComplete(world)
            + Expect.that(world.keptChunks(ofReceiver: receiver) > 0, "receiver \(receiver) kept nothing")
            + Expect.that(Int(population) == world.receiverCount, "\(population) receivers are counted, and there are \(world.receiverCount)")
    }
}
