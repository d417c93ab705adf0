import RMCPProtocol

/// The sockets at which sessions come in: the group's, those of regions that repair nodes have advertised, and one of its
/// own for what is sent to this host alone and for what it sends.
final class Reception {
    let interface: NetworkInterface
    /// What children send comes from here, and unicast answers go here.
    let replySocket: DatagramSocket
    private let group: SocketAddress
    private var sockets: [GroupSocket] = []
    private let replySlab = DatagramSlab(buffers: HostLimits.slabBuffers)
    /// Own address as a parent: what comes from there has looped back.
    var ownAddress: SocketAddress?
    /// When the groups are joined anew; nil while a session is under way, which looks after that itself.
    private(set) var idleRejoin: Instant?

    private struct GroupSocket {
        var address: SocketAddress
        var socket: DatagramSocket
        /// Of its own: the kernel counts what each socket dropped.
        var slab: DatagramSlab
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
        // A whole stream may come here.
        replySocket.enlargeReceiveBuffer()
    }

    /// To wait for, in the order of `receive`'s readiness.
    var descriptors: [Int32] { [replySocket.raw] + sockets.map(\.socket.raw) }
    var truncated: UInt64 { sockets.reduce(replySlab.truncated) { $0 + $1.slab.truncated } }
    /// Bytes of datagrams that the group's socket can hold; nil without one.
    var receiveBufferLength: Int? { sockets.first?.socket.receiveBufferLength }

    /// Of the fullest socket's room (0...1), datagrams that wait to be read.
    var backlogShare: Double { sockets.reduce(replySocket.receiveBufferShare) { max($0, $1.socket.receiveBufferShare) } }

    func takeOverflow() -> UInt64 { sockets.reduce(replySlab.takeOverflow()) { $0 + $1.slab.takeOverflow() } }

    /// Receives once from each socket that is ready; true when the group's had something, and may have more.
    func receive(isReady: (Int) -> Bool, _ body: (DatagramTrain) -> Void) -> Bool {
        var isBusy = false
        if isReady(0) { isBusy = replySlab.receiveTrains(from: replySocket.raw, body) > 0 }
        for index in sockets.indices where isReady(index + 1) {
            let count = sockets[index].slab.receiveTrains(from: sockets[index].socket.raw) { train in
                if let ownAddress, train.origin.source == ownAddress { return }
                body(train)
            }
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

    /// Joins a region that was advertised; true when that is new. A region that nobody advertises any more gives way.
    func join(_ region: SocketAddress, at now: Instant) -> Bool {
        guard !sockets.isEmpty, region != group, region.family == group.family else { return false }
        if let index = sockets.firstIndex(where: { $0.address == region }) {
            sockets[index].advertisedAt = now
            return false
        }
        if sockets.count > HostLimits.regions {
            guard let old = sockets.firstIndex(where: { entry in entry.advertisedAt.map { now - $0 > HostLimits.regionMemory } ?? false }) else {
                return false
            }
            sockets.remove(at: old)
        }
        // A region that cannot be joined is as good as none.
        guard let socket = try? DatagramSocket.receiving(from: region, through: interface) else { return false }
        sockets.append(GroupSocket(address: region, socket: socket, slab: DatagramSlab(buffers: HostLimits.regionSlabBuffers), advertisedAt: now))
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
