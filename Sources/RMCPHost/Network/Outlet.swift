import Glibc
import RMCPProtocol

/// Where a node's datagrams leave: one socket, the group that it serves, and what stands in the way of either.
///
/// A failure to send to the group pauses everything, since it is the interface's. A failure to send to a peer is that
/// peer's: the datagram is dropped and counted, and the peer is left alone for a while that doubles.
///
/// Owned by the network thread. A round is `beginRound`, then `send` until it says false:
///
/// ```
///   outlet.beginRound ──▶ engine.pollTransmit ──▶ outlet.send ──true──▶ again
///                └─false──▶ poller.wait(until: outlet.nextAttempt, writable: outlet.wantsRoom ? index : nil)
/// ```
final class Outlet {
    private(set) var socket: DatagramSocket
    /// Share of what an engine counts as sent that has not left, for whatever reason: datagrams, and their bytes.
    private(set) var unsent: (datagrams: UInt64, bytes: UInt64) = (0, 0)
    /// Datagrams to peers that were not sent: refused by the kernel, left out while the peer is left alone, or given up
    /// because the socket had no room for long.
    private(set) var droppedToPeers: UInt64 = 0

    /// Bytes of the longest datagram of a session that has begun; 0 before one has, while shorter ones are tried.
    private var finalLength = 0
    private var group: SocketAddress
    private var interfaceName: String
    /// Authenticates what is no DATA; nil where nothing is.
    private let guarding: ControlGuard?
    private let transmitter: DataTransmitter
    private var peers = UnreachablePeers()
    private var blockedUntil: Instant?
    /// When a batch to a single peer that waits for room is given up.
    private var pendingExpiry: Instant?
    /// A buffer that its owner gave back while the pending batch was still to be sent from it, and whose it is.
    private var retired: (buffer: ChunkBuffer, pool: BufferPool)?
    /// Whom something came from lately, for `replace`.
    private var heard: [SocketAddress] = []
    private var told: Set<Cause> = []
    private var untold: [String] = []

    /// Causes that are told once, however often they happen.
    private enum Cause: Hashable {
        case tooLong
        case fragments
        case oversized
        case tooLongForPeer
        case group(Int32)
        case peer(Int32)
    }

    /// After a failure to the group: as long as an interface takes at least to come back.
    private static let groupPause = Interval.milliseconds(50)
    /// How long a batch to a single peer may wait for room in the socket. What its datagrams wait for may be an address
    /// that nobody answers for, while the group waits behind it.
    private static let peerPatience = Interval.milliseconds(20)

    /// - Parameter interface: the one that the socket sends through.
    init(socket: DatagramSocket, group: SocketAddress, interface: NetworkInterface, guarding: ControlGuard? = nil) {
        self.socket = socket
        self.guarding = guarding
        self.group = group.scoped(to: interface.index)
        interfaceName = interface.name
        transmitter = DataTransmitter(socket: socket, group: self.group)
    }

    /// Datagrams of a session have their final length: what of that length the path does not carry whole goes in fragments from then on.
    func noteFinal(length: Int) { finalLength = max(finalLength, length) }

    /// Something came from a peer.
    func noteHeard(_ peer: SocketAddress) {
        guard peer != heard.last, !heard.contains(peer) else { return }
        if heard.count >= HostLimits.peersToldOfMoves { heard.removeFirst() }
        heard.append(peer)
    }

    /// Goes on with another socket, since the interface or its address is another one. What waits to be sent stays.
    /// - Returns: peers that should be sent something now: as long as nothing is, their hosts send what is for this one to the link
    ///   address that it had before (RFC 826; RFC 4861, 7.3).
    func replace(with socket: DatagramSocket, through interface: NetworkInterface) -> [SocketAddress] {
        self.socket = socket
        group.scope = 0
        group = group.scoped(to: interface.index)
        interfaceName = interface.name
        transmitter.socket = socket
        transmitter.group = group
        peers = UnreachablePeers()
        blockedUntil = nil
        // The next trouble is another one.
        told = []
        return heard
    }

    // MARK: A round

    /// Sends what an earlier round left. Nothing is to be asked of an engine before.
    /// - Returns: false where a round may not begin yet.
    func beginRound(at now: Instant) -> Bool {
        if let blockedUntil {
            guard now >= blockedUntil else { return false }
            self.blockedUntil = nil
        }
        guard let batch = transmitter.pendingBatch else { return true }
        defer { settle() }
        if let pendingExpiry, case .peer(let peer) = batch.destination {
            if socket.hasRoom { return take(transmitter.resume(), of: batch, at: now) }
            guard now >= pendingExpiry else { return false }
            give(up: peer, datagrams: transmitter.pendingCount, length: Self.length(of: batch), at: now)
            transmitter.dropPending()
            return true
        }
        return take(transmitter.resume(), of: batch, at: now)
    }

    /// Sends a datagram, or a batch from the buffer that `buffer` finds for its chunk, if any.
    /// - Returns: false when nothing more can be sent in this round.
    func send(_ transmit: Transmit, at now: Instant, buffer: (UInt32) -> ChunkBuffer?) -> Bool {
        switch transmit {
        case .datagram(let bytes, let destination): return send(bytes, to: destination, at: now)
        case .data(let batch):
            guard let buffer = buffer(batch.chunk) else { return true }
            return send(batch, from: buffer, at: now)
        }
    }

    /// Control is small and repeats: what the socket does not take is as good as lost on the way. A batch that waits is not touched, so that
    /// it may be sent between rounds, too.
    /// - Returns: false when nothing more can be sent in this round.
    @discardableResult
    func send(_ bytes: [UInt8], to destination: Destination, at now: Instant) -> Bool {
        switch destination {
        case .group:
            let result = socket.send(guarding?.protect(bytes) ?? bytes, to: group)
            if result != .sent { noteUnsent(1, length: bytes.count) }
            return result == .wouldBlock || takeGroup(result, length: bytes.count, at: now) {}
        case .peer(let peer):
            guard peers.maySend(to: peer, at: now) else {
                drop(1, length: bytes.count)
                return true
            }
            takePeer(socket.send(guarding?.protect(bytes) ?? bytes, to: peer), peer, datagrams: 1, length: bytes.count, at: now)
            return true
        }
    }

    private func send(_ batch: DataBatch, from buffer: ChunkBuffer, at now: Instant) -> Bool {
        if case .peer(let peer) = batch.destination {
            guard peers.maySend(to: peer, at: now) else {
                drop(batch.count, length: Self.length(of: batch))
                return true
            }
            // Half of the room is the group's. Datagrams to an address that nobody answers for stay in the socket for
            // seconds (RFC 4861, 7.3.3), and a few such peers would fill it.
            guard socket.hasRoom else {
                transmitter.wait(with: batch, from: buffer)
                pendingExpiry = now + Self.peerPatience
                return false
            }
        }
        defer { settle() }
        return take(transmitter.send(batch, from: buffer), of: batch, at: now)
    }

    // MARK: Waiting

    /// Whether the socket's becoming writable is worth waking up for.
    var wantsRoom: Bool { transmitter.isBlocked && blockedUntil == nil }

    /// When `beginRound` may say something else without room at the socket; nil when there is nothing to wait for.
    var nextAttempt: Instant? { blockedUntil ?? (transmitter.isBlocked ? pendingExpiry : nil) }

    /// Whether an engine's deadlines have to wait, because nothing of what it wants sent would go.
    var isBlocked: Bool { blockedUntil != nil || transmitter.isBlocked }

    /// News for the user: a line for each cause that was not told before.
    func takeWarnings() -> [String] {
        defer { untold.removeAll() }
        return untold
    }

    // MARK: Buffers

    /// Gives a chunk's buffer back to its pool: at once, or as soon as the batch that waits in it is sent or given up.
    func release(_ buffer: ChunkBuffer, to pool: BufferPool) {
        guard transmitter.pendingBuffer === buffer else { return pool.giveBack(buffer) }
        // The batch of an earlier one is gone, since this one's waits now.
        if let retired, retired.buffer !== buffer { retired.pool.giveBack(retired.buffer) }
        retired = (buffer, pool)
    }

    private func settle() {
        guard !transmitter.isBlocked else { return }
        pendingExpiry = nil
        if let retired { retired.pool.giveBack(retired.buffer) }
        retired = nil
    }

    // MARK: Results

    private func take(_ result: SendResult, of batch: DataBatch, at now: Instant) -> Bool {
        let length = Self.length(of: batch)
        guard case .peer(let peer) = batch.destination else { return takeGroup(result, length: length, at: now, drop: { dropPending(length) }) }
        if result == .wouldBlock {
            if pendingExpiry == nil { pendingExpiry = now + Self.peerPatience }
            return false
        }
        if result == .tooLong, fragment(length) { return false }
        takePeer(result, peer, datagrams: transmitter.pendingCount, length: length, at: now)
        transmitter.dropPending()
        return true
    }

    /// Bytes of a batch's datagrams; its last one may be shorter.
    private static func length(of batch: DataBatch) -> Int { DataHeader.length + Int(batch.payloadLength) }

    /// Has what is too long for the path sent in fragments, if it is no longer than its session's datagrams; true where it is to be tried
    /// again. A longer one says nothing of the path.
    private func fragment(_ length: Int) -> Bool {
        guard length <= finalLength, !socket.isFragmenting else { return false }
        socket.allowFragments()
        tell(
            .fragments, "the path's MTU became smaller than datagrams of \(length) bytes; they go in fragments from now on, of which one that is lost costs all"
        )
        return true
    }

    /// - Parameter drop: gives up what was to be sent, if it waits.
    private func takeGroup(_ result: SendResult, length: Int, at now: Instant, drop: () -> Void) -> Bool {
        switch result {
        case .sent: return true
        case .wouldBlock: return false
        case .tooLong:
            // Tried again at once, which the next round does.
            if fragment(length) { return false }
            if finalLength > 0, length > finalLength {
                tell(.oversized, "a datagram of \(length) bytes, longer than its session's, does not fit the path's MTU and is lost")
            } else {
                tell(.tooLong, "the path's MTU is smaller than datagrams of \(length) bytes, which are lost; shorter ones are tried while receivers join")
            }
            drop()
            return true
        case .unreachable(let code):
            // A pending batch is kept: nothing is wrong with it.
            tellOfGroup(code)
        case .failed(let code):
            tellOfGroup(code)
            drop()
        }
        blockedUntil = now + Self.groupPause
        return false
    }

    private func takePeer(_ result: SendResult, _ peer: SocketAddress, datagrams: Int, length: Int, at now: Instant) {
        switch result {
        case .sent: peers.reached(peer)
        case .wouldBlock: drop(datagrams, length: length)
        case .tooLong:
            // Shorter ones may reach it.
            drop(datagrams, length: length)
            tell(.tooLongForPeer, "the path's MTU is smaller than datagrams of \(length) bytes on the way to \(peer.host), which are lost")
        case .unreachable(let code), .failed(let code):
            if !told.contains(.peer(code)) {
                let found = Diagnosis.ofSending(code, to: peer, through: interfaceName)?.text
                tell(.peer(code), "cannot send to \(peer.text): \(found ?? HostError.errorText(code)); others are served on")
            }
            give(up: peer, datagrams: datagrams, length: length, at: now)
        }
    }

    private func give(up peer: SocketAddress, datagrams: Int, length: Int, at now: Instant) {
        drop(datagrams, length: length)
        peers.failed(peer, at: now)
    }

    private func drop(_ datagrams: Int, length: Int) {
        droppedToPeers += UInt64(datagrams)
        noteUnsent(datagrams, length: length)
    }

    private func noteUnsent(_ datagrams: Int, length: Int) {
        unsent.datagrams += UInt64(datagrams)
        unsent.bytes += UInt64(datagrams * length)
    }

    private func dropPending(_ length: Int) {
        noteUnsent(transmitter.pendingCount, length: length)
        transmitter.dropPending()
    }

    /// The interface is looked at once for each errno: a failure to the group comes twenty times a second.
    private func tellOfGroup(_ code: Int32) {
        guard !told.contains(.group(code)) else { return }
        let found = Diagnosis.ofSending(code, to: group, through: interfaceName)?.text
        tell(.group(code), "cannot send through \(interfaceName): \(found ?? HostError.errorText(code)); trying on")
    }

    private func tell(_ cause: Cause, _ text: String) {
        if told.insert(cause).inserted { untold.append(text) }
    }
}

/// Peers that could not be sent to lately, each with when it may be tried again. At the limit the one that is due first
/// is forgotten: it is tried somewhat early.
struct UnreachablePeers {
    private struct Pause {
        var length: Interval
        var until: Instant
    }

    private var pauses: [SocketAddress: Pause] = [:]
    private let limit: Int

    private static let shortest = Interval.milliseconds(100)
    /// Longest interval: the least for which a parent is waited for.
    private static let longest = Interval.seconds(5)

    init(limit: Int = HostLimits.unreachablePeers) { self.limit = limit }

    var count: Int { pauses.count }

    /// Constant in time: it is asked for each batch.
    func maySend(to peer: SocketAddress, at now: Instant) -> Bool {
        guard !pauses.isEmpty, let pause = pauses[peer] else { return true }
        return now >= pause.until
    }

    mutating func reached(_ peer: SocketAddress) { if !pauses.isEmpty { pauses[peer] = nil } }

    mutating func failed(_ peer: SocketAddress, at now: Instant) {
        var length = Self.shortest
        if let earlier = pauses[peer] {
            length = min(Self.longest, earlier.length * 2)
        } else if pauses.count >= limit, let first = pauses.min(by: { $0.value.until < $1.value.until })?.key {
            pauses[first] = nil
        }
        pauses[peer] = Pause(length: length, until: now + length)
    }
}
