import DequeModule

/// A child that is served at its own address: one that multicast does not reach any more though it hears unicast (a switch that lost
/// its membership for good, a firewall), or a relay, a repair node behind a link without multicast.
struct UnicastChild: Sendable {
    let name: ChildName
    fileprivate(set) var address: SocketAddress
    /// Whether it gets the whole stream, and not only what it asks for.
    fileprivate(set) var isRelay: Bool
    var pending: PendingNAKs
    fileprivate var nextHeartbeat: Instant
    /// Sequence number of the next datagram to it. It goes on from the shared one, so that the child sees no gap and can measure loss.
    fileprivate var nextSequence: UInt32

    /// Whether the chunk's bytes are wanted for it.
    func needs(_ chunk: UInt32) -> Bool { pending.needs(chunk) }
}

/// The children that a parent serves at their addresses, in turn; the copies of the stream that relays are still to be sent; and the
/// sequence numbers of everything that goes to single addresses.
struct UnicastChildren: Sendable {
    /// A part of the stream that the group has just been sent and a relay must have, too.
    enum Copy: Sendable {
        case packet(Packet)
        case batch(DataBatch)

        var chunk: UInt32? { if case .batch(let batch) = self { batch.chunk } else { nil } }
    }

    private var children: [UnicastChild] = []
    /// Index of the child that is served next.
    private var turn = 0
    private var copies: Deque<(copy: Copy, address: SocketAddress)> = []
    /// Sequence number of the next datagram to an address that is none of theirs.
    private var nextSequence: UInt32 = 0
    private let limit: Int
    private let copyLimit: Int
    private let heartbeatInterval: Interval

    init(configuration: Configuration) {
        limit = configuration.unicast.maximumUnicastChildren
        copyLimit = configuration.memory.maximumControlQueue
        heartbeatInterval = configuration.unicast.unicastHeartbeatInterval
    }

    var isFull: Bool { children.count >= limit }
    var deafCount: Int { children.count { !$0.isRelay } }
    func index(of name: ChildName) -> Int? { children.firstIndex { $0.name == name } }

    /// Whether the chunk's bytes are wanted for one of them.
    func needs(_ chunk: UInt32) -> Bool { children.contains { $0.needs(chunk) } || copies.contains { $0.copy.chunk == chunk } }

    /// - Returns: whether there is a deaf child more.
    mutating func note(_ name: ChildName, at address: SocketAddress, isRelay: Bool, configuration: Configuration, now: Instant) -> Bool {
        if let index = index(of: name) {
            children[index].isRelay = isRelay
            children[index].address = address
            return false
        }
        guard !isFull else { return false }
        children.append(
            UnicastChild(
                name: name, address: address, isRelay: isRelay, pending: PendingNAKs(configuration: configuration), nextHeartbeat: now,
                nextSequence: nextSequence))
        return !isRelay
    }

    mutating func remove(_ name: ChildName) { children.removeAll { $0.name == name } }
    mutating func removeAll(where isGone: (ChildName) -> Bool) { children.removeAll { isGone($0.name) } }

    // MARK: Whose turn it is

    /// Whether any of them is still to be sent something that it asked for.
    var hasPending: Bool { children.contains { !$0.pending.isEmpty } }

    /// Index of the child that comes `step` after the one whose turn it is.
    func index(inTurn step: Int) -> Int { (turn + step) % children.count }

    /// The child was served.
    mutating func endTurn(of index: Int) { turn = index + 1 }

    // MARK: Heartbeats

    var nextHeartbeat: Instant? { children.lazy.map(\.nextHeartbeat).min() }

    /// Whether it is time for a HEARTBEAT to a child; the next one is then due an interval later.
    mutating func takeHeartbeat(of index: Int, at now: Instant) -> Bool {
        guard now >= children[index].nextHeartbeat else { return false }
        children[index].nextHeartbeat = now + heartbeatInterval
        return true
    }

    // MARK: Copies for relays

    var hasCopies: Bool { !copies.isEmpty }

    /// For each relay, as far as there is room: a relay asks for what it was not sent.
    mutating func copy(_ copy: Copy) {
        for child in children where child.isRelay {
            guard copies.count < copyLimit else { return }
            copies.append((copy, child.address))
        }
    }

    mutating func nextCopy() -> (copy: Copy, address: SocketAddress)? { copies.popFirst() }

    // MARK: Sequence numbers

    /// The number of the next datagram to an address.
    func sequence(for address: SocketAddress) -> UInt32 { children.first { $0.address == address }?.nextSequence ?? nextSequence }

    mutating func advanceSequence(for address: SocketAddress, by count: Int) {
        if let index = children.firstIndex(where: { $0.address == address }) {
            children[index].nextSequence &+= UInt32(count)
        } else {
            nextSequence &+= UInt32(count)
        }
    }
}

extension UnicastChildren: RandomAccessCollection, MutableCollection {
    var startIndex: Int { 0 }
    var endIndex: Int { children.count }
    subscript(index: Int) -> UnicastChild {
        get { children[index] }
        _modify { yield &children[index] }
    }
}
