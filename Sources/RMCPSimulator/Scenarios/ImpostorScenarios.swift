import RMCPProtocol

extension Scenario {
    /// Strangers who play repair nodes, with and without nodes that prove themselves.
    static let impostorScenarios: [Scenario] = [
        Scenario("phantom-node-many-ids", "a stranger plays ever new repair nodes from one address: receivers soon leave it alone") { world in
            lossy(world)
            phantoms(world)
        } check: {
            Expect.allComplete($0) + Expect.finish($0, receivers: Array(0..<8), within: 10)
        },
        Scenario("phantom-node-many-addresses", "the same from as many addresses: receivers stay with the sender") { world in
            lossy(world)
            phantoms(world, hasOneAddress: false)
        } check: {
            Expect.allComplete($0) + Expect.finish($0, receivers: Array(0..<8), within: 20)
        },
        Scenario("phantom-sender", "strangers play the sender, and are nearer: receivers know whose id it has signed") { world in
            lossy(world)
            phantoms(world, depth: 0)
        } check: {
            Expect.allComplete($0) + Expect.finish($0, receivers: Array(0..<8), within: 8)
        },
        Scenario("trusted-nodes", "three subnets with trusted repair nodes, and no others are taken: as where anybody is") { world in
            trusted(world, subnets: 3) { $0.rate.fixedRate = unhurried }
        } check: {
            Expect.allComplete($0) + Expect.everybodyBelowARepairNode($0) + Expect.copies($0, atMost: 1.1)
        },
        Scenario("trusted-two-levels", "trusted repair nodes below a trusted repair node") { world in
            trusted(world, subnets: 3, reach: [1, 2, 3]) { $0.rate.fixedRate = unhurried }
        } check: {
            Expect.allComplete($0) + Expect.everybodyBelowARepairNode($0)
        },
        Scenario("trusted-relay", "a relay whose receivers trust it and nobody else") { world in
            let configuration = trusting(nodes: 1)
            world.addReceiver(configuration: configuration, downlink: Setting.gigabit)
            world.setSubnet(100, up: false)
            world.addRepairNode(
                RepairNodeModel(subnet: 100, upstream: Addressing.sender(0)), configuration: configuration, downlink: Setting.gigabit, egress: Setting.gigabit)
            for _ in 0..<4 { world.addReceiver(configuration: configuration, downlink: Setting.lossy(.random(0.02)), subnet: 100) }
            world.addSender(content: Setting.content(world), configuration: configuration, egress: Setting.gigabit)
        } check: {
            Expect.allComplete($0) + Expect.that($0.receivers[1...].allSatisfy { $0.record.lastDepth == 2 }, "receivers are not below the relay")
        },
        Scenario("untrusted-node", "the second of two subnets has a repair node that is not trusted: its receivers stay with the sender") { world in
            trusted(world, subnets: 2, trusting: 1, megabytes: 64)
        } check: { world in
            let depths = world.receivers.map(\.record.lastDepth)
            return Expect.allComplete(world) + Expect.that(depths == [2, 2, 2, 2, 1, 1, 1, 1], "depths \(depths)")
        },
        Scenario("trusted-node-restart", "a trusted repair node dies and comes back under another id") { world in
            trusted(world, subnets: 1) { $0.rate.fixedRate = 20_000_000 }
            world.after(.seconds(1.9)) { $0.killRepairNode(0) }
            world.after(.seconds(2.6)) { $0.restartRepairNode(0) }
        },
        Scenario("trusted-node-alone", "a receiver comes when the sender has gone, and the trusted repair node was started again since", limit: .seconds(30)) {
            world in
            trusted(world, subnets: 1)
            world.after(.seconds(8)) { world in
                world.killRepairNode(0)
                world.restartRepairNode(0)
                world.addReceiver(configuration: trusting(nodes: 1), downlink: Setting.lossy(.random(0.02)), subnet: 1)
            }
        } check: {
            Expect.complete($0, receivers: $0.allReceivers) + Expect.outcome($0, .complete)
        },
        Scenario("impostors-of-trusted-nodes", "strangers play repair nodes, and say in trusted ones' names and with copies of their words what they like") {
            world in
            trusted(world, subnets: 2) { $0.rate.fixedRate = 20_000_000 }
            phantoms(world)
            copies(world)
        } check: {
            Expect.allComplete($0) + Expect.everybodyBelowARepairNode($0) + Expect.finish($0, receivers: Array(0..<8), within: 5)
                + Expect.that($0.receivers.allSatisfy { $0.record.counters.parentChanges <= 2 }, "parents change")
        },
        Scenario("phantom-sums", "strangers report whole trees of receivers: only trusted nodes' are counted") { world in
            trusted(world, subnets: 1) { $0.rate.fixedRate = 20_000_000 }
            sums(world)
        } check: { world in
            let receivers = world.senders[0].outcome?.receivers
            return Expect.allComplete(world) + Expect.that(receivers?.population == 4, "\(receivers?.population ?? 0) receivers")
        },
    ]

    /// Eight receivers that lose something, for half a minute.
    private static func lossy(_ world: World) { Setting.plain(world, downlink: Setting.lossy(.random(0.02))) { $0.rate.fixedRate = 10_000_000 } }

    private static func trusting(nodes: Int) -> Configuration {
        var configuration = Tree.configuration
        configuration.tree.trustedNodes = Set((0..<nodes).map { RepairNode.signer(ofNode: $0).publicKey })
        return configuration
    }

    /// Rate at which the content takes a second, in which everybody finds his repair node, bits per second.
    private static let unhurried: UInt64 = 60_000_000

    /// Subnets with a repair node and four receivers each, the first so many of which are trusted by all.
    static func trusted(
        _ world: World, subnets: Int, trusting count: Int? = nil, reach: [Int]? = nil, megabytes: Int = 8, change: (inout Configuration) -> Void = { _ in }
    ) {
        let configuration = trusting(nodes: count ?? subnets)
        for subnet in 1...subnets {
            world.setSubnet(subnet, link: Setting.gigabit)
            world.addRepairNode(
                RepairNodeModel(subnet: subnet, reach: subnet == 1 ? reach : nil), configuration: configuration, downlink: Setting.gigabit,
                egress: Setting.gigabit)
            for _ in 0..<4 { world.addReceiver(configuration: configuration, downlink: Setting.lossy(.random(0.02)), subnet: subnet) }
        }
        var sending = configuration
        change(&sending)
        world.addSender(content: Setting.content(world, megabytes: megabytes), configuration: sending, egress: Setting.gigabit)
    }

    // MARK: Strangers

    private static let stranger = SocketAddress.ipv4(9, 9, 9, 9, port: 9)
    /// Ids that a stranger has at one time.
    private static let livingIDs = 5

    /// A stranger plays repair nodes, a new one each second, which are near and say that they have everything. They take
    /// whoever asks, and give nothing.
    private static func phantoms(_ world: World, depth: Int = 1, hasOneAddress: Bool = true) {
        func address(_ id: UInt32) -> SocketAddress {
            .ipv4(9, 9, hasOneAddress ? 9 : UInt8(truncatingIfNeeded: id >> 8), hasOneAddress ? 9 : UInt8(truncatingIfNeeded: id), port: UInt16(id))
        }
        world.impostor = { bytes, address in
            guard address.low >> 16 == 0x0909, case (let header, .attach(let request))? = unsafe try? Packet.parse(bytes.span.bytes) else { return nil }
            let answer = AttachAnswer(nonce: request.nonce, verdict: .accepted, cookie: 7)
            return Packet.attached(answer).datagram(sessionTag: header.sessionTag, transmitter: UInt32(address.port))
        }
        for step in 0..<240 as Range<UInt32> {
            world.after(.milliseconds(100 + 250 * Int64(step))) { world in
                let engine = world.senders[0].engine
                guard !engine.isFinished else { return }
                for id in step / 4 + 1..<step / 4 + 1 + UInt32(livingIDs) {
                    let heartbeat = Heartbeat(
                        phase: engine.sessionPhase, timestamp: 1, groupRoundTrip: 10_000, statusInterval: 100, population: 6,
                        position: .start, pageCount: 0, hasEnd: false, rate: UInt64(engine.rate), liveLossLimit: 16, livePressureLimit: 8,
                        place: TreePlace(path: depth == 0 ? [] : [engine.transmitterID], watermark: Limits.maximumChunks))
                    let bytes = Packet.heartbeat(heartbeat).datagram(sessionTag: engine.session.tag, transmitter: id, isUnicast: false)
                    world.inject(bytes, from: address(id))
                }
            }
        }
    }

    /// A stranger repeats what trusted nodes sign from an address of its own, at once and again seconds later, and says in their names
    /// that they are far, leave, or want STATUSes all the time.
    private static func copies(_ world: World) {
        world.eavesdropper = { [unowned world] bytes in
            guard case (let header, let packet)? = unsafe try? Packet.parse(bytes.span.bytes) else { return }
            switch packet {
            case .place:
                // It hears the original when others do, and is as quick as it can.
                for delay in [0.0005, 1, 2, 5] { world.inject(bytes, from: stranger, timeToLive: Topology.timeToLive, after: .seconds(delay)) }
                world.inject(bytes, from: stranger, after: .zero)
            case .heartbeat(var heartbeat):
                heartbeat.phase = header.sequence % 2 == 0 ? .leaving : heartbeat.phase
                heartbeat.statusInterval = 1
                heartbeat.groupRoundTrip = 2_000_000
                heartbeat.place.path = Array(repeating: 3, count: TreePlace.maximumDepth)
                let forged = Packet.heartbeat(heartbeat).datagram(sessionTag: header.sessionTag, transmitter: header.transmitter, isUnicast: false)
                world.inject(forged, from: stranger)
            default: break
            }
        }
    }

    /// A stranger with an address that it has proven reports sums every 20 ms, with copies of what the node has signed before them.
    private static func sums(_ world: World) {
        var latest: [UInt8]?
        world.eavesdropper = { bytes in if unsafe PacketHeader.kind(of: bytes.span.bytes) == .place { latest = bytes } }
        for step in 0..<400 as Range<Int64> {
            world.after(.milliseconds(20 * step)) { world in
                let engine = world.senders[0].engine
                func say(_ packet: Packet) {
                    let bytes = packet.datagram(sessionTag: engine.session.tag, transmitter: 0xFA57, sequence: UInt32(step))
                    world.inject(bytes, toSender: 0, from: stranger)
                }
                if let latest { world.inject(latest, toSender: 0, from: stranger) }
                guard let cookie = world.givenCookies[stranger] else { return say(.attach(AttachRequest(nonce: 1, wantsStream: false))) }
                var histogram = StatusHistogram(LeafStatus(state: .complete, progress: 10, network: nil))
                histogram.states[Int(ReceiverState.complete.rawValue)] = 1_000
                histogram.tree.repairNodes = 1
                histogram.tree.completeRepairNodes = 1
                say(.status(StatusReport(echo: .none, longestDatagram: 1_400, cookie: cookie, histogram: histogram)))
            }
        }
    }
}
