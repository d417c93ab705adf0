public import RMCPProtocol

/// A network of senders and receivers under one seeded clock: the same engines that the host runs, told of datagrams,
/// storage and time in an order that the seed alone decides.
///
/// ```
///   sender ──egress──▶ switch ──downlink of each receiver──▶ socket buffer ──▶ engine ──▶ disk
///      ▲─────────────────────────uplink of each receiver─────────────────────────┘
/// ```
/// Repair nodes stand in subnets, each behind a link of its own to the sender's.
public final class World {
    enum Event: ShortEvent {
        case senderWake(Int)
        case senderWork(Int, SenderNode.Work)
        case senderArrival(Int, [UInt8], SocketAddress)
        case receiverArrival(Int, Payload, SocketAddress, timeToLive: UInt8?)
        case groupArrival(GroupArrival)
        case repairArrival(Int, Payload, SocketAddress, timeToLive: UInt8?, RepairSocket)
        case repairWake(Int, life: Int)
        case repairWork(Int, RepairNode.Session, RepairWork)
        case receiverRead(Int, life: Int)
        case receiverWake(Int, life: Int)
        case storage(Int, ReceiverNode.Session, StorageResult)
        case action(Int)
        case crossTraffic(Int, CrossTraffic.Step)

        var code: UInt64? {
            guard case .receiverWake(let index, let life) = self, index < 1 << 31, life < 1 << 31 else { return nil }
            return UInt64(life) << 32 | UInt64(index)
        }

        init?(code: UInt64) { self = .receiverWake(Int(code & 0xFFFF_FFFF), life: Int(code >> 32)) }
    }

    enum StorageResult {
        case stored(slot: Int32, chunk: UInt32)
        case rejected(slot: Int32, chunk: UInt32)
        case checked(chunk: UInt32)
        case zeroed(Range<UInt32>)
        case committed(chunkCount: UInt32)
        /// The command after the bundle has ended.
        case hooked
    }

    public let seed: UInt64
    public static let start = Instant(nanoseconds: 1_000_000_000)
    /// What every event touches.
    struct Core {
        var now = World.start
        var random: RandomSource
        var queue = EventQueue<Event>()
        var traceHash: UInt64
        var eventCount = 0
        var receivers: ContiguousArray<ReceiverNode> = []
        /// The links down to them, and whether the network delivers the group there: apart, and in the order of indices, since all
        /// that is multicast goes through them.
        var downlinks: ContiguousArray<Link> = []
        var isMember: ContiguousArray<Bool> = []
        /// Where the engine of each one's first session is.
        var places: ContiguousArray<InPlace<ReceiverEngine>?> = []
        /// Of no meaning.
        var touched: UInt64 = 0
    }
    let core: InPlace<Core>
    var senders: [SenderSite] = []
    private var linkModels: [LinkModel: SharedLinkModel] = [:]
    var repairNodes: [RepairSite] = []
    /// Who is where, in the order of indices: a region's multicast costs what its subnets hold, not what the world does.
    private var receiversOfSubnet: [Int: [Int]] = [:]
    private var repairNodesOfSubnet: [Int: [Int]] = [:]
    /// Routers between a subnet and the senders, where that is not one.
    private var distances: [Int: Int] = [:]
    /// Links between subnets and the senders, which are in subnet 0; those without a model neither lose nor delay.
    var subnets: [Int: Link] = [:]
    var sortedSubnets: [Int]?
    var actions: [(World) -> Void] = []
    var contents: [SessionID: SimulatedContent] = [:]
    /// Other people's transfers, and what they and the senders got through.
    var crossTraffic: [CrossTraffic] = []
    public internal(set) var throughput: [ThroughputSample] = []
    /// What must never happen, and did.
    public internal(set) var violations: [String] = []
    /// What parents have answered an ATTACH with, by who asked: strangers hear what is sent to their own addresses.
    var givenCookies: [SocketAddress: UInt64] = [:]
    /// Called with a line for each event of interest, when somebody watches.
    public var trace: ((String) -> Void)?
    private var spins = 0
    /// The receiver that was last seen to be at work: while it is, the run is not over, whoever else is.
    private var busyReceiver = 0

    struct SenderSite {
        var node: SenderNode
        var egress: Link
        var isRunning = true
        var nextWake = Instant.distantFuture
        /// What came to it, and when.
        var feedback = FeedbackMeter()
    }

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
    var downlinks: ContiguousArray<Link> {
        _read { yield core.value.downlinks }
        _modify { yield &core.value.downlinks }
    }
    var isMember: ContiguousArray<Bool> {
        _read { yield core.value.isMember }
        _modify { yield &core.value.isMember }
    }
    /// Changes with everything that happens, and when: two runs with the same hash were the same run.
    public private(set) var traceHash: UInt64 {
        get { core.value.traceHash }
        set { core.value.traceHash = newValue }
    }
    /// What is multicast counts at each node that it comes to.
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
        contents[session] = content
        let signer: any MessageSigner = isSigned ? SimulatedSigner(secret: Self.secret) : NoSigner()
        let announce = Announce(
            session: session, kind: .file, chunkLength: content.chunkLength, payloadLength: 1_376, creationTime: 0,
            contentLength: content.length, allocatedLength: content.length, mode: 0o644, modificationTime: nil, name: name,
            key: signer.publicKey)
        let engine = SenderEngine(
            configuration: configuration, announce: announce, signer: signer, digest: SimulatedDigest(),
            seed: random.next(), at: now)
        senders.append(SenderSite(node: SenderNode(content: content, engine: engine, host: host), egress: Link(model: egress)))
        driveSender(senders.count - 1)
        return senders.count - 1
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
                trustedKeys: trustedKeys))
        downlinks.append(Link(sharing: sharedModel(downlink)))
        isMember.append(true)
        core.value.places.append(nil)
        if receiversOfSubnet[subnet] == nil { sortedSubnets = nil }
        receiversOfSubnet[subnet, default: []].append(receivers.count - 1)
        return receivers.count - 1
    }

    /// One object for all links that are alike.
    private func sharedModel(_ model: LinkModel) -> SharedLinkModel {
        if let known = linkModels[model] { return known }
        let shared = SharedLinkModel(model)
        linkModels[model] = shared
        return shared
    }

    func noteRepairNode(_ index: Int, _ model: RepairNodeModel) {
        sortedSubnets = nil
        repairNodesOfSubnet[model.subnet, default: []].append(index)
    }

    /// Routers between a subnet and the senders.
    func distance(ofSubnet subnet: Int) -> Int { distances[subnet] ?? (subnet == 0 ? 0 : 1) }
    public func setDistance(_ distance: Int, ofSubnet subnet: Int) { distances[subnet] = distance }

    /// Those where anybody is, or that have a link, ascending: the order decides who draws which random number.
    var occupiedSubnets: [Int] {
        if let sortedSubnets { return sortedSubnets }
        let sorted = Set(receiversOfSubnet.keys).union(repairNodesOfSubnet.keys).union(subnets.keys).sorted()
        sortedSubnets = sorted
        return sorted
    }
    func receivers(inSubnet subnet: Int) -> [Int] { receiversOfSubnet[subnet] ?? [] }
    func repairNodes(inSubnet subnet: Int) -> [Int] { repairNodesOfSubnet[subnet] ?? [] }

    /// Something that the scenario does to the world, `after` its start.
    public func after(_ interval: Interval, _ action: @escaping (World) -> Void) {
        actions.append(action)
        queue.schedule(.action(actions.count - 1), at: Self.start + interval)
    }

    func address(ofReceiver index: Int) -> SocketAddress { Addressing.receiver(index, port: receivers[index].port) }

    // MARK: Running

    /// Runs until every sender is done and no receiver has a session, or until `limit` after the start.
    public func run(limit: Interval) {
        let end = Self.start + limit
        while let time = queue.nextTime, time <= end, let event = queue.popFirst() {
            if time > now { spins = 0 } else { spins += 1 }
            if spins == spinLimit {
                violations.append("the same instant never ends: \(event) is due over and over; \(senders.map { "rate \($0.node.engine.rate)" })")
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
        for sender in senders.indices where senders[sender].isRunning && !senders[sender].node.engine.isFinished { return false }
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
        case .senderWake(let index):
            guard senders[index].nextWake <= now else { return }
            note(1, index)
            driveSender(index)
        case .senderWork(let index, let work):
            guard senders[index].isRunning else { return }
            senders[index].node.finish(work, at: now)
            driveSender(index)
        case .senderArrival(let index, let bytes, let source):
            guard senders[index].isRunning else { return }
            note(2, index)
            if let kind = unsafe try? PacketHeader(of: bytes.span.bytes).kind { senders[index].feedback.note(kind, at: now) }
            unsafe senders[index].node.engine.handle(datagram: bytes.span.bytes, from: source, at: now)
            driveSender(index)
        case .receiverArrival(let index, let payload, let source, let timeToLive): arrive(payload, from: source, timeToLive: timeToLive, at: receivers[index])
        case .groupArrival(let arrival):
            arrive(arrival)
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
            drive(node)
        case .storage(let index, let session, let result):
            guard !session.isOver else { return }
            note(5, index)
            finishStorage(of: receivers[index], session: session, result)
        case .repairArrival(let index, let payload, let source, let timeToLive, let socket):
            guard repairNodes[index].node.isRunning else { return }
            note(6, index)
            arriveAtRepairNode(index, payload, from: source, timeToLive: timeToLive, socket: socket)
        case .repairWake(let index, let life):
            guard repairNodes[index].node.life == life, repairNodes[index].nextWake <= now else { return }
            note(7, index)
            repairNodes[index].nextWake = .distantFuture
            driveRepairNode(index)
        case .repairWork(let index, let session, let work):
            guard !session.isOver else { return }
            note(8, index)
            finishRepairWork(of: index, session: session, work)
        case .action(let index):
            performedActions += 1
            actions[index](self)
        case .crossTraffic(let index, let step): perform(step, ofCrossTraffic: index)
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
