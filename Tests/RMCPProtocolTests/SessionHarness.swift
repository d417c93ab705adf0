import TestSupport
import Testing

@testable import RMCPProtocol

/// A receiver engine and the least that a host does for it.
struct HarnessReceiver: EngineHost {
    static let senderAddress = SocketAddress.ipv4(10, 0, 0, 1, port: 4_000)

    var engine: ReceiverEngine
    var now: Instant
    private var memory: SlotMemory
    /// Datagrams that it has said since somebody last took them.
    var said: [[UInt8]] = []
    var stored: [UInt32: [UInt8]] = [:]
    var outcome: ReceiverState?
    /// Its disk takes its time over the commit.
    var flushesLong = false
    /// Its disk takes its time over every chunk.
    var holdsAssembled = false
    private(set) var heldBack: [(slot: Int, chunk: UInt32)] = []

    init(number: Int, configuration: Configuration, sender: SenderEngine, isResumable: Bool, at now: Instant) {
        self.now = now
        engine = ReceiverEngine(
            identity: 1_000 + UInt32(number), configuration: configuration, announce: sender.announce,
            source: Self.senderAddress, transmitter: sender.transmitterID, isResumable: isResumable,
            verifier: LaneVerifier(), digest: LaneDigest(), seed: 50 + UInt64(number), at: now)
        memory = SlotMemory(slots: configuration.memory.assemblySlots, chunkLength: Int(sender.announce.chunkLength))
    }

    mutating func take(_ datagram: [UInt8], at now: Instant) {
        self.now = now
        if let placement = engine.handle(datagram: datagram.span.bytes, arrival: Arrival(source: Self.senderAddress, at: now), at: now) {
            memory.place(placement, of: datagram)
        }
        drain()
    }

    mutating func hear(_ speech: ReceiverEngine.Speech) { said.append(speech.bytes) }

    mutating func answer(_ event: ReceiverEvent) {
        switch event {
        case .consult(let chunks): for chunk in chunks { engine.handle(.absent(chunk: chunk), at: now) }
        case .assembled(let slot, let chunk, _) where holdsAssembled: heldBack.append((slot, chunk))
        case .assembled(let slot, let chunk, let record):
            let encoded = memory.takeBack(slot, record)
            if LaneDigest().digest(of: encoded) == record.encodedDigest {
                stored[chunk] = encoded
                engine.handle(.stored(slot: slot, chunk: chunk), at: now)
            } else {
                engine.handle(.rejected(slot: slot, chunk: chunk), at: now)
            }
        case .examine(let slot, let chunk, let shape, _): engine.handle(.examined(slot: slot, chunk: chunk, wrong: .all(of: shape)), at: now)
        case .zeros(let chunks): engine.handle(.storedZeros(chunks), at: now)
        case .rejoin, .deaf, .parentChanged, .parentMoved, .refused, .untrusted, .page, .end, .announced, .statement: break
        case .commit where flushesLong: break
        case .commit: engine.handle(.committed, at: now)
        case .finished(let state): outcome = state
        }
    }

    func fail(_ message: String) { Issue.record("\(message)") }
}

/// A sender and its receivers on a network that delivers in the next step of time what `delivers` lets through. A value,
/// so that a session can be copied in its middle.
struct SessionHarness {
    static let chunkLength = 8_000
    static let step = Interval.microseconds(200)

    let chunkTotal: UInt32
    private let records: [ChunkRecord]
    var now = Instant.milliseconds(1)
    var sender: SenderEngine
    var receivers: [HarnessReceiver] = []
    /// Receiver, datagram.
    var delivers: (Int, [UInt8]) -> Bool = { _, _ in true }
    fileprivate var toReceivers: [[UInt8]] = []
    private var toSender: [(Int, [UInt8])] = []
    /// What went over the wire, if it is asked for.
    var isRecording = false
    private(set) var recorded: [PacketKind: [[UInt8]]] = [:]
    private(set) var statuses: [(receiver: Int, report: StatusReport)] = []
    fileprivate(set) var outcome: SenderOutcome?

    init(
        signer: any MessageSigner, receivers count: Int, chunks: UInt32 = 40, isResumable: Bool = false,
        change: (inout Configuration) -> Void = { _ in }
    ) {
        var configuration = Configuration()
        configuration.joining.waitForReceivers = count
        configuration.joining.minimumWait = .milliseconds(50)
        change(&configuration)
        chunkTotal = chunks
        let announce = Announce.sample(
            "harness", chunkLength: UInt32(Self.chunkLength), payloadLength: 400, contentLength: UInt64(chunks) * UInt64(Self.chunkLength))
        records = (0..<chunks).map { ChunkRecord.sample(of: Self.content(of: $0), contentLength: Self.chunkLength) }
        sender = SenderEngine(configuration: configuration, announce: announce, signer: signer, digest: LaneDigest(), seed: 7, at: now)
        for number in 0..<count {
            receivers.append(
                HarnessReceiver(number: number, configuration: configuration, sender: sender, isResumable: isResumable, at: now))
        }
    }

    /// Every seventh chunk is a hole.
    static func content(of chunk: UInt32) -> [UInt8] { chunk % 7 == 6 ? [] : randomBytes(chunkLength, seed: UInt64(chunk)) }

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
            receivers[number].now = now
            receivers[number].handleTimers()
            for datagram in receivers[number].said {
                note(datagram)
                toSender.append((number, datagram))
            }
            receivers[number].said = []
        }
        sender.encode(records, at: now)
        handleTimers()
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

    private mutating func note(_ datagram: [UInt8]) {
        guard isRecording, let kind = try? PacketHeader(of: datagram.span.bytes).kind, recorded[kind, default: []].count < 200 else {
            return
        }
        recorded[kind, default: []].append(datagram)
    }

    /// A datagram that looks as if the sender had put it on the wire, outside the multicast sequence.
    func forged(_ packet: Packet) -> [UInt8] {
        datagram(packet, isUnicast: true, tag: sender.session.tag, transmitter: sender.transmitterID)
    }
}

/// The host of its sender.
extension SessionHarness: EngineHost {
    var engine: SenderEngine {
        _read { yield sender }
        _modify { yield &sender }
    }

    mutating func answer(_ event: SenderEvent) {
        switch event {
        case .fetch(let chunk): sender.handle(.fetched(chunk: chunk), at: now)
        case .outline(let chunk, let shape):
            guard let record = sender.record(of: chunk) else { break }
            sender.handle(.outlined(chunk: chunk, LaneDigest.outline(of: record, chunk: chunk, shape)), at: now)
        case .finished(let outcome): self.outcome = outcome
        case .started, .release, .sentOnce, .unicastFallback, .rateChanged: break
        }
    }

    mutating func hear(_ speech: Transmit) {
        for datagram in speech.datagrams(encoded: Self.content) {
            note(datagram)
            // Nobody else's acknowledgement reaches a receiver.
            if case .peer(let address) = speech.destination {
                let number = Int(address.low & 0xFF)
                if delivers(number, datagram) { receivers[number].take(datagram, at: now) }
            } else {
                toReceivers.append(datagram)
            }
        }
    }

    func fail(_ message: String) { Issue.record("\(message)") }
}
