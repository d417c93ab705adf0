/// A watcher asks a parent how it and everybody below it fare, by unicast. It is no child: asking changes nothing.
public struct WatchQuery: Hashable, Sendable {
    /// Drawn at random: the answer repeats it, so that nobody can answer in the parent's name unheard.
    public var nonce: UInt64
    /// The first of the parent's child repair nodes that the answer is to name.
    public var firstNode: UInt32

    public init(nonce: UInt64, firstNode: UInt32 = 0) {
        self.nonce = nonce
        self.firstNode = firstNode
    }

    /// Header and all: as long as the longest answer, so that one in somebody else's name brings them no more than it
    /// costs.
    static let length = WatchReport.maximumLength

    func write(to writer: inout ByteWriter) {
        writer.writeUInt64(nonce)
        writer.writeUInt32(firstNode)
        writer.pad(to: Self.length)
    }

    init(reading reader: inout ByteReader) throws(WireError) {
        guard reader.offset + reader.remaining >= Self.length else { throw .truncated }
        nonce = try reader.readUInt64()
        firstNode = try reader.readUInt32()
    }
}

/// What a parent is in the tree.
public enum ParentRole: UInt8, Hashable, Sendable, CaseIterable {
    /// The source of the stream: depth 0.
    case sender = 0
    /// Its children hear another one's stream, and get here what they lost of it.
    case repair = 1
    /// The stream goes on from here.
    case relay = 2
}

/// A child that is a parent itself, at an address that it has proven.
public struct ChildNode: Hashable, Sendable {
    /// Its ephemeral id as a child.
    public var transmitter: UInt32
    /// Address of its upper half, where it answers QUERYs: one host's, and a port that is not 0. Anything else is malformed.
    public var address: SocketAddress

    static let length = 24

    public init(transmitter: UInt32, address: SocketAddress) {
        self.transmitter = transmitter
        self.address = address
    }

    func write(to writer: inout ByteWriter) {
        writer.writeUInt32(transmitter)
        writer.writeUInt8(address.family.rawValue)
        writer.writeUInt8(0)
        writer.writeUInt16(address.port)
        writer.writeUInt64(address.high)
        writer.writeUInt64(address.low)
    }

    init(reading reader: inout ByteReader) throws(WireError) {
        transmitter = try reader.readUInt32()
        guard let family = SocketAddress.Family(rawValue: try reader.readUInt8()) else { throw .invalidField("family") }
        try reader.skip(1)
        let port = try reader.readUInt16()
        let high = try reader.readUInt64()
        let low = try reader.readUInt64()
        address = SocketAddress(family: family, high: high, low: low, port: port)
        // Whoever is named is asked in turn: that must be one host.
        guard port > 0, !address.isMulticast, high | low != 0, family == .ipv6 || (high == 0 && low < UInt64(UInt32.max)) else {
            throw .invalidField("node")
        }
    }
}

/// The answer: numbers, and the addresses of those below who are parents themselves. Of receivers it has numbers alone.
public struct WatchReport: Hashable, Sendable {
    /// What the parent did of its own.
    public struct Counts: Hashable, Sendable {
        /// Bytes of DATA sent for the first time, and of the copies for relays. Bytes are counted since the session began, with this protocol's
        /// headers and without those of IP and UDP.
        public var firstBytes: UInt64 = 0
        /// Bytes of DATA that answers NAKs for packets, and of outlines, counted likewise. Pages and END that were asked for are in no count.
        public var repairBytes: UInt64 = 0
        /// Bytes of DATA of whole chunks that were asked for, counted likewise.
        public var catchUpBytes: UInt64 = 0
        /// NAKs received, those of strangers that were not answered among them.
        public var naks: UInt64 = 0
        public init() {}
    }

    /// Nodes that one REPORT names at most: a watcher asks for the rest from another `firstNode` on.
    public static let maximumNodes = 16
    private static let unknownCount = UInt32.max
    /// Four lists with every bucket in them, two empty ones, the tree's two counts and the chunks.
    private static let maximumHistogramLength =
        6 + 5 * (StatusHistogram.stateCount + StatusHistogram.progressCount + LossBucket.count + PressureBucket.count) + 16
    /// Of the datagram: with all buckets, the deepest path and as many nodes as fit.
    public static let maximumLength =
        PacketHeader.length + 95 + maximumNodes * ChildNode.length + 1 + 4 * TreePlace.maximumDepth + maximumHistogramLength

    /// As in the QUERY.
    public var nonce: UInt64
    /// Session in full, so that a watcher that knows its tag alone can tell it.
    public var session: SessionID
    /// Phase of the session at this parent, as in its HEARTBEATs.
    public var phase: SessionPhase
    public var role: ParentRole
    /// Bits per second, the parent's own.
    public var rate: UInt64
    /// First transmissions have come so far.
    public var position: UInt32
    /// Of the whole bundle; nil while nobody knows.
    public var chunkCount: UInt32?
    /// Chunks that the parent can send again: at the sender those before the position. At most `Limits.maximumChunks`.
    public var chunksHeld: UInt32
    /// Chunks before the position that are not held.
    public var holes: UInt32
    /// Counts since the session began here. A repair node that is started again begins at 0.
    public var counts: Counts
    /// The lost among them.
    public var children: UInt32
    /// How many of them there are that `nodes` may name.
    public var nodeCount: UInt32
    /// Which of these is the first of `nodes`.
    public var firstNode: UInt32
    /// Child nodes that have proven their address and are not lost, in the order of their ids, `maximumNodes` at most.
    public var nodes: [ChildNode]
    /// Ephemeral ids of the parents above, the sender's first.
    public var path: [UInt32]
    /// Everybody below, each counted once. It says nothing of arrival rates.
    public var histogram: StatusHistogram

    func write(to writer: inout ByteWriter) {
        writer.writeUInt64(nonce)
        writer.writeSessionID(session)
        writer.writeUInt8(phase.rawValue)
        writer.writeUInt8(role.rawValue)
        writer.writeUInt64(rate)
        for count in [position, chunkCount ?? Self.unknownCount, chunksHeld, holes] { writer.writeUInt32(count) }
        for count in [counts.firstBytes, counts.repairBytes, counts.catchUpBytes, counts.naks] { writer.writeUInt64(count) }
        for count in [children, nodeCount, firstNode] { writer.writeUInt32(count) }
        writer.writeUInt8(UInt8(min(nodes.count, Self.maximumNodes)))
        for node in nodes.prefix(Self.maximumNodes) { node.write(to: &writer) }
        writer.writeUInt8(UInt8(min(path.count, TreePlace.maximumDepth)))
        for id in path.prefix(TreePlace.maximumDepth) { writer.writeUInt32(id) }
        Self.shortened(histogram).write(to: &writer)
    }

    /// Without what would not fit, and what is of use to a parent only.
    private static func shortened(_ histogram: StatusHistogram) -> StatusHistogram {
        var result = histogram
        for index in result.arrival.indices { result.arrival[index] = 0 }
        for index in result.rehomed.indices { result.rehomed[index] = 0 }
        result.tree.refusals = RefusalCounts()
        return result
    }

    init(reading reader: inout ByteReader) throws(WireError) {
        nonce = try reader.readUInt64()
        session = SessionID(high: try reader.readUInt64(), low: try reader.readUInt64())
        guard let phase = SessionPhase(rawValue: try reader.readUInt8()) else { throw .invalidField("phase") }
        self.phase = phase
        guard let role = ParentRole(rawValue: try reader.readUInt8()) else { throw .invalidField("role") }
        self.role = role
        rate = try reader.readUInt64()
        position = try reader.readUInt32()
        let count = try reader.readUInt32()
        chunkCount = count == Self.unknownCount ? nil : count
        chunksHeld = try reader.readUInt32()
        holes = try reader.readUInt32()
        for count in [position, chunkCount ?? 0, chunksHeld, holes] where count > Limits.maximumChunks { throw .invalidField("chunks") }
        counts = Counts()
        counts.firstBytes = try reader.readUInt64()
        counts.repairBytes = try reader.readUInt64()
        counts.catchUpBytes = try reader.readUInt64()
        counts.naks = try reader.readUInt64()
        children = try reader.readUInt32()
        nodeCount = try reader.readUInt32()
        firstNode = try reader.readUInt32()
        let named = Int(try reader.readUInt8())
        guard named <= Self.maximumNodes, Int(firstNode) + named <= Int(nodeCount) || named == 0 else { throw .invalidField("nodes") }
        nodes = []
        for _ in 0..<named { nodes.append(try ChildNode(reading: &reader)) }
        let depth = Int(try reader.readUInt8())
        guard depth <= TreePlace.maximumDepth else { throw .invalidField("depth") }
        path = []
        for _ in 0..<depth { path.append(try reader.readUInt32()) }
        histogram = try StatusHistogram(reading: &reader)
        guard Self.shortened(histogram) == histogram else { throw .invalidField("histogram") }
    }

    public init(
        nonce: UInt64, session: SessionID, phase: SessionPhase, role: ParentRole, rate: UInt64, position: UInt32, chunkCount: UInt32?,
        chunksHeld: UInt32, holes: UInt32, counts: Counts, children: UInt32, nodeCount: UInt32, firstNode: UInt32, nodes: [ChildNode],
        path: [UInt32], histogram: StatusHistogram
    ) {
        self.nonce = nonce
        self.session = session
        self.phase = phase
        self.role = role
        self.rate = rate
        self.position = position
        self.chunkCount = chunkCount
        self.chunksHeld = chunksHeld
        self.holes = holes
        self.counts = counts
        self.children = children
        self.nodeCount = nodeCount
        self.firstNode = firstNode
        self.nodes = nodes
        self.path = path
        self.histogram = histogram
    }
}
