import RMCPProtocol
import RMCPReport

/// The sockets at which sessions come in: the group's, those of regions that repair nodes have advertised, and one of its
/// own for what is sent to this host alone and for what it sends.
final class Reception {
    /// Interface that everything comes in through.
    let follower: InterfaceFollower
    /// Socket that this node speaks from as a child. Unicast answers come to it.
    private(set) var replySocket: DatagramSocket
    private var replyAddress: SocketAddress?
    private var unsentAnswers = UnsentAnswers()
    private var silence: SilenceWatch
    private let group: SocketAddress
    private var sockets: [GroupSocket] = []
    private let replySlab: DatagramSlab
    /// Authenticates what is no DATA; nil where nothing is.
    private let guarding: ControlGuard?
    /// Own address as a parent: what comes from there has looped back.
    var ownAddress: SocketAddress?
    /// Poller that waits for the sockets, and its token for unicast; nil while nobody waits.
    private var watch: (poller: Poller, reply: Poller.Token)?
    /// When the groups are joined anew; nil while a session is under way, which looks after that itself.
    private(set) var idleRejoin: Instant?

    /// Counts of answers and of joining anew, and what the slabs of regions that were left have counted.
    private var counted = NetworkFigures()

    /// A class, so that going through them copies nothing.
    private final class GroupSocket {
        let address: SocketAddress
        var socket: DatagramSocket
        /// A slab of its own, since the kernel counts what each socket dropped.
        let slab: DatagramSlab
        /// Nil while nobody waits for it.
        var token: Poller.Token?

        init(address: SocketAddress, socket: DatagramSocket, slab: DatagramSlab, token: Poller.Token? = nil) {
            self.address = address
            self.socket = socket
            self.slab = slab
            self.token = token
        }
    }

    /// Through an interface that is the only one thought of.
    convenience init(group: SocketAddress, interface: NetworkInterface) throws(HostError) {
        try self.init(group: group, follower: InterfaceFollower(interface, for: group, named: interface.name))
    }

    /// - Parameter listens: false where nothing is expected by multicast.
    init(group: SocketAddress, follower: InterfaceFollower, listens: Bool = true, guarding: ControlGuard? = nil) throws(HostError) {
        self.group = group
        self.guarding = guarding
        replySlab = DatagramSlab(buffers: HostLimits.slabBuffers, guarding: guarding)
        self.follower = follower
        let interface = follower.interface
        silence = SilenceWatch(interface: interface.name, group: group, at: Poller.now())
        if listens {
            sockets = [
                GroupSocket(
                    address: group, socket: try DatagramSocket.receiving(from: group, through: interface),
                    slab: DatagramSlab(buffers: HostLimits.slabBuffers, guarding: guarding, of: group))
            ]
        }
        replySocket = try DatagramSocket.sending(to: group, through: interface, timeToLive: 1, takesStream: true)
        replySocket.allowFragments()
        replyAddress = replySocket.localAddress
    }

    var interface: NetworkInterface { follower.interface }
    /// Descriptors of the groups and regions that are joined.
    var descriptors: [Int32] { sockets.map(\.socket.raw) }
    var truncated: UInt64 { sockets.reduce(replySlab.truncated) { $0 + $1.slab.truncated } }
    /// Warning for the user about the buffer of the group's socket; nil where it is large enough, or there is no such socket.
    var bufferWarning: String? {
        guard let length = sockets.first?.socket.receiveBufferLength, length < HostLimits.sufficientReceiveBuffer else { return nil }
        return "the socket buffer is only \(length >> 10) KiB; fast senders will overrun it: sysctl -w net.core.rmem_max=33554432"
    }

    /// All that was counted since the beginning.
    var figures: NetworkFigures {
        var sum = counted
        sum += replySlab.figures
        for entry in sockets { sum += entry.slab.figures }
        return sum
    }

    /// Share of the fullest socket's room (0...1) that waiting datagrams take.
    var backlogShare: Double { sockets.reduce(replySocket.receiveBufferShare) { max($0, $1.socket.receiveBufferShare) } }

    func takeOverflow() -> UInt64 { sockets.reduce(replySlab.takeOverflow()) { $0 + $1.slab.takeOverflow() } }

    /// Has `poller` wait for the sockets, and for those of regions that are joined later.
    func watch(by poller: Poller) {
        watch = (poller, poller.watch(replySocket.raw))
        follower.watch(by: poller)
        for index in sockets.indices { sockets[index].token = poller.watch(sockets[index].socket.raw) }
    }

    /// The sockets are not read from any more.
    func unwatch() {
        guard let watch else { return }
        watch.poller.forget(watch.reply)
        follower.unwatch()
        for index in sockets.indices {
            sockets[index].token.map(watch.poller.forget)
            sockets[index].token = nil
        }
        self.watch = nil
    }

    /// Receives once from each socket that the poller has found ready; true when one of them had something, and may have
    /// more. Which sockets there are must not change meanwhile: what `body` finds out is acted upon afterwards.
    func receive(_ body: (DatagramTrain) -> Void) -> Bool {
        guard let watch else { return false }
        var isBusy = false
        // Nobody else is where this node is, whatever a datagram says.
        func take(_ train: DatagramTrain) {
            silence.noteArrival()
            if train.arrival.source != replyAddress, ownAddress == nil || train.arrival.source != ownAddress { body(train) }
        }
        if watch.poller.isReadable(watch.reply) { isBusy = replySlab.receiveTrains(from: replySocket.raw, take) > 0 }
        // Sockets of the moment: their readiness is known, and that of no other.
        for entry in sockets {
            guard let token = entry.token, watch.poller.isReadable(token) else { continue }
            let count = entry.slab.receiveTrains(from: entry.socket.raw, take)
            isBusy = isBusy || count > 0
        }
        return isBusy
    }

    /// Leaves and joins every group, so that switches and routers hear of it again.
    func rejoin(_ cause: RejoinCause) {
        counted.rejoins[cause] += 1
        for entry in sockets { entry.socket.rejoin() }
    }

    /// Joins anew now and then while no session is under way, of which nobody would notice that nothing comes any more.
    func keepMembership(isIdle: Bool, at now: Instant) {
        guard let due = idleRejoin, isIdle else {
            idleRejoin = isIdle ? now + HostLimits.idleRejoinInterval : nil
            return
        }
        guard now >= due else { return }
        rejoin(.idle)
        idleRejoin = now + HostLimits.idleRejoinInterval
    }

    // MARK: Answers

    /// False where it has not left. What the socket does not take is repeated by engines' timers.
    @discardableResult
    func answer(_ bytes: [UInt8], to destination: SocketAddress) -> Bool {
        let datagram = guarding?.protect(bytes) ?? bytes
        let result = replySocket.send(datagram, to: destination)
        if result == .sent { counted.answeredBytes += UInt64(datagram.count) }
        unsentAnswers.note(result, to: destination, through: interface.name, at: Poller.now)
        return result == .sent
    }

    // MARK: Looking around

    /// Time at which `lookAround` has something to do without anything that comes.
    var nextLook: Instant { min(follower.deadline ?? .distantFuture, silence.next) }

    /// Follows the interface, and looks for what keeps datagrams away. Costs nothing while there is no news.
    /// - Parameter isEnd: nothing is waited for any more.
    /// - Returns: lines for the user.
    func lookAround(at now: Instant, isEnd: Bool = false) -> [String] {
        var lines = unsentAnswers.takeWarnings()
        if let line = guarding?.takeWarning(at: now) { lines.append(line) }
        switch follower.look(at: now) {
        case nil: break
        case .unusable(let diagnosis): lines.append("cannot receive: \(diagnosis.text)")
        case .moved(let interface):
            if remake(through: interface) { lines.append(follower.adopt(interface)) } else { follower.retry(at: now) }
        }
        if let found = silence.look(at: now, isEnd: isEnd) { lines.append("nothing arrives, and \(found.text)") }
        return lines
    }

    /// Makes every socket anew, and says so to switches. What waits in the former ones is lost, as if on the way.
    /// - Returns: false where nothing was changed, since that cannot be done now.
    private func remake(through interface: NetworkInterface) -> Bool {
        guard let reply = try? replySocket.successor(through: interface) else { return false }
        var made: [DatagramSocket?] = []
        for entry in sockets {
            let socket = try? DatagramSocket.receiving(from: entry.address, through: interface)
            guard socket != nil || entry.address != group else { return false }
            made.append(socket)
        }
        if let watch {
            watch.poller.forget(watch.reply)
            self.watch = (watch.poller, watch.poller.watch(reply.raw))
        }
        replySocket = reply
        replyAddress = reply.localAddress
        replySlab.beginAnew()
        for (index, socket) in made.enumerated() {
            // A region that cannot be joined is listened to again when it is advertised.
            guard let socket else { continue }
            if let token = sockets[index].token, let poller = watch?.poller {
                poller.forget(token)
                sockets[index].token = poller.watch(socket.raw)
            }
            sockets[index].socket = socket
            sockets[index].slab.beginAnew()
        }
        silence = SilenceWatch(interface: interface.name, group: group, at: Poller.now())
        rejoin(.moved)
        return true
    }

    // MARK: Regions

    /// Listens to a region that `table` wants joined, and tells it what came of that.
    /// - Returns: whether it is listened to.
    @discardableResult
    func join(_ region: SocketAddress, in table: inout RegionTable, at now: Instant) -> Bool {
        guard let socket = try? DatagramSocket.receiving(from: region, through: interface) else {
            table.noteFailed(region, at: now)
            return false
        }
        table.noteJoined(region)
        sockets.append(
            GroupSocket(
                address: region, socket: socket, slab: DatagramSlab(buffers: HostLimits.regionSlabBuffers, guarding: guarding, of: region),
                token: watch?.poller.watch(socket.raw)))
        return true
    }

    /// Listens no more to a region that nobody advertises.
    func leave(_ region: SocketAddress) {
        guard region != group, let index = sockets.firstIndex(where: { $0.address == region }) else { return }
        let entry = sockets.remove(at: index)
        counted += entry.slab.figures
        entry.token.map { watch?.poller.forget($0) }
    }
}
