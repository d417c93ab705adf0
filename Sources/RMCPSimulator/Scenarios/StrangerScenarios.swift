import RMCPProtocol

extension Scenario {
    /// Somebody who has no key, and can send anything to anybody in anybody's name but from an address of its own.
    static let strangerScenarios: [Scenario] = [
        Scenario("stranger-status", "strangers report anything at all to the sender, with a cookie and without: who is not complete is not said to be") {
            world in
            Setting.plain(world, downlink: Setting.lossy(.random(0.01))) { $0.rate.fixedRate = 50_000_000 }
            strangers(world) { world, stranger, random in
                for _ in 0..<3 { world.inject(stranger.status(using: &random), toSender: 0, from: stranger.address) }
                if random.chance(0.2) { world.inject(stranger.say(.detach(cookie: stranger.cookie), using: &random), toSender: 0, from: stranger.address) }
                if random.chance(0.2) { world.inject(stranger.nak(using: &random), toSender: 0, from: stranger.address) }
            }
        } check: {
            Expect.complete($0, receivers: $0.allReceivers) + Expect.ended($0)
        },
        Scenario("stranger-unproven", "the same by strangers that show no cookie: nobody hears of them") { world in
            Setting.plain(world) { $0.rate.fixedRate = 50_000_000 }
            strangers(world) { world, stranger, random in
                var stranger = stranger
                stranger.cookie = random.chance(0.5) ? 0 : random.next()
                world.inject(stranger.status(using: &random), toSender: 0, from: stranger.address)
                world.inject(stranger.nak(using: &random), toSender: 0, from: stranger.address)
            }
        },
        Scenario("stranger-requests", "strangers without a cookie ask for all packets of all chunks, and all pages: the stream pays next to nothing") { world in
            Setting.plain(world) { $0.rate.fixedRate = 50_000_000 }
            strangers(world) { world, stranger, random in
                let request = stranger.everything(of: world.senders[0].engine.positionChunk)
                let nak = NegativeAcknowledgement(echo: .none, cookie: random.chance(0.5) ? 0 : random.next(), request: request)
                world.inject(stranger.say(.nak(nak), using: &random), toSender: 0, from: stranger.address)
            }
        } check: { world in
            let sent = world.senders[0].engine.counters
            let share = Double(sent.repairBytes) / Double(max(1, sent.firstBytes))
            return Expect.allComplete(world) + (share < 0.05 ? [] : ["repairs are \(share) of the stream"])
        },
        Scenario("stranger-leaving", "a stranger says over and over that the sender leaves: nobody goes") { world in
            Setting.plain(world, downlink: Setting.lossy(.random(0.01))) { $0.rate.fixedRate = 50_000_000 }
            strangers(world) { world, stranger, random in
                let phase = random.chance(0.5) ? SessionPhase.leaving : .aborted
                world.inject(stranger.heartbeat(phase, as: world.senders[0].engine.transmitterID, using: &random), from: stranger.address)
            }
        },
        Scenario("stranger-storm", "well-formed packets of every kind from strangers, at the group and at the sender", limit: .seconds(120)) { world in
            Setting.plain(world, downlink: Setting.lossy(.random(0.01))) { $0.rate.fixedRate = 50_000_000 }
            strangers(world) { world, stranger, random in
                let sender = world.senders[0].engine.transmitterID
                let bytes: [UInt8]
                switch random.next() % 8 {
                case 0: bytes = stranger.heartbeat(random.chance(0.5) ? .leaving : .streaming, as: random.chance(0.5) ? sender : stranger.id, using: &random)
                case 1: bytes = stranger.nak(using: &random)
                case 2: bytes = stranger.say(.detach(cookie: random.chance(0.5) ? stranger.cookie : random.next()), using: &random)
                case 3: bytes = stranger.say(.acknowledgement(sequence: UInt32.random(in: 0...500, using: &random)), as: sender, using: &random)
                case 4:
                    let verdict = AttachAnswer.Verdict.allCases[Int.random(in: 0...3, using: &random)]
                    bytes = stranger.say(.attached(AttachAnswer(nonce: random.next(), verdict: verdict, cookie: random.next())), as: sender, using: &random)
                case 5: bytes = stranger.say(.ncf(stranger.request(using: &random)), as: sender, using: &random)
                case 6: bytes = stranger.say(.query(WatchQuery(nonce: random.next())), using: &random)
                default: bytes = stranger.status(using: &random)
                }
                world.inject(bytes, from: stranger.address)
                world.inject(bytes, toSender: 0, from: stranger.address)
            }
        } check: {
            Expect.complete($0, receivers: $0.allReceivers) + Expect.ended($0)
        },
    ]

    /// From before the session begins on, for three seconds.
    private static func strangers(_ world: World, _ body: @escaping @Sendable (World, Stranger, inout RandomSource) -> Void) {
        let seed = world.seed ^ 0x57A6E
        for step in 0..<1_500 {
            world.after(.milliseconds(2 * Int64(step))) { world in
                var random = RandomSource(seed: seed &+ UInt64(step))
                let number = UInt8.random(in: 1...4, using: &random)
                let address = SocketAddress.ipv4(10, 9, 0, number, port: 9)
                let tag = world.session(ofSender: 0).tag
                var stranger = Stranger(id: UInt32(number), address: address, tag: tag, cookie: world.givenCookies[address] ?? 0)
                // It may say that it is one of the receivers.
                if random.chance(0.5), let known = world.receivers.first?.record.identities.values.first { stranger.id = known }
                if stranger.cookie == 0 {
                    world.inject(stranger.say(.attach(AttachRequest(nonce: 1, wantsStream: false)), using: &random), toSender: 0, from: address)
                }
                body(world, stranger, &random)
            }
        }
    }
}

/// What somebody says that is no part of the session.
private struct Stranger {
    var id: UInt32
    let address: SocketAddress
    let tag: UInt32
    var cookie: UInt64

    func say(_ packet: Packet, as transmitter: UInt32? = nil, using random: inout RandomSource) -> [UInt8] {
        packet.datagram(sessionTag: tag, transmitter: transmitter ?? id, sequence: UInt32.random(in: 0...(.max), using: &random), isUnicast: random.chance(0.5))
    }

    func status(using random: inout RandomSource) -> [UInt8] {
        let state = ReceiverState.allCases[Int.random(in: 0..<ReceiverState.allCases.count, using: &random)]
        var histogram = StatusHistogram(LeafStatus(state: state, progress: 10, network: nil))
        if random.chance(0.3) {
            histogram.tree.repairNodes = 1
            histogram.tree.completeRepairNodes = UInt64.random(in: 0...1, using: &random)
            histogram.states[Int(ReceiverState.complete.rawValue)] = UInt64.random(in: 0...StatusHistogram.maximumCount / 2, using: &random)
        }
        for state in ReceiverState.allCases where random.chance(0.3) { histogram.rehomed[Int(state.rawValue)] = Int64.random(in: -9...9, using: &random) }
        let report = StatusReport(
            echo: TimestampEcho(timestamp: random.next() >> 20, delay: 0), longestDatagram: 1_400, isDeaf: random.chance(0.1), cookie: cookie,
            histogram: histogram)
        return say(.status(report), using: &random)
    }

    func request(using random: inout RandomSource) -> RepairRequest {
        var request = RepairRequest()
        request.needsEnd = random.chance(0.5)
        let chunk = UInt32.random(in: 0..<160, using: &random)
        request.chunks = [chunk..<chunk + 4]
        return request
    }

    /// As much as a datagram has room for, of the last chunks that were sent.
    func everything(of position: UInt32) -> RepairRequest {
        var request = RepairRequest()
        request.needsEnd = true
        request.pages = [0..<Limits.maximumChunks]
        let packets = PacketSet(0..<Limits.maximumPacketsPerChunk)
        request.packets = (max(position, 130) - 130..<position).map { RepairRequest.ChunkPackets(chunk: $0, packets: packets) }
        return request
    }

    func nak(using random: inout RandomSource) -> [UInt8] {
        say(.nak(NegativeAcknowledgement(echo: .none, cookie: cookie, request: request(using: &random))), using: &random)
    }

    /// It claims nothing of what was sent.
    func heartbeat(_ phase: SessionPhase, as transmitter: UInt32, using random: inout RandomSource) -> [UInt8] {
        let heartbeat = Heartbeat(
            phase: phase, timestamp: 1, groupRoundTrip: 10_000, statusInterval: 20, population: 1, position: StreamPosition(chunk: 0, packet: 0),
            pageCount: 0, hasEnd: false, rate: 1_000_000, liveLossLimit: 16, livePressureLimit: 8,
            place: TreePlace(path: transmitter == id ? [1] : [], timeToLive: 8, distance: 1))
        return say(.heartbeat(heartbeat), as: transmitter, using: &random)
    }
}
