import Testing

@testable import RMCPProtocol

/// Signs nothing, as `--unsigned` does: what is forged gets past the signatures.
struct NoSigner: MessageSigner {
    var publicKey: PublicKey { .none }
    func signature(for message: [UInt8]) -> Signature { .none }
}

/// A receiver engine and the least that a host does for it.
struct HarnessReceiver {
    static let senderAddress = SocketAddress.ipv4(10, 0, 0, 1, port: 4_000)

    var engine: ReceiverEngine
    var buffers: [[UInt8]]
    var stored: [UInt32: [UInt8]] = [:]
    var outcome: ReceiverState?
    /// Its disk takes its time over the commit.
    var flushesLong = false
    /// Its disk takes its time over every chunk.
    var holdsAssembled = false
    private(set) var heldBack: [(slot: Int, chunk: UInt32)] = []

    init(number: Int, configuration: Configuration, sender: SenderEngine, isResumable: Bool, at now: Instant) {
        engine = ReceiverEngine(
            identity: 1_000 + UInt32(number), configuration: configuration, announce: sender.announce,
            source: Self.senderAddress, transmitter: sender.transmitterID, isResumable: isResumable,
            verifier: LaneVerifier(), digest: LaneDigest(), seed: 50 + UInt64(number), at: now)
        buffers = Array(
            repeating: Array(repeating: 0, count: Int(sender.announce.chunkLength)), count: configuration.memory.assemblySlots)
    }

    mutating func take(_ datagram: [UInt8], at now: Instant) {
        if let placement = engine.handle(datagram: datagram.span.bytes, arrival: Arrival(source: Self.senderAddress, at: now), at: now) {
            let source = placement.payloadOffset..<placement.payloadOffset + placement.length
            buffers[placement.slot].replaceSubrange(placement.offset..<placement.offset + placement.length, with: datagram[source])
        }
        answerEvents(at: now)
    }

    mutating func answerEvents(at now: Instant) {
        while let event = engine.pollEvent() {
            switch event {
            case .consult(let chunks): for chunk in chunks { engine.handle(.absent(chunk: chunk), at: now) }
            case .assembled(let slot, let chunk, _) where holdsAssembled: heldBack.append((slot, chunk))
            case .assembled(let slot, let chunk, let record):
                let encoded = Array(buffers[slot].prefix(Int(record.encodedLength)))
                if LaneDigest().digest(of: encoded) == record.encodedDigest {
                    stored[chunk] = encoded
                    engine.handle(.stored(slot: slot, chunk: chunk), at: now)
                } else {
                    engine.handle(.rejected(slot: slot, chunk: chunk), at: now)
                }
            case .zeros(let chunks): engine.handle(.storedZeros(chunks), at: now)
            case .rejoin, .deaf, .parentChanged, .refused, .page, .end, .announced: break
            case .commit where flushesLong: break
            case .commit: engine.handle(.committed, at: now)
            case .finished(let state): outcome = state
            }
        }
    }
}

/// A sender and its receivers on a network that delivers in the next step of time what `delivers` lets through. A value,
/// so that a session can be copied in its middle.
struct SessionHarness {
    static let chunkLength = 8_000
    static let step = Interval.microseconds(200)

    let chunkTotal: UInt32
    private(set) var now = Instant.milliseconds(1)
    var sender: SenderEngine
    var receivers: [HarnessReceiver] = []
    /// Receiver, datagram.
    var delivers: (Int, [UInt8]) -> Bool = { _, _ in true }
    private var toReceivers: [[UInt8]] = []
    private var toSender: [(Int, [UInt8])] = []
    /// What went over the wire, if it is asked for.
    var isRecording = false
    private(set) var recorded: [PacketKind: [[UInt8]]] = [:]
    private(set) var statuses: [(receiver: Int, report: StatusReport)] = []
    private(set) var outcome: SenderOutcome?

    init(
        signer: any MessageSigner, receivers count: Int, chunks: UInt32 = 40, isResumable: Bool = false,
        change: (inout Configuration) -> Void = { _ in }
    ) {
        var configuration = Configuration()
        configuration.joining.waitForReceivers = count
        configuration.joining.minimumWait = .milliseconds(50)
        change(&configuration)
        chunkTotal = chunks
        let announce = Announce(
            session: SessionID(high: 0x0102_0304_0000_0000, low: 9), kind: .file, chunkLength: UInt32(Self.chunkLength),
            payloadLength: 400, creationTime: 0, contentLength: UInt64(chunks) * UInt64(Self.chunkLength), allocatedLength: 0,
            mode: 0o644, modificationTime: nil, name: "harness", key: .none)
        sender = SenderEngine(configuration: configuration, announce: announce, signer: signer, digest: LaneDigest(), seed: 7, at: now)
        for number in 0..<count {
            receivers.append(
                HarnessReceiver(number: number, configuration: configuration, sender: sender, isResumable: isResumable, at: now))
        }
    }

    /// Every seventh chunk is a hole.
    static func content(of chunk: UInt32) -> [UInt8] {
        guard chunk % 7 != 6 else { return [] }
        var random = RandomSource(seed: UInt64(chunk))
        return (0..<chunkLength).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }

    private static func record(of chunk: UInt32) -> ChunkRecord {
        let content = content(of: chunk)
        guard !content.isEmpty else { return .zero(contentLength: UInt32(chunkLength)) }
        let digest = LaneDigest().digest(of: content)
        return ChunkRecord(
            kind: .stored, contentLength: UInt32(chunkLength), encodedLength: UInt32(chunkLength), encodedDigest: digest,
            contentDigest: digest)
    }

    /// Whether every receiver has said that it is done and has what was sent.
    var isWhole: Bool {
        receivers.allSatisfy { receiver in
            receiver.outcome == .complete
                && (0..<chunkTotal).allSatisfy { receiver.stored[$0, default: []] == Self.content(of: $0) }
        }
    }

    /// Steps until `condition` holds; false when it does not within `limit`.
    mutating func run(for limit: Interval = .seconds(20), until condition: (SessionHarness) -> Bool) -> Bool {
        let end = now + limit
        while now < end {
            if condition(self) { return true }
            advance()
        }
        return condition(self)
    }

    mutating func advance() {
        now = now + Self.step
        deliver()
        for number in receivers.indices {
            if let due = receivers[number].engine.pollTimeout(), due <= now { receivers[number].engine.handleTimeout(at: now) }
            receivers[number].answerEvents(at: now)
            while let datagram = receivers[number].engine.pollTransmit(at: now)?.bytes {
                note(datagram)
                toSender.append((number, datagram))
            }
        }
        runSender()
    }

    private mutating func deliver() {
        let arriving = (toReceivers, toSender)
        toReceivers = []
        toSender = []
        for datagram in arriving.0 {
            for number in receivers.indices where delivers(number, datagram) { receivers[number].take(datagram, at: now) }
        }
        for (number, datagram) in arriving.1 {
            if case .status(let report)? = try? parse(datagram).1 { statuses.append((number, report)) }
            sender.handle(datagram: datagram.span.bytes, from: .ipv4(10, 0, 1, UInt8(number), port: 5_000), at: now)
        }
    }

    private mutating func runSender() {
        for _ in 0..<max(0, sender.encodeCredit) where sender.chunkCount < chunkTotal {
            sender.handle(.encoded(Self.record(of: sender.chunkCount)), at: now)
        }
        if sender.chunkCount == chunkTotal { sender.handle(.ended, at: now) }
        if let due = sender.pollTimeout(at: now), due <= now { sender.handleTimeout(at: now) }
        while let transmit = sender.pollTransmit(at: now) {
            switch transmit {
            case .datagram(let bytes, let destination):
                note(bytes)
                // Nobody else's acknowledgement reaches a receiver.
                if case .peer(let address) = destination {
                    let number = Int(address.low & 0xFF)
                    if delivers(number, bytes) { receivers[number].take(bytes, at: now) }
                } else {
                    toReceivers.append(bytes)
                }
            case .data(let batch):
                for datagram in Self.datagrams(of: batch) {
                    note(datagram)
                    toReceivers.append(datagram)
                }
            }
        }
        while let event = sender.pollEvent() {
            switch event {
            case .fetch(let chunk): sender.handle(.fetched(chunk: chunk), at: now)
            case .finished(let outcome): self.outcome = outcome
            case .started, .release, .sentOnce, .unicastFallback, .rateChanged: break
            }
        }
    }

    private mutating func note(_ datagram: [UInt8]) {
        guard isRecording, let kind = try? PacketHeader(of: datagram.span.bytes).kind, recorded[kind, default: []].count < 200 else {
            return
        }
        recorded[kind, default: []].append(datagram)
    }

    private static func datagrams(of batch: DataBatch) -> [[UInt8]] {
        let content = content(of: batch.chunk)
        return (0..<batch.count).map { index in
            var datagram = [UInt8](repeating: 0, count: DataHeader.length)
            datagram.withUnsafeMutableBytes { buffer in
                var span = buffer.mutableBytes
                batch.writeHeader(at: index, into: &span)
            }
            return datagram + content[batch.payloadRange(at: index)]
        }
    }

    /// A datagram that looks as if the sender had put it on the wire, outside the multicast sequence.
    func forged(_ packet: Packet) -> [UInt8] {
        datagram(packet, isUnicast: true, tag: sender.session.tag, transmitter: sender.transmitterID)
    }
}
