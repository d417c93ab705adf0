public import RMCPProtocol

/// A network of senders and receivers under one seeded clock: the same engines that the host runs, told of datagrams,
/// storage and time in an order that the seed alone decides.
///
/// ```
///   sender ──egress──▶ switch ──downlink of each receiver──▶ socket buffer ──▶ engine ──▶ disk
///      ▲─────────────────────────uplink of each receiver─────────────────────────┘
/// ```
/// Repair nodes stand in subnets, each behind a link of its own to the sender's.
public final class World: Population {
    enum Event: ShortEvent {
        case senderWake(Int)
        case senderWork(Int, SenderNode.Work)
        case arrival(NetworkArrival)
        case repairWake(Int, life: Int)
        case repairWork(Int, RepairNode.Session, RepairWork)
        case receiverRead(Int, life: Int)
        case receiverWake(Int, life: Int)
        case storage(Int, ReceiverNode.Session, StorageResult)
        case action(Int)
        case crossTraffic(Int, CrossTraffic.Step)
        case processor(ProcessorStep)
        case pace(PaceRecorder, Interval)

        var code: UInt64? {
            guard case .receiverWake(let index, let life) = self, index < 1 << 31, life < 1 << 31 else { return nil }
            return UInt64(life) << 32 | UInt64(index)
        }

        init?(code: UInt64) { self = .receiverWake(Int(code & 0xFFFF_FFFF), life: Int(code >> 32)) }
    }

    enum StorageResult {
        case stored(slot: Int32, chunk: UInt32)
        case rejected(slot: Int32, chunk: UInt32)
        case examined(slot: Int32, chunk: UInt32, wrong: IndexRangeSet)
        case checked(chunk: UInt32)
        case zeroed(Range<UInt32>)
        case committed(chunkCount: UInt32)
        /// The command after the bundle has ended.
        case hooked
    }

    public let seed: UInt64
    public static let start = Instant(nanoseconds: 1_000_000_000)
    /// State that every event touches.
    struct Core {
        var now = World.start
        var random: RandomSource
        var queue = EventQueue<Event>()
        var traceHash: UInt64
        var eventCount = 0
        var receivers: ContiguousArray<ReceiverNode> = []
        var delivery = Delivery()
        /// Places of the engines of receivers' first sessions.
        var places: ContiguousArray<InPlace<ReceiverEngine>?> = []
        /// Keeps the loads that fetch ahead from being optimised away; never read.
        var touched: UInt64 = 0
    }
    let core: InPlace<Core>
    var senders: [SenderNode] = []
    var repairNodes: [RepairNode] = []
    private var linkModels: [LinkModel: SharedLinkModel] = [:]
    var actions: [(World) -> Void] = []
    /// Other people's transfers, and what they and the senders got through.
    var crossTraffic: [CrossTraffic] = []
    var throughput = Throughput()
    var safety = Safety()
    /// Hosts that share processors; nil where each has enough of its own.
    var sharedHost: SharedHost?
    /// Cookies that parents have answered an ATTACH with, by who asked: strangers hear what is sent to their own addresses.
    var givenCookies: [SocketAddress: UInt64] = [:]
    /// Verdicts by which parents have turned down an ATTACH, by who asked last.
    var turnedDown: [SocketAddress: AttachAnswer.Verdict] = [:]
    /// Times at which datagrams came to senders, by source, where somebody wants to know.
    var heardFrom: [SocketAddress: [Instant]]?
    /// Datagrams that receivers have sent to each address, where somebody wants to know.
    var saidTo: [SocketAddress: Int]?
    /// Somebody who is no part of any session, and answers what receivers say to addresses that nobody has: told of it and of the address.
    var impostor: (([UInt8], SocketAddress) -> [UInt8]?)?
    /// Told of each control packet that a repair node says to its region.
    var eavesdropper: (([UInt8]) -> Void)?
    /// Called with a line for each event of interest, when somebody watches.
    public var trace: ((String) -> Void)?
    private var spins = 0
    /// The receiver that was last seen to be at work: while it is, the run is not over, whoever else is.
    private var busyReceiver = 0

    public init(seed: UInt64) {
        self.seed = seed
        core = InPlace(Core(random: RandomSource(seed: seed), traceHash: seed))
    }

    deinit { core.destroy() }

    public internal(set) var now: Instant {
        get { core.value.now }
        set { core.value.now = newValue }
    }
    var random: RandomSource {
        _read { yield core.value.random }
        _modify { yield &core.value.random }
    }
    var queue: EventQueue<Event> {
        _read { yield core.value.queue }
        _modify { yield &core.value.queue }
    }
    var receivers: ContiguousArray<ReceiverNode> {
        _read { yield core.value.receivers }
        _modify { yield &core.value.receivers }
    }
    var delivery: Delivery {
        _read { yield core.value.delivery }
        _modify { yield &core.value.delivery }
    }
    /// Violations of what must never happen.
    public var violations: [String] { safety.violations }
    /// Changes with everything that happens, and when: two runs with the same hash were the same run.
    public private(set) var traceHash: UInt64 {
        get { core.value.traceHash }
        set { core.value.traceHash = newValue }
    }
    /// Events until now; multicast counts at each node that it comes to.
    public internal(set) var eventCount: Int {
        get { core.value.eventCount }
        set { core.value.eventCount = newValue }
    }

    // MARK: Building

    static let secret: UInt64 = 0x5EED
    var trustedKeys: Set<PublicKey> { [SimulatedSigner(secret: Self.secret).publicKey] }

    /// - Parameter session: nil draws a new one, as `rmcp send` does.
    /// - Returns: the sender's index.
    @discardableResult
    public func addSender(
        content: SimulatedContent, configuration: Configuration, egress: LinkModel = LinkModel(), name: String = "image",
        host: SenderHostModel = SenderHostModel(), session: SessionID? = nil, isSigned: Bool = true
    ) -> Int {
        let session = session ?? SessionID(high: random.next(), low: random.next())
        safety.contents[session] = content
        let signer: any MessageSigner = isSigned ? SimulatedSigner(secret: Self.secret) : NoSigner()
        let announce = Announce(
            session: session, kind: .file, chunkLength: content.chunkLength, payloadLength: 1_376, creationTime: 0,
            contentLength: content.length, allocatedLength: content.length, mode: 0o644, modificationTime: nil, name: name,
            key: signer.publicKey)
        let seed = random.next()
        let engine = SenderEngine(
            configuration: configuration, announce: announce, signer: signer, digest: SimulatedDigest(), verifier: SimulatedVerifier(),
            seed: seed, secret: CookieSecret(simulatedWith: seed), at: now)
        let node = SenderNode(index: senders.count, content: content, engine: engine, host: host, egress: Link(model: egress), start: Self.start)
        senders.append(node)
        delivery.senderCount = senders.count
        drive(node)
        return node.index
    }

    /// - Returns: the receiver's index.
    @discardableResult
    public func addReceiver(
        configuration: Configuration, downlink: LinkModel = LinkModel(), uplink: LinkModel = LinkModel(),
        host: ReceiverHostModel = ReceiverHostModel(), subnet: Int = 0
    ) -> Int {
        addReceiver(sharing: SharedConfiguration(configuration), downlink: downlink, uplink: uplink, host: host, subnet: subnet)
    }

    /// The same for one of many.
    @discardableResult
    public func addReceiver(
        sharing configuration: SharedConfiguration, downlink: LinkModel = LinkModel(), uplink: LinkModel = LinkModel(),
        host: ReceiverHostModel = ReceiverHostModel(), subnet: Int = 0
    ) -> Int {
        receivers.append(
            ReceiverNode(
                index: receivers.count, subnet: subnet, uplink: Link(sharing: sharedModel(uplink)), host: host, configuration: configuration,
                trustedKeys: trustedKeys, seed: refusalSeed(of: receivers.count, life: 0)))
        delivery.addReceiver(downlink: Link(sharing: sharedModel(downlink)), subnet: subnet)
        core.value.places.append(nil)
        return receivers.count - 1
    }

    /// Drawn from nobody else's numbers: what refusing takes changes nothing of what others draw.
    func refusalSeed(of receiver: Int, life: Int) -> UInt64 { seed ^ (UInt64(receiver) << 32 | UInt64(life)) }

    /// One object for all links that are alike.
    private func sharedModel(_ model: LinkModel) -> SharedLinkModel {
        if let known = linkModels[model] { return known }
        let shared = SharedLinkModel(model)
        linkModels[model] = shared
        return shared
    }

    /// Something that the scenario does to the world, `after` its start.
    public func after(_ interval: Interval, _ action: @escaping (World) -> Void) {
        actions.append(action)
        queue.schedule(.action(actions.count - 1), at: Self.start + interval)
    }

    // MARK: Running

    /// Runs until every sender is done and no receiver has a session, or until `limit` after the start.
    public func run(limit: Interval) {
        let end = Self.start + limit
        while let time = queue.nextTime, time <= end, let event = queue.popFirst() {
            if time > now { spins = 0 } else { spins += 1 }
            if spins == spinLimit {
                safety.report("the same instant never ends: \(event) is due over and over; \(senders.map { "rate \($0.engine.rate)" })")
                return
            }
            now = time
            eventCount += 1
            perform(event)
            if isOver { return }
        }
        now = max(now, queue.nextTime == nil ? now : end)
    }

    /// Every node may have something to do at one instant, such as reading what was multicast.
    private var spinLimit: Int { 200_000 + 10 * (receivers.count + repairNodes.count) }

    private var isOver: Bool {
        // Looked at after every event: what is cheap and mostly decides comes first, and the search goes on from where
        // it last ended.
        if pendingActions > 0 || (busyReceiver < receivers.count && isBusy(receiver: busyReceiver)) { return false }
        for sender in senders where sender.isRunning && !sender.engine.isFinished { return false }
        for _ in receivers.indices {
            if isBusy(receiver: busyReceiver) { return false }
            busyReceiver = (busyReceiver + 1) % receivers.count
        }
        return true
    }

    /// Repair nodes serve on when the sender has gone: whoever is there gets something, or its scenario's time runs out.
    private func isBusy(receiver index: Int) -> Bool {
        if receivers[index].first != nil { return true }
        guard !repairNodes.isEmpty, receivers[index].isRunning else { return false }
        return receivers[index].record.completed.isEmpty && receivers[index].record.failed.isEmpty
    }

    private var performedActions = 0
    private var pendingActions: Int { actions.count - performedActions }

    private func perform(_ event: Event) {
        switch event {
        case .arrival(let arrival): arrive(arrival)
        case .senderWake(let index):
            let sender = senders[index]
            guard sender.nextWake <= now else { return }
            note(1, index)
            drive(sender)
        case .senderWork(let index, let work):
            let sender = senders[index]
            guard sender.isRunning else { return }
            if sender.threads == nil { sender.finish(work, at: now) } else { sender.enqueue(work) }
            drive(sender)
        case .receiverRead(let index, let life):
            let node = receivers[index]
            guard node.life == life, node.isRunning else { return }
            node.isReading = false
            note(3, index)
            readSocket(of: node)
        case .receiverWake(let index, let life):
            let node = receivers[index]
            guard node.life == life, node.nextWake <= now else { return }
            note(4, index)
            node.nextWake = .distantFuture
            attend(to: node)
        case .storage(let index, let session, let result):
            receivers[index].storing -= 1
            guard !session.isOver else { return }
            note(5, index)
            finishStorage(of: receivers[index], session: session, result)
        case .repairWake(let index, let life):
            let node = repairNodes[index]
            guard node.life == life, node.nextWake <= now else { return }
            note(7, index)
            node.nextWake = .distantFuture
            drive(node)
        case .repairWork(let index, let session, let work):
            guard !session.isOver else { return }
            note(8, index)
            finishWork(of: repairNodes[index], session: session, work)
        case .action(let index):
            performedActions += 1
            actions[index](self)
        case .crossTraffic(let index, let step): perform(step, ofCrossTraffic: index)
        case .processor(let step): perform(step)
        case .pace(let recorder, let interval): record(into: recorder, every: interval)
        }
    }

    private func arrive(_ arrival: NetworkArrival) {
        switch arrival {
        case .atSender(let index, let bytes, let arrival):
            guard senders[index].isRunning else { return }
            note(2, index)
            take(bytes, arrival, at: senders[index])
        case .atReceiver(let index, let payload, let arrival): arrive(payload, arrival, at: receivers[index])
        case .atReceivers(let group): arrive(group)
        case .atRepairNode(let index, let socket, let payload, let arrival):
            guard repairNodes[index].isRunning else { return }
            note(6, index)
            arrive(payload, arrival, at: repairNodes[index], socket: socket)
        }
    }

    func note(_ code: UInt64, _ index: Int) {
        traceHash = Hash.mix(traceHash, UInt64(bitPattern: now.nanoseconds), code << 32 | UInt64(index))
    }

    func log(_ text: @autoclosure () -> String) {
        guard let trace else { return }
        let microseconds = (now - Self.start).nanoseconds / 1_000
        trace("\(microseconds) us  \(text())")
    }
}

/// Signs nothing.
struct NoSigner: MessageSigner {
    var publicKey: PublicKey { .none }
    func signature(for message: [UInt8]) -> Signature { .none }
}
