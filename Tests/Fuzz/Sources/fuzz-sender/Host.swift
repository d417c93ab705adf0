import FuzzSupport
import TestSupport

@testable import RMCPProtocol

/// The least that a host does for a sender, and a check of everything that the engine puts on the wire: above all of
/// what others can make it send.
struct Host: EngineHost {
    static let configuration: Configuration = {
        var configuration = smallConfiguration()
        configuration.rate.fixedRate = 40_000_000
        return configuration
    }()
    private static let start = Instant.milliseconds(1)
    /// Receivers have the addresses below this one; those from here on never said anything themselves.
    static let firstVictim: UInt8 = 4

    var engine = SenderEngine(
        configuration: configuration, announce: Bundle.announce(isStream: false), signer: MarkSigner(), digest: LaneDigest(),
        seed: 7, at: start)
    var now = start
    private var held: Set<UInt32> = []
    private var fetches: [UInt32] = []
    private var isOver = false

    /// Timestamps of heartbeats to the group, which anybody can hear, and to each receiver, which only that one can.
    private(set) var groupTimestamps: [UInt64] = []
    private var ownTimestamps: [[UInt64]] = Array(repeating: [], count: Int(firstVictim))
    /// What each receiver was answered an ATTACH with.
    private var cookies: [UInt64] = Array(repeating: 0, count: Int(firstVictim))
    /// When something that claims to be from an address last came.
    private var lastClaimed: [UInt8: Instant] = [:]

    private var heard = 0
    private var replied = 0
    private var paced = 0
    private var beats = 0

    /// What an echo can say: a heartbeat to the group, or to the receiver itself.
    func timestamp(_ choice: UInt8, at address: UInt8) -> UInt64 {
        if choice & 1 == 1, address < Self.firstVictim, let own = ownTimestamps[Int(address)].last { return own }
        return groupTimestamps.last ?? 0
    }

    /// What a STATUS can show: a receiver's own cookie, or for everybody else another one's.
    func cookie(_ choice: UInt8, at address: UInt8) -> UInt64 {
        choice & 1 == 1 && address < Self.firstVictim ? cookies[Int(address)] : cookies[Int(choice >> 1) % cookies.count]
    }

    // MARK: What comes

    mutating func take(_ datagram: [UInt8], from address: UInt8) {
        lastClaimed[address] = now
        heard += datagram.count
        let queued = engine.control.groupCount + engine.control.peerCount
        unsafe engine.handle(datagram: datagram.span.bytes, from: .ipv4(10, 0, 0, address, port: 4_000), at: now)
        let answers = engine.control.groupCount + engine.control.peerCount - queued
        require(answers <= 1, "one datagram was answered by \(answers)")
        drain()
    }

    mutating func sleep(_ interval: Interval) {
        now = now + interval
        handleTimers()
        encode()
        drain()
    }

    /// The source is read ahead as far as the engine allows.
    private mutating func encode() {
        let first = engine.chunkCount
        engine.encode(Bundle.records, at: now)
        held.formUnion((first..<engine.chunkCount).filter { Bundle.records[Int($0)].kind != .zero })
    }

    mutating func finishFetch(_ choice: Int) {
        guard !fetches.isEmpty else { return }
        let chunk = fetches.remove(at: choice % fetches.count)
        held.insert(chunk)
        engine.handle(.fetched(chunk: chunk), at: now)
        drain()
    }

    // MARK: What it asks, and what it says

    mutating func answer(_ event: SenderEvent) {
        switch event {
        case .release: break
        default: require(!isOver, "\(event) after the end")
        }
        switch event {
        case .fetch(let chunk):
            require(Int(chunk) < Bundle.chunkCount && Bundle.records[Int(chunk)].kind != .zero, "fetches chunk \(chunk)")
            require(!fetches.contains(chunk), "fetches chunk \(chunk) twice")
            fetches.append(chunk)
        case .outline(let chunk, let shape):
            require(held.contains(chunk), "outlines chunk \(chunk), which is not held")
            engine.handle(.outlined(chunk: chunk, LaneDigest.outline(of: Bundle.records[Int(chunk)], chunk: chunk, shape)), at: now)
        case .release(let chunk): require(held.remove(chunk) != nil, "releases chunk \(chunk), which is not held")
        case .finished: isOver = true
        case .started, .sentOnce, .unicastFallback, .rateChanged: break
        }
    }

    mutating func hear(_ speech: Transmit) {
        switch speech {
        case .data(let batch):
            require(held.contains(batch.chunk), "sends chunk \(batch.chunk), which is not held")
            require(batch.encodedLength == Bundle.records[Int(batch.chunk)].encodedLength, "\(batch)")
            for index in 0..<batch.count { require(!batch.payloadRange(at: index).isEmpty, "an empty packet of \(batch)") }
            checkStream(to: batch.destination)
            paced += batch.byteCount + batch.count * DatagramOverhead.bytes
        case .datagram(let bytes, let destination):
            guard let (header, packet) = unsafe try? Packet.parse(bytes.span.bytes) else { fatalError("says what nobody understands") }
            require(header.isUnicast == (destination != .group), "\(header) to \(destination)")
            check(packet, length: bytes.count, to: destination)
        }
    }

    private mutating func check(_ packet: Packet, length: Int, to destination: Destination) {
        switch packet {
        case .acknowledgement, .ncf:
            answer(with: length)
        case .attached(let attached):
            answer(with: length)
            if attached.verdict == .accepted, let address = Self.lastByte(of: destination), address < Self.firstVictim {
                cookies[Int(address)] = attached.cookie
            }
        case .page, .end, .outline:
            checkStream(to: destination)
            paced += length + DatagramOverhead.bytes
        case .heartbeat(let heartbeat):
            if let address = Self.lastByte(of: destination), address >= Self.firstVictim { answer(with: length) } else { beats += 1 }
            note(heartbeat.timestamp, to: destination)
        case .report: answer(with: length)
        // A statement is due by the clock, as a HEARTBEAT is, and nobody can ask for one.
        case .statement: beats += 1
        case .announce:
            // To an address it answers a SOLICITATION, or a child is served there.
            if case .peer(let address) = destination, !engine.unicastChildren.contains(where: { $0.address == address }) {
                answer(with: length)
            } else {
                beats += 1
            }
        case .data, .nak, .status, .solicitation, .attach, .detach, .advertisement, .query, .place, .refusal: fatalError("a sender does not say \(packet)")
        }
    }

    /// Whoever is spoken for must not hear more than was said in somebody's name.
    private mutating func answer(with length: Int) {
        replied += length
        require(replied <= heard, "\(replied) bytes in answer to \(heard)")
    }

    private mutating func note(_ timestamp: UInt64, to destination: Destination) {
        guard let address = Self.lastByte(of: destination) else {
            groupTimestamps = groupTimestamps.suffix(7) + [timestamp]
            return
        }
        let silence = now - (lastClaimed[address] ?? .zero)
        // Its last words are few, however far apart a host that sleeps says them.
        require(
            silence <= .seconds(60) || engine.sessionPhase == .leaving || engine.sessionPhase == .aborted,
            "heartbeats go on to .\(address), of which nothing came for \(silence.inSeconds) s")
        if address < Self.firstVictim { ownTimestamps[Int(address)] = ownTimestamps[Int(address)].suffix(7) + [timestamp] }
    }

    /// A stream goes to the group, or to who has shown that the address is its own.
    private func checkStream(to destination: Destination) {
        guard let address = Self.lastByte(of: destination) else { return }
        require(address < Self.firstVictim && cookies[Int(address)] != 0, "a stream to .\(address), which never asked for it")
    }

    private static func lastByte(of destination: Destination) -> UInt8? {
        guard case .peer(let address) = destination else { return nil }
        return UInt8(truncatingIfNeeded: address.low)
    }

    mutating func check() {
        let limits = Self.configuration
        let elapsed = (now - Self.start).inSeconds
        // The rate, a first burst, and one batch ahead of it.
        let allowance = Double(limits.rate.fixedRate ?? 0) / 8 * elapsed + 65_536 + 65_536
        require(Double(paced) <= allowance, "\(paced) bytes under the rate in \(elapsed) s")
        // ANNOUNCE (two while waiting) and HEARTBEAT at their fastest, and those to unicast children.
        let fastest = elapsed * (2 / 0.1 + 1 / 0.01 + Double(limits.unicast.maximumUnicastChildren) * (1 / 0.1 + 1 / 0.1))
        require(Double(beats) <= fastest + 32, "\(beats) ANNOUNCEs and HEARTBEATs in \(elapsed) s")
        require(engine.control.isEmpty && engine.events.isEmpty, "drained and not empty")
        require(engine.children.childCount <= limits.memory.maximumChildren, "\(engine.children.childCount) children")
        require(engine.unicastChildren.count <= limits.unicast.maximumUnicastChildren, "\(engine.unicastChildren.count) unicast children")
        require(engine.window.resident.count <= limits.memory.maximumResidentChunks + limits.memory.encodeAhead, "\(engine.window.resident.count) chunks held")
        require(fetches.count <= limits.memory.maximumFetches, "\(fetches.count) fetches")
        require(engine.pending.pages.ranges.count <= Bundle.chunkCount, "\(engine.pending.pages.ranges.count) ranges of pages")
        require(engine.rate == Double(limits.rate.fixedRate ?? 0), "a fixed rate became \(engine.rate)")
    }
}
