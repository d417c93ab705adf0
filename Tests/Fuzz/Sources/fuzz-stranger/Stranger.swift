import FuzzSupport
import TestSupport

@testable import RMCPProtocol

/// Makes what somebody may say who has no key and hears what everybody hears: its own addresses it can prove, and no other.
struct Stranger {
    static let count = 4
    /// What each of its addresses was answered an ATTACH with, last.
    private var cookies: [UInt64] = Array(repeating: 0, count: count)
    /// Of answers to ATTACH that came to its addresses.
    private var read = 0

    mutating func listen(_ world: World) {
        for (bytes, _, stranger) in world.toStrangers {
            if case .attached(let answer)? = unsafe try? Packet.parse(bytes.span.bytes).1, answer.cookie != 0 { cookies[stranger] = answer.cookie }
        }
    }

    /// An id: one of its own, or one that is known of the honest.
    func transmitter(_ choice: UInt8, _ world: World) -> UInt32 {
        switch choice & 7 {
        case 0, 1: world.sender.transmitterID
        case 2: world.node?.engine?.downstream.transmitterID ?? 5
        case 3: world.receivers[Int(choice >> 3) % 2].identity
        case 4: world.node?.identity ?? 6
        default: 3_000 + UInt32(choice >> 3)
        }
    }

    func cookie(_ choice: UInt8, at source: SocketAddress) -> UInt64 {
        switch choice & 7 {
        case 0: 0
        case 1: UInt64(choice)
        case 2: cookies[Int(choice >> 3) % Self.count]
        default: source.port == 9 ? cookies[Int(source.low & 3)] : 0
        }
    }

    /// A well-formed packet, its fields out of the input.
    func packet(_ kind: UInt8, _ input: inout Input, _ world: World, from source: SocketAddress) -> Packet {
        switch kind % 16 {
        case 0, 1: return heartbeat(&input, world)
        case 2, 3, 4: return status(&input, world, from: source)
        case 5, 6:
            let cookie = cookie(input.byte(), at: source)
            return .nak(NegativeAcknowledgement(echo: echo(input.byte(), world), cookie: cookie, request: request(&input)))
        case 7: return .ncf(request(&input))
        case 8, 9: return .attach(AttachRequest(nonce: UInt64(input.byte()) + 1, wantsStream: input.byte() & 1 != 0))
        case 10:
            let verdict = AttachAnswer.Verdict.allCases[Int(input.byte() % 4)]
            return .attached(AttachAnswer(nonce: input.word(bytes: 2), verdict: verdict, cookie: cookie(input.byte(), at: source)))
        case 11: return .detach(cookie: cookie(input.byte(), at: source))
        case 12: return .acknowledgement(sequence: UInt32(truncatingIfNeeded: input.word(bytes: 2)))
        case 13: return input.byte() & 1 == 0 ? .solicitation : .query(WatchQuery(nonce: 1, firstNode: UInt32(input.byte())))
        case 14: return .advertisement(Advertisement(region: .ipv4(239, 255, input.byte(), 1, port: 9)), .none)
        default: return signed(&input)
        }
    }

    /// Packets of kinds that came later to the protocol.
    func laterPacket(_ kind: UInt8, _ input: inout Input, _ world: World, from source: SocketAddress) -> Packet {
        let pace = StatedPace(groupRoundTrip: UInt32(clamping: number(input.byte())), statusInterval: UInt16(input.byte()))
        let (choice, chunk) = (input.byte(), input.byte())
        switch kind % 16 {
        case 0, 1, 2, 3:
            // In the sender's name, or by a copy of its number.
            return .statement(
                Statement(
                    serial: UInt32(choice), transmitter: transmitter(choice, world), sequence: world.sender.nextSequence &+ UInt32(chunk), phase: .draining,
                    hasEnd: choice & 1 != 0, position: StreamPosition(chunk: UInt32(chunk), packet: 0), pageCount: UInt32(chunk), horizon: UInt32(chunk),
                    pace: pace), MarkSigner.mark)
        case 4, 5, 6, 7:
            let place = TreePlace(
                path: choice & 128 == 0 ? [world.sender.transmitterID] : [7], timeToLive: 8, distance: choice & 3, load: UInt32(chunk), watermark: UInt32(chunk)
            )
            return .place(
                NodePlace(
                    key: MarkSigner.key, serial: UInt32(input.byte()), statement: UInt32(chunk), child: transmitter(choice, world),
                    transmitter: transmitter(chunk, world), phase: choice & 64 == 0 ? .streaming : .leaving, pace: pace, place: place), MarkSigner.mark)
        case 8, 9, 10, 11:
            let values = (0..<Int(choice % 8) + 1).map { Digest(Bytes32(UInt64($0), UInt64(chunk), 1, 1)) }
            return .outline(OutlinePart(chunk: UInt32(chunk), part: choice >> 4, values: values, siblings: Array(values.prefix(Int(choice >> 3 & 3)))))
        case 12, 13, 14:
            let reasons = RefusalReason.allCases
            return .refusal(RefusalNotice(cookie: cookie(choice, at: source), reason: reasons[Int(chunk) % reasons.count]))
        default:
            return .report(
                WatchReport(
                    nonce: UInt64(choice), session: world.sender.session, phase: .streaming, role: .sender, rate: 1, position: UInt32(chunk), chunkCount: nil,
                    chunksHeld: UInt32(chunk), holes: 0, counts: WatchReport.Counts(), children: 3, nodeCount: 0, firstNode: 0, nodes: [], path: [],
                    histogram: StatusHistogram(LeafStatus(state: .receiving, progress: 4, network: nil))))
        }
    }

    private func echo(_ choice: UInt8, _ world: World) -> TimestampEcho {
        let clock = UInt64(clamping: world.now.nanoseconds / 1_000)
        return [.none, TimestampEcho(timestamp: clock, delay: 0), TimestampEcho(timestamp: clock / 2, delay: 0), TimestampEcho(timestamp: .max, delay: .max)][
            Int(choice % 4)]
    }

    private func number(_ choice: UInt8) -> UInt64 { choice < 200 ? UInt64(choice) : .max >> (UInt64(choice - 200) % 64) }

    private func heartbeat(_ input: inout Input, _ world: World) -> Packet {
        let phases: [SessionPhase] = [.waiting, .streaming, .draining, .lingering, .leaving, .aborted]
        let shape = input.byte()
        // Where it is: at the top, below the sender, or below somebody.
        let paths: [[UInt32]] = [[], [world.sender.transmitterID], [7], [world.sender.transmitterID, world.receivers[0].identity]]
        let chunk = input.byte()
        let limits = input.byte()
        return .heartbeat(
            Heartbeat(
                phase: phases[Int(shape & 7) % phases.count], timestamp: echo(shape >> 3, world).timestamp,
                groupRoundTrip: UInt32(clamping: number(input.byte())), statusInterval: UInt32(clamping: number(input.byte())),
                population: UInt32(clamping: number(input.byte())),
                position: StreamPosition(chunk: UInt32(clamping: number(chunk)), packet: UInt16(limits)), pageCount: UInt32(chunk % 8),
                hasEnd: limits & 1 != 0, rate: number(input.byte()), liveLossLimit: limits >> 4, livePressureLimit: limits & 7,
                nakInterval: UInt16(limits) << 3,
                place: TreePlace(
                    path: paths[Int(shape >> 6)], timeToLive: 8, distance: limits & 3, load: UInt32(clamping: number(input.byte())),
                    watermark: UInt32(clamping: number(input.byte())))))
    }

    private func status(_ input: inout Input, _ world: World, from source: SocketAddress) -> Packet {
        let flags = input.byte()
        let states = ReceiverState.allCases
        let state = states[Int(input.byte()) % states.count]
        let network: LeafStatus.Network? = flags & 4 == 0 ? nil : .init(loss: flags >> 4, pressure: flags >> 5, arrival: flags)
        var histogram = StatusHistogram(
            LeafStatus(state: state, progress: 10, network: network, isRehomed: flags & 8 != 0, chunksDone: UInt32(flags)))
        if flags & 16 != 0 {
            // A repair node, with whom it likes below it.
            histogram.tree.repairNodes = number(input.byte())
            histogram.tree.completeRepairNodes = number(input.byte())
            for _ in 0..<Int(input.byte() % 4) {
                let index = Int(input.byte()) % states.count
                histogram.states[index] = number(input.byte())
                histogram.rehomed[index] = Int64(truncatingIfNeeded: number(input.byte())) * (flags & 32 != 0 ? -1 : 1)
            }
        }
        return .status(
            StatusReport(
                echo: echo(input.byte(), world), longestDatagram: 500, isDeaf: flags & 1 != 0, wantsStream: flags & 2 != 0,
                cookie: cookie(input.byte(), at: source), histogram: histogram))
    }

    private func request(_ input: inout Input) -> RepairRequest {
        var request = RepairRequest()
        let (kinds, chunk, packets) = (input.byte(), UInt32(input.byte() % 16), input.byte())
        let (first, count) = (packets & 15, packets >> 4)
        if kinds & 1 != 0 { request.needsEnd = true }
        if kinds & 2 != 0 { request.pages = [UInt32(first)..<UInt32(first) + UInt32(count) + 1] }
        if kinds & 4 != 0 { request.chunks = [chunk..<chunk + UInt32(count) + 1] }
        if kinds & 8 != 0 { request.packets = [.init(chunk: chunk, packets: PacketSet(Int(first)..<Int(first) + Int(count) + 1))] }
        if kinds & 16 != 0 { request.chunks += stride(from: chunk, to: 16, by: 2).map { $0..<$0 + 1 } }
        if kinds & 32 != 0 { request.chunks.append(0..<Limits.maximumChunks) }
        return request
    }

    /// What is signed, with a mark that is right and a message that nobody signed.
    private func signed(_ input: inout Input) -> Packet {
        let choice = input.byte()
        switch choice % 3 {
        case 0:
            var announce = Bundle.announce(isStream: choice & 4 != 0)
            announce.key = MarkSigner.key
            announce.payloadLength = 400 + UInt16(input.byte())
            announce.mode = UInt16(input.byte())
            return .announce(announce, MarkSigner.mark)
        case 1:
            let page = TablePage(index: UInt32(choice >> 4), firstChunk: UInt32(choice >> 2), records: [Bundle.records[0], Bundle.records[3]])
            return .page(page, body: page.body, MarkSigner.mark)
        default:
            let digest = Digest(Bytes32(1, 1, 1, 1))
            let end = EndOfTable(chunkCount: UInt32(choice >> 4), pageCount: 1, contentLength: 700, encodedLength: 700, tableDigest: digest)
            return .end(end, MarkSigner.mark)
        }
    }

    /// The last ATTACH to one of its addresses, answered as a parent would.
    func answer(_ world: World, as transmitter: UInt32) -> (bytes: [UInt8], from: Int, to: SocketAddress)? {
        for (bytes, source, stranger) in world.toStrangers.reversed() {
            guard case .attach(let request)? = unsafe try? Packet.parse(bytes.span.bytes).1 else { continue }
            let packet = Packet.attached(AttachAnswer(nonce: request.nonce, verdict: .accepted, cookie: 77))
            return (write(packet, isUnicast: true, tag: world.sender.session.tag, transmitter: transmitter), stranger, source)
        }
        return nil
    }
}
