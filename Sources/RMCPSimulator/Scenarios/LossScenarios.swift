import RMCPProtocol

extension Scenario {
    /// Networks that lose, delay and damage datagrams.
    static let lossScenarios: [Scenario] =
        [
            Scenario("clean", "nothing goes wrong: one copy leaves the sender, and hardly anybody asks for anything") {
                Setting.plain($0)
            } check: { world in
                Expect.allComplete(world) + Expect.copies(world, atMost: 1.04)
                    + Expect.that(world.counters(ofSender: 0).naksReceived <= 8, "\(world.counters(ofSender: 0).naksReceived) NAKs without loss")
            },
            randomLoss(0.001, copies: 1.1), randomLoss(0.01, copies: 1.25), randomLoss(0.05, copies: 1.7), randomLoss(0.3, copies: 4.5),
            Scenario("burst-loss", "bursts of loss (Gilbert-Elliott): 2 % of the time, three quarters of everything") {
                Setting.plain($0, downlink: Setting.lossy(.gilbertElliott(toBad: 0.002, toGood: 0.1, lossGood: 0.000_1, lossBad: 0.75)))
            },
            Scenario("sender-side-loss", "loss before the switch hits everybody alike, and is repaired once") {
                Setting.plain($0)
                $0.senders[0].egress.model.loss = .random(0.03)
            } check: {
                Expect.allComplete($0) + Expect.copies($0, atMost: 1.2)
            },
            Scenario("shared-loss", "200 receivers lose the same 1 %: a few of them ask, the others hear that it was asked for") { world in
                Setting.plain(world, receivers: 200) { $0.rate.fixedRate = 100_000_000 }
                world.senders[0].egress.model.loss = .random(0.01)
            } check: { world in
                let lost = Double(world.senders[0].egress.dropped)
                let naks = Double(world.counters(ofSender: 0).naksReceived)
                return Expect.allComplete(world) + Expect.that(naks <= lost * 6, "\(naks) NAKs for \(lost) losses")
            },
            Scenario("feedback-loss", "one-sided loss: 30 % of what receivers say is lost") {
                Setting.plain($0, downlink: Setting.lossy(.random(0.02)), uplink: LinkModel(loss: .random(0.3)))
            },
            Scenario("one-bad-link", "one receiver loses a quarter of everything; the others finish as if it were not there") { world in
                // A receiver may lose three ANNOUNCEs in a row.
                Setting.plain(world, receivers: 7) { $0.joining.waitForReceivers = 8 }
                world.addReceiver(configuration: Setting.configuration, downlink: Setting.lossy(.random(0.25)))
            } check: { world in
                Expect.allComplete(world) + Expect.finish(world, receivers: Array(0..<7), within: 0.3)
            },
            Scenario("straggler", "one receiver of four loses 30 % of a bundle that is larger than the sender's memory of it") { world in
                for index in 0..<4 {
                    world.addReceiver(
                        configuration: Setting.configuration, downlink: index == 0 ? Setting.lossy(.random(0.3)) : Setting.gigabit)
                }
                world.addSender(
                    content: SimulatedContent(seed: world.seed, length: 256 << 20, chunkLength: 1 << 20),
                    configuration: Setting.configuration, egress: Setting.gigabit)
            } check: { world in
                Expect.allComplete(world) + Expect.finish(world, receivers: [1, 2, 3], within: 4)
                    + Expect.finish(world, receivers: [0], within: 12)
            },
            disturbed("reordering", "a tenth of all datagrams is up to 1 ms late") { $0.reorder = 0.1 },
            disturbed("late-reordering", "some datagrams are up to 20 ms late") {
                $0.reorder = 0.02
                $0.reorderDelay = .milliseconds(20)
            },
            disturbed("duplication", "a fifth of all datagrams comes twice") { $0.duplication = 0.2 },
            disturbed("corruption", "one datagram in five hundred has a flipped bit that no checksum saw") { $0.corruption = 0.002 },
            disturbed("truncation", "one datagram in a hundred is cut short") { $0.truncation = 0.01 },
            disturbed("everything", "loss, reordering, duplication, corruption and truncation at once") {
                $0.loss = .random(0.02)
                $0.reorder = 0.05
                $0.duplication = 0.02
                $0.corruption = 0.001
                $0.truncation = 0.001
            },
            Scenario("slow-link", "links of 20 Mb/s with a small queue: auto finds the rate", limit: .seconds(120)) { world in
                Setting.plain(world, receivers: 4, downlink: LinkModel(latency: .milliseconds(2), rate: 20e6, queueLimit: 128 << 10))
            } check: {
                Expect.allComplete($0) + Expect.copies($0, atMost: 1.6)
            },
            Scenario("narrow-egress", "the sender's own link carries 500 Mb/s behind a queue of 50 ms: start-up does not flood it") { world in
                for _ in 0..<4 { world.addReceiver(configuration: Setting.configuration) }
                world.addSender(
                    content: SimulatedContent(seed: world.seed, length: 100 << 20, chunkLength: 1 << 20),
                    configuration: Setting.configuration, egress: LinkModel(rate: 500e6, queueLimit: 3 << 20))
            } check: {
                Expect.allComplete($0) + Expect.copies($0, atMost: 1.04) + Expect.finish($0, receivers: Array(0..<4), within: 2.1)
            },
            Scenario("long-path", "100 ms one way", limit: .seconds(120)) { world in
                Setting.plain(
                    world, receivers: 4, megabytes: 4, downlink: LinkModel(latency: .milliseconds(100), rate: 100e6, loss: .random(0.005)),
                    uplink: LinkModel(latency: .milliseconds(100)))
            },
        ]

    private static func randomLoss(_ probability: Double, copies: Double) -> Scenario {
        let percent = probability * 100
        let label = percent < 1 ? "\(percent)" : "\(Int(percent))"
        return Scenario("loss-\(label)", "every receiver loses \(label) % of everything, each on its own link") {
            Setting.plain($0, downlink: Setting.lossy(.random(probability)))
        } check: {
            Expect.allComplete($0) + Expect.copies($0, atMost: copies)
        }
    }

    private static func disturbed(_ name: String, _ summary: String, change: @escaping @Sendable (inout LinkModel) -> Void) -> Scenario {
        Scenario(name, summary) { world in
            var model = Setting.gigabit
            change(&model)
            Setting.plain(world, downlink: model)
        }
    }
}
