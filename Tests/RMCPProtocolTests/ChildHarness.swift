import TestSupport
import Testing

@testable import RMCPProtocol

/// A receiver among parents that say heartbeats and answer what they are asked, or do not.
struct ChildHarness: EngineHost {
    struct Parent {
        let id: UInt32
        /// Routers between it and the child.
        var hops: UInt8
        var path: [UInt32]
        var load: UInt32 = 0
        var watermark: UInt32 = 0
        var phase = SessionPhase.streaming
        var pageCount: UInt32 = 0
        var position = StreamPosition.start
        var speaks = true
        var verdict: AttachAnswer.Verdict? = .accepted
        var confirmsDetach = true
        /// As its HEARTBEAT says it.
        var distance: UInt8 = 0
        /// What its child said last, and how often it was asked for what.
        var report: StatusReport?
        var reportSequence: UInt32 = 0
        var attaches: [Instant] = []
        var detaches: [Instant] = []
        var naks: [Instant] = []

        init(id: UInt32, hops: UInt8, path: [UInt32] = []) {
            self.id = id
            self.hops = hops
            self.path = path
        }

        var address: SocketAddress { .ipv4(10, 0, 1, UInt8(truncatingIfNeeded: id), port: 4_000) }
        var cookie: UInt64 { UInt64(id) << 8 | 1 }
    }

    static let identity: UInt32 = 1_000
    static let senderID: UInt32 = 1
    static let announce = Announce.sample("child", contentLength: 80_000, allocatedLength: 80_000)

    var engine: ReceiverEngine
    var now = Instant.milliseconds(1)
    var parents: [Parent]
    private(set) var events: [ReceiverEvent] = []
    private var nextBeat: Instant

    /// The sender is the first parent, `hops` away.
    init(hops: UInt8 = 2, role: ReceiverRole = .leaf, expectsRepairNodes: Bool = false, change: (inout Configuration) -> Void = { _ in }) {
        var configuration = Configuration()
        change(&configuration)
        parents = [Parent(id: Self.senderID, hops: hops)]
        nextBeat = now
        engine = ReceiverEngine(
            identity: Self.identity, configuration: configuration, announce: Self.announce, source: parents[0].address,
            transmitter: Self.senderID, role: role, isResumable: false, expectsRepairNodes: expectsRepairNodes, verifier: LaneVerifier(), digest: LaneDigest(),
            seed: 3, at: now)
    }

    /// A repair node right below the sender.
    mutating func addNode(_ id: UInt32, hops: UInt8, change: (inout Parent) -> Void = { _ in }) {
        var parent = Parent(id: id, hops: hops, path: [Self.senderID])
        change(&parent)
        parents.append(parent)
    }

    func parent(_ id: UInt32) -> Parent? { parents.first { $0.id == id } }

    mutating func change(_ id: UInt32, _ body: (inout Parent) -> Void) {
        guard let index = parents.firstIndex(where: { $0.id == id }) else { return }
        body(&parents[index])
    }

    /// How long it took until `condition` held; nil when it did not within `limit`.
    mutating func run(for limit: Interval, until condition: (ChildHarness) -> Bool = { _ in false }) -> Interval? {
        let start = now
        while now - start < limit {
            if condition(self) { return now - start }
            step()
        }
        return condition(self) ? now - start : nil
    }

    mutating func step() {
        now = now + .milliseconds(5)
        if now >= nextBeat {
            nextBeat = now + .milliseconds(50)
            for index in parents.indices where parents[index].speaks { beat(index) }
        }
        handleTimers()
    }

    mutating func say(_ packet: Packet, from parent: Parent, isUnicast: Bool = false, timeToLive: UInt8? = nil) {
        let sent = datagram(packet, isUnicast: isUnicast, tag: Self.announce.session.tag, transmitter: parent.id)
        _ = engine.handle(datagram: sent.span.bytes, arrival: Arrival(source: parent.address, timeToLive: timeToLive, at: now), at: now)
        drain()
    }

    private mutating func beat(_ index: Int) {
        let parent = parents[index]
        let heartbeat = Heartbeat.sample(
            parent.phase, timestamp: UInt64(now.nanoseconds / 1_000), position: parent.position, pageCount: parent.pageCount,
            place: TreePlace(path: parent.path, timeToLive: 8, distance: parent.distance, load: parent.load, watermark: parent.watermark))
        say(.heartbeat(heartbeat), from: parent, timeToLive: 8 - parent.hops)
    }

    mutating func answer(_ event: ReceiverEvent) { events.append(event) }

    mutating func hear(_ speech: ReceiverEngine.Speech) {
        guard let (header, packet) = try? parse(speech.bytes) else { return fail("says what nobody understands") }
        answer(header, packet, at: speech.destination)
    }

    func fail(_ message: String) { Issue.record("\(message)") }

    private mutating func answer(_ header: PacketHeader, _ packet: Packet, at destination: SocketAddress) {
        guard let index = parents.firstIndex(where: { $0.address == destination }) else {
            Issue.record("speaks to \(destination)")
            return
        }
        switch packet {
        case .status(let report):
            guard parents[index].speaks else { return }
            parents[index].report = report
            parents[index].reportSequence = header.sequence
        case .nak: parents[index].naks.append(now)
        case .attach(let request):
            parents[index].attaches.append(now)
            let parent = parents[index]
            guard let verdict = parent.verdict, parent.speaks else { return }
            let cookie = verdict == .accepted ? parent.cookie : 0
            say(.attached(AttachAnswer(nonce: request.nonce, verdict: verdict, cookie: cookie)), from: parent, isUnicast: true)
        case .detach(let cookie):
            parents[index].detaches.append(now)
            let parent = parents[index]
            #expect(cookie == 0 || cookie == parent.cookie)
            guard parent.confirmsDetach, parent.speaks else { return }
            parents[index].report = nil
            say(.acknowledgement(sequence: header.sequence), from: parent, isUnicast: true)
        default: Issue.record("a child does not say \(packet)")
        }
    }
}
