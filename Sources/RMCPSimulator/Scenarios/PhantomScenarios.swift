import RMCPProtocol

extension Scenario {
    /// Phantoms that have proven an address, and hosts on bad links: one of many sets neither the timers of all nor their rate.
    static let phantomScenarios: [Scenario] = [
        Scenario("slow-uplink", "one of ten answers a second late: repairs of the others are as fast as without it") { world in
            var configuration = Setting.configuration
            configuration.rate.fixedRate = 80_000_000
            configuration.joining.waitForReceivers = 10
            let lossy = Setting.lossy(.random(0.01))
            for number in 0..<10 {
                var uplink = LinkModel()
                if number == 9 { uplink.latency = .seconds(1) }
                world.addReceiver(configuration: configuration, downlink: lossy, uplink: uplink)
            }
            world.addSender(content: Setting.content(world, megabytes: 16), configuration: configuration, egress: Setting.gigabit)
        } check: {
            Expect.allComplete($0) + Expect.finish($0, receivers: Array(0..<9), within: 3)
        },
        Scenario("phantom-pressure", "a phantom is overrun all the time: the others get on all the same") { world in
            Setting.plain(world, receivers: 8, megabytes: 256, downlink: hundredMegabit) { $0.rate.initialRate = 50_000_000 }
            phantom(world, until: 40) { LeafStatus.Network(loss: 0, pressure: 7, arrival: $0) }
        } check: {
            Expect.finish($0, receivers: Array(0..<8), within: 26)
        },
        Scenario("phantom-lengths", "phantoms get nothing but the shortest of datagrams: the others' become a little shorter, and no more") { world in
            Setting.plain(world, receivers: 8, megabytes: 8) { $0.rate.fixedRate = 50_000_000 }
            phantom(world, until: 10, longestDatagram: 0) { LeafStatus.Network(loss: 0, pressure: 0, arrival: $0) }
        } check: {
            Expect.finish($0, receivers: Array(0..<8), within: 5)
                + Expect.that($0.senders[0].engine.datagramLength == 1_200, "datagrams of \($0.senders[0].engine.datagramLength) bytes")
        },
        Scenario("claim-pace", "a stranger says in the sender's name that round trips take seconds, and that STATUSes are wanted all the time") { world in
            Setting.plain(world, receivers: 8, megabytes: 16, downlink: Setting.lossy(.random(0.01))) { $0.rate.fixedRate = 80_000_000 }
            claims(world, every: .milliseconds(5)) {
                $0.groupRoundTrip = 2_000_000
                $0.statusInterval = 1
            }
        } check: { world in
            let statuses = (0..<8).map { world.counters(ofReceiver: $0).statusesSent }
            // A hundred a second are what the sender wants of so few.
            return Expect.allComplete(world) + Expect.finish(world, receivers: Array(0..<8), within: 3.5)
                + Expect.that(statuses.allSatisfy { $0 < 1_500 }, "\(statuses) STATUSes")
        },
    ]

    private static var hundredMegabit: LinkModel { LinkModel(latency: .microseconds(100), rate: 1e8, queueLimit: 1 << 18) }

    /// A phantom proves its address, and then reports every 10 ms that it is under way.
    private static func phantom(
        _ world: World, until seconds: Int64, longestDatagram: UInt16 = 1_400, _ network: @escaping @Sendable (UInt8) -> LeafStatus.Network
    ) {
        let address = SocketAddress.ipv4(10, 9, 0, 1, port: 9)
        for step in 0..<seconds * 100 {
            world.after(.milliseconds(10 * step)) { world in
                let engine = world.senders[0].engine
                func say(_ packet: Packet) {
                    world.inject(
                        packet.datagram(sessionTag: engine.session.tag, transmitter: 0xFA57, sequence: UInt32(step), isUnicast: true), toSender: 0,
                        from: address)
                }
                guard let cookie = world.givenCookies[address] else { return say(.attach(AttachRequest(nonce: 1, wantsStream: false))) }
                let leaf = LeafStatus(state: .receiving, progress: 1, network: network(ArrivalBucket.index(bitsPerSecond: engine.rate)))
                say(.status(StatusReport(echo: .none, longestDatagram: longestDatagram, cookie: cookie, histogram: StatusHistogram(leaf))))
            }
        }
    }
}
