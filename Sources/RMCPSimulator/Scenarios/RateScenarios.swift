import RMCPProtocol

extension Scenario {
    /// `--rate auto` on a link that all of the stream goes through, alone and beside others.
    static let rateScenarios: [Scenario] =
        [
            rateAlone(50, queue: 10), rateAlone(50, queue: 200), rateAlone(100, queue: 10), rateAlone(100, queue: 50), rateAlone(1_000, queue: 50),
            rateBesideTCP(.cubic, 50, queue: 50), rateBesideTCP(.cubic, 100, queue: 10), rateBesideTCP(.cubic, 100, queue: 200),
            rateBesideTCP(.cubic, 1_000, queue: 50), rateBesideTCP(.reno, 100, queue: 50),
            rateBesideTCP(.cubic, 50, queue: 50, isThere: true), rateBesideTCP(.cubic, 1_000, queue: 50, isThere: true),
            lateHosts(1_000, queue: 50),
            rateBesideSender(100, queue: 10), rateBesideSender(100, queue: 50), rateBesideSender(1_000, queue: 50),
        ] + [0.01, 0.1, 0.3].map(rateWithLoss)

    private static func bottleneck(
        _ world: World, _ megabits: Double, queue milliseconds: Double, loss: LinkModel.Loss = .none, host: ReceiverHostModel = ReceiverHostModel()
    ) {
        let bytes = Int(megabits * 1e6 / 8 * milliseconds / 1_000)
        world.setSubnet(1, link: LinkModel(latency: .microseconds(100), rate: megabits * 1e6, queueLimit: bytes))
        for _ in 0..<3 {
            world.addReceiver(
                configuration: Setting.configuration, downlink: LinkModel(loss: loss), uplink: LinkModel(latency: .microseconds(200)),
                host: host, subnet: 1)
        }
    }

    /// As much as the link carries in that time, so that the stream does not end before.
    private static func addSender(_ world: World, _ megabits: Double, seconds: Double, name: String = "image") {
        world.addSender(
            content: SimulatedContent(seed: world.seed, length: UInt64(megabits * 1e6 / 8 * seconds), chunkLength: 1 << 20),
            configuration: Setting.configuration, name: name)
    }

    private static func rateAlone(_ megabits: Double, queue: Double) -> Scenario {
        Scenario(
            "auto-\(Int(megabits))-\(Int(queue))",
            "\(Int(megabits)) Mb/s behind a queue of \(Int(queue)) ms: auto takes nine tenths of it from the third second on and loses less than 2 %"
        ) { world in
            bottleneck(world, megabits, queue: queue)
            addSender(world, megabits, seconds: 8)
            world.sampleThroughput(every: .milliseconds(100), until: .seconds(8))
        } check: { world in
            let share = world.throughput.sentShare(ofSender: 0, of: megabits, from: 3.3, to: 8)
            let lost = world.throughput.droppedShare(from: 3.3, to: 8)
            return Expect.that(share >= 0.9, "\(share) of the link") + Expect.that(lost < 0.02, "\(lost) is lost")
        }
    }

    /// Random loss is not the rate's fault: three receivers lose it each on its own.
    private static func rateWithLoss(_ loss: Double) -> Scenario {
        Scenario("auto-loss-\(Int(loss * 100))", "100 Mb/s and \(Int(loss * 100)) % random loss: auto takes nine tenths of the link all the same") { world in
            bottleneck(world, 100, queue: 50, loss: .random(loss))
            addSender(world, 100, seconds: 8)
            world.sampleThroughput(every: .milliseconds(100), until: .seconds(8))
        } check: { world in
            let share = world.throughput.sentShare(ofSender: 0, of: 100, from: 3.3, to: 8)
            return Expect.that(share >= 0.9, "\(share) of the link")
        }
    }

    /// - Parameter isThere: TCP comes first and fills the queue; what the path is like without it, nobody has seen then.
    private static func rateBesideTCP(_ kind: CrossTraffic.Kind, _ megabits: Double, queue: Double, isThere: Bool = false) -> Scenario {
        Scenario(
            "auto-\(isThere ? "after-" : "")\(kind)-\(Int(megabits))-\(Int(queue))",
            "\(Int(megabits)) Mb/s behind a queue of \(Int(queue)) ms, shared with TCP (\(kind))\(isThere ? " that was there first" : ""): "
                + "both get between 0.3 and 3 times the fair share"
        ) { world in
            bottleneck(world, megabits, queue: queue)
            world.addCrossTraffic(kind, intoSubnet: 1, after: isThere ? .zero : .seconds(3))
            if isThere {
                world.after(.seconds(3)) { addSender($0, megabits, seconds: 24) }
            } else {
                addSender(world, megabits, seconds: 24)
            }
            world.sampleThroughput(every: .milliseconds(500), until: .seconds(24))
        } check: { world in
            let start: Double = isThere ? 8 : 4
            let ours = world.throughput.sentShare(ofSender: 0, of: megabits, from: start, to: 24) * 2
            let theirs = world.throughput.crossShare(of: megabits, from: start, to: 24) * 2
            return Expect.that(ours >= 0.3 && theirs >= 0.3, "\(ours) of the fair share, TCP \(theirs)")
        }
    }

    /// Processes that wait for a processor: each reads its socket only now and then, half of the time not at all.
    private static func lateHosts(_ megabits: Double, queue: Double) -> Scenario {
        Scenario(
            "auto-late-hosts", "\(Int(megabits)) Mb/s, and every host is up to 25 ms late again and again: auto takes four fifths of it all the same"
        ) { world in
            bottleneck(world, megabits, queue: queue, host: ReceiverHostModel(socketBuffer: 32 << 20))
            var random = RandomSource(seed: world.seed ^ 0x1A7E)
            for receiver in 0..<3 {
                var time = Interval.zero
                while time < .seconds(5) {
                    let late = random.interval(upTo: .milliseconds(25))
                    world.after(time) { $0.pauseReceiver(receiver, for: late) }
                    time = time + late + random.interval(upTo: .milliseconds(20))
                }
            }
            addSender(world, megabits, seconds: 5)
            world.sampleThroughput(every: .milliseconds(100), until: .seconds(5))
        } check: { world in
            let share = world.throughput.sentShare(ofSender: 0, of: megabits, from: 2, to: 5)
            let lost = world.throughput.droppedShare(from: 2, to: 5)
            return Expect.that(share >= 0.8, "\(share) of the link") + Expect.that(lost < 0.02, "\(lost) is lost")
        }
    }

    private static func rateBesideSender(_ megabits: Double, queue: Double) -> Scenario {
        Scenario(
            "auto-two-\(Int(megabits))-\(Int(queue))",
            "two senders on \(Int(megabits)) Mb/s behind a queue of \(Int(queue)) ms, one of them three seconds later: they share it within a factor of two"
        ) { world in
            bottleneck(world, megabits, queue: queue)
            addSender(world, megabits, seconds: megabits < 500 ? 20 : 12)
            world.after(.seconds(3)) { addSender($0, megabits, seconds: megabits < 500 ? 20 : 12, name: "other") }
            world.sampleThroughput(every: .milliseconds(500), until: .seconds(megabits < 500 ? 20 : 12))
        } check: { world in
            let end: Double = megabits < 500 ? 20 : 12
            let first = world.throughput.sentShare(ofSender: 0, of: megabits, from: 6, to: end)
            let second = world.throughput.sentShare(ofSender: 1, of: megabits, from: 6, to: end)
            let lost = world.throughput.droppedShare(from: 6, to: end)
            return Expect.that(max(first, second) <= 2 * min(first, second), "\(first) and \(second) of the link")
                + Expect.that(first + second > 0.85, "\(first + second) of the link is used") + Expect.that(lost < 0.02, "\(lost) is lost")
        }
    }
}
