import RMCPProtocol

/// The sockets at which sessions come in: the group's, those of regions that repair nodes have advertised, and one of its
/// own for what is sent to this host alone and for what it sends.
final class Reception {
    let interface: NetworkInterface
    /// What children send comes from here, and unicast answers go here.
    let replySocket: DatagramSocket
    private let replyAddress: SocketAddress?
    private let group: SocketAddress
    private var sockets: [GroupSocket] = []
    /// Regions of datagrams that came since they were last acted upon.
    private var advertised: [SocketAddress] = []
    /// Regions that could not be opened, oldest first, and until when they are left alone.
    private var unopenable: [(region: SocketAddress, until: Instant)] = []
    private let replySlab = DatagramSlab(buffers: HostLimits.slabBuffers)
    /// Own address as a parent: what comes from there has looped back.
    var ownAddress: SocketAddress?
    /// Who waits for the sockets, and what for; nil while nobody does.
    private var watch: (poller: Poller, reply: Poller.Token)?
    /// When the groups are joined anew; nil while a session is under way, which looks after that itself.
    private(set) var idleRejoin: Instant?

    private struct GroupSocket {
        var address: SocketAddress
        var socket: DatagramSocket
        /// Of its own: the kernel counts what each socket dropped.
        var slab: DatagramSlab
        /// Nil while nobody waits for it.
        var token: Poller.Token?
        /// Nil for the group that the user named.
        var advertisedAt: Instant?
    }

    /// - Parameter listens: false where nothing is expected by multicast.
    init(group: SocketAddress, interface: NetworkInterface, listens: Bool = true) throws(HostError) {
        self.group = group
        self.interface = interface
        if listens {
            sockets = [
                GroupSocket(
                    address: group, socket: try DatagramSocket.receiving(from: group, through: interface), slab: DatagramSlab(buffers: HostLimits.slabBuffers))
            ]
        }
        replySocket = try DatagramSocket.sending(to: group, through: interface, timeToLive: 1)
        replyAddress = replySocket.localAddress
        // A whole stream may come here.
        replySocket.enlargeReceiveBuffer()
    }

    /// Of the groups and regions that are joined.
    var descriptors: [Int32] { sockets.map(\.socket.raw) }
    var truncated: UInt64 { sockets.reduce(replySlab.truncated) { $0 + $1.slab.truncated } }
    /// Bytes of datagrams that the group's socket can hold; nil without one.
    var receiveBufferLength: Int? { sockets.first?.socket.receiveBufferLength }

    /// Of the fullest socket's room (0...1), datagrams that wait to be read.
    var backlogShare: Double { sockets.reduce(replySocket.receiveBufferShare) { max($0, $1.socket.receiveBufferShare) } }

    func takeOverflow() -> UInt64 { sockets.reduce(replySlab.takeOverflow()) { $0 + $1.slab.takeOverflow() } }

    /// Has `poller` wait for the sockets, and for those of regions that are joined later.
    func watch(by poller: Poller) {
        watch = (poller, poller.watch(replySocket.raw))
        for index in sockets.indices { sockets[index].token = poller.watch(sockets[index].socket.raw) }
    }

    /// Nobody reads from them any more.
    func unwatch() {
        guard let watch else { return }
        watch.poller.forget(watch.reply)
        for index in sockets.indices {
            sockets[index].token.map(watch.poller.forget)
            sockets[index].token = nil
        }
        self.watch = nil
    }

    /// Receives once from each socket that the poller has found ready; true when one of them had something, and may have
    /// more. Which sockets there are does not change meanwhile: `body` notes what is advertised, and nothing more.
    func receive(_ body: (DatagramTrain) -> Void) -> Bool {
        guard let watch else { return false }
        var isBusy = false
        // Nobody else is where this node is, whatever a datagram says.
        func take(_ train: DatagramTrain) {
            if train.arrival.source != replyAddress, ownAddress == nil || train.arrival.source != ownAddress { body(train) }
        }
        if watch.poller.isReadable(watch.reply) { isBusy = replySlab.receiveTrains(from: replySocket.raw, take) > 0 }
        // Those of the moment: their readiness is known, and that of no other.
        for entry in sockets {
            guard let token = entry.token, watch.poller.isReadable(token) else { continue }
            let count = entry.slab.receiveTrains(from: entry.socket.raw, take)
            isBusy = isBusy || count > 0
        }
        return isBusy
    }

    /// Leaves and joins every group, so that switches and routers hear of it again.
    func rejoin() { for entry in sockets { entry.socket.rejoin() } }

    /// Joins anew now and then while no session is under way, of which nobody would notice that nothing comes any more.
    func keepMembership(isIdle: Bool, at now: Instant) {
        guard let due = idleRejoin, isIdle else {
            idleRejoin = isIdle ? now + HostLimits.idleRejoinInterval : nil
            return
        }
        guard now >= due else { return }
        rejoin()
        idleRejoin = now + HostLimits.idleRejoinInterval
    }

    // MARK: Regions

    /// Remembers a region that a datagram advertises until `joinAdvertised`: whoever calls may be in the midst of
    /// `receive`, which goes through the sockets. What is more than there is room for in one pass is dropped; regions
    /// that are listened to already always have room.
    func noteAdvertised(_ region: SocketAddress) {
        guard !sockets.isEmpty, region != group, region.family == group.family, !advertised.contains(region) else { return }
        guard advertised.count < HostLimits.advertisedRegions || sockets.contains(where: { $0.address == region }) else { return }
        advertised.append(region)
    }

    /// Joins the regions that were advertised since the last call. One that nobody advertises any more gives way, once
    /// its successor is open; one that cannot be opened is as good as none, and is left alone for a while.
    /// - Returns: the regions that are new.
    @discardableResult
    func joinAdvertised(at now: Instant) -> [SocketAddress] {
        let regions = advertised
        advertised.removeAll(keepingCapacity: true)
        var joined: [SocketAddress] = []
        for region in regions where join(region, at: now) { joined.append(region) }
        return joined
    }

    /// True when that is new.
    private func join(_ region: SocketAddress, at now: Instant) -> Bool {
        if let index = sockets.firstIndex(where: { $0.address == region }) {
            sockets[index].advertisedAt = now
            return false
        }
        let isFull = sockets.count > HostLimits.regions
        let old = isFull ? sockets.firstIndex { entry in entry.advertisedAt.map { now - $0 > HostLimits.regionMemory } ?? false } : nil
        guard !isFull || old != nil, !unopenable.contains(where: { $0.region == region && now < $0.until }) else { return false }
        guard let socket = try? DatagramSocket.receiving(from: region, through: interface) else {
            unopenable.removeAll { $0.region == region || now >= $0.until }
            if unopenable.count >= HostLimits.unopenableRegions { unopenable.removeFirst() }
            unopenable.append((region, now + HostLimits.regionRetryInterval))
            return false
        }
        if let old { sockets.remove(at: old).token.map { watch?.poller.forget($0) } }
        sockets.append(
            GroupSocket(
                address: region, socket: socket, slab: DatagramSlab(buffers: HostLimits.regionSlabBuffers), token: watch?.poller.watch(socket.raw),
                advertisedAt: now))
        return true
    }

    /// Whether a repair node has advertised its region lately.
    func hearsRepairNodes(at now: Instant) -> Bool {
        sockets.contains { entry in entry.advertisedAt.map { now - $0 < HostLimits.advertisementValidity } ?? false }
    }

    /// The region that a datagram of no session advertises; nil for any other datagram.
    static func advertisedRegion(in bytes: UnsafeRawBufferPointer) -> SocketAddress? {
        guard case .advertisement(let advertisement)? = unsafe try? Packet.parse(RawSpan(_unsafeBytes: bytes)).1 else { return nil }
        return advertisement.region
    }
}
