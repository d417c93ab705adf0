import RMCPProtocol

extension Scenario {
    /// Troubles of processes, disks and clocks.
    static let hostScenarios: [Scenario] = [
        Scenario("disk-full", "a receiver has no room: it says so at the start, and the others go on") { world in
            Setting.plain(world, receivers: 4)
            world.addReceiver(
                configuration: Setting.configuration, downlink: Setting.gigabit, host: ReceiverHostModel(disk: DiskModel(capacity: 1 << 20)))
        } check: {
            Expect.failed($0, receiver: 4, as: .failedDiskFull)
        },
        Scenario("disk-error", "a receiver's disk breaks half-way") { world in
            Setting.plain(world, receivers: 4)
            world.addReceiver(
                configuration: Setting.configuration, downlink: Setting.gigabit, host: ReceiverHostModel(disk: DiskModel(failsAfter: 3 << 20)))
        } check: {
            Expect.failed($0, receiver: 4, as: .failedStorage)
        },
        Scenario("slow-disk", "one receiver's disk takes 5 MB/s: it catches up, and slows nobody down", limit: .seconds(120)) { world in
            Setting.plain(world, receivers: 7, megabytes: 16)
            world.addReceiver(
                configuration: Setting.configuration, downlink: Setting.gigabit, host: ReceiverHostModel(disk: DiskModel(rate: 5e6)))
        } check: { world in
            Expect.allComplete(world) + Expect.finish(world, receivers: Array(0..<7), within: 3)
        },
        Scenario("slow-disks", "all disks take 20 MB/s: the rate follows them") { world in
            for _ in 0..<4 {
                world.addReceiver(
                    configuration: Setting.configuration, downlink: Setting.gigabit, host: ReceiverHostModel(disk: DiskModel(rate: 20e6)))
            }
            world.addSender(content: Setting.content(world, megabytes: 24), configuration: Setting.configuration, egress: Setting.gigabit)
        } check: {
            Expect.allComplete($0) + Expect.copies($0, atMost: 1.5)
        },
        Scenario("hook-failure", "the command after the bundle fails at one receiver: it is reported") { world in
            Setting.plain(world, receivers: 4)
            var host = ReceiverHostModel()
            host.hookSucceeds = false
            world.addReceiver(configuration: Setting.configuration, downlink: Setting.gigabit, host: host)
        } check: {
            Expect.failed($0, receiver: 4, as: .failedHook)
        },
        Scenario("long-hook", "the command after the bundle takes 20 minutes at one receiver: the sender waits for it", limit: .seconds(1_500)) { world in
            Setting.plain(world, receivers: 3)
            var host = ReceiverHostModel()
            host.hookDuration = .seconds(1_200)
            world.addReceiver(configuration: Setting.configuration, downlink: Setting.gigabit, host: host)
        } check: { world in
            Expect.allComplete(world) + Expect.that(world.now - World.start > .seconds(1_200), "over after \((world.now - World.start).inSeconds) s")
        },
        Scenario("socket-overflow", "a receiver with a small socket buffer does not read for 300 ms") { world in
            Setting.plain(world, receivers: 3) { $0.rate.fixedRate = 200_000_000 }
            world.addReceiver(
                configuration: Setting.configuration, downlink: Setting.gigabit, host: ReceiverHostModel(socketBuffer: 256 << 10))
            world.after(.milliseconds(450)) { $0.pauseReceiver(3, for: .milliseconds(300)) }
        },
        Scenario("slow-process", "a receiver's process handles 10,000 datagrams a second") { world in
            Setting.plain(world, receivers: 7)
            world.addReceiver(
                configuration: Setting.configuration, downlink: Setting.gigabit,
                host: ReceiverHostModel(datagramRate: 10_000, socketBuffer: 1 << 20))
        },
        Scenario("suspend", "a receiver's host sleeps for four seconds and wakes up") { world in
            Setting.plain(world) { $0.rate.fixedRate = 50_000_000 }
            world.after(.milliseconds(600)) { $0.suspendReceiver(2, for: .seconds(4)) }
        },
        Scenario("long-suspend", "a receiver's host sleeps for longer than anybody waits, then finds the sender gone", limit: .seconds(120)) { world in
            Setting.plain(world, receivers: 4)
            world.after(.milliseconds(320)) { $0.suspendReceiver(2, for: .seconds(60)) }
        } check: { world in
            Expect.complete(world, receivers: [0, 1, 3]) + Expect.outcome(world, .partial)
        },
        Scenario("clocks-apart", "clocks that differ by hours and days") { world in
            Setting.plain(world, downlink: Setting.lossy(.random(0.01)))
            for index in world.receivers.indices { world.receivers[index].clockOffset = .seconds(Double(index) * 40_000) }
        },
        sleepers(1, probability: 0.3), sleepers(1, probability: 0.9), sleepers(5, probability: 0.3), sleepers(5, probability: 0.9),
    ]

    /// Birman's figure 2: 16 receivers, some of which sleep 100 ms at a time.
    private static func sleepers(_ count: Int, probability: Double) -> Scenario {
        let percent = Int(probability * 100)
        return Scenario(
            "sleepers-\(count)-\(percent)",
            "16 receivers; \(count) of them sleep 100 ms at a time with probability \(percent) %: the healthy ones stay at full rate"
        ) { world in
            Setting.plain(world, receivers: 16, megabytes: 16) { $0.rate.fixedRate = 100_000_000 }
            let seed = world.seed ^ 0x51EE9
            for receiver in 0..<count {
                for step in 0..<80 {
                    world.after(.milliseconds(310 + 100 * Int64(step))) { world in
                        var random = RandomSource(seed: seed &+ UInt64(step * 16 + receiver))
                        if random.chance(probability) { world.pauseReceiver(receiver, for: .milliseconds(100)) }
                    }
                }
            }
        } check: { world in
            // 16 MiB at a ratio of 0.7, a twentieth of it holes: 0.92 s at the full rate, and 2 % more is allowed.
            let ideal = Double(world.encodedLength(ofSender: 0)) * 8 / 100e6 * 1.04
            return Expect.allComplete(world) + Expect.finish(world, receivers: Array(count..<16), within: ideal * 1.02 + 0.02)
        }
    }
}
