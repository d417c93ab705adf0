/// Where in the tree a parent stands, as its HEARTBEAT says: what a child chooses by.
public struct TreePlace: Hashable, Sendable {
    /// Repair nodes between a node and its sender are at most this many; what claims more is refused.
    public static let maximumDepth = 16

    /// Stands in a path for a sender that has gone: an id that nobody has. Its repair nodes are not senders for that.
    public static let nobody: UInt32 = 0

    /// Ephemeral ids of the parents above this one, the sender's first; empty at the sender. A node that finds itself
    /// in it is above already: attaching there would make a loop.
    public var path: [UInt32]
    /// The time to live that the HEARTBEAT was sent with: what is left of it at the child tells how far away the parent
    /// is. 0 where that means nothing, as by unicast.
    public var timeToLive: UInt8
    /// Routers between the sender and the parent: as it measures them itself, or else as its own parent says and those to that
    /// one. What is nearer to the sender never goes below what is farther.
    public var distance: UInt8
    /// Children that the parent has.
    public var load: UInt32
    /// The parent has every chunk before this.
    public var watermark: UInt32

    public init(path: [UInt32] = [], timeToLive: UInt8 = 0, distance: UInt8 = 0, load: UInt32 = 0, watermark: UInt32 = 0) {
        self.path = path
        self.timeToLive = timeToLive
        self.distance = distance
        self.load = load
        self.watermark = watermark
    }

    /// 0 at the sender.
    public var depth: Int { path.count }

    func write(to writer: inout ByteWriter) {
        writer.writeUInt8(timeToLive)
        writer.writeUInt8(UInt8(min(path.count, Self.maximumDepth)))
        writer.writeUInt8(distance)
        writer.writeUInt8(0)
        writer.writeUInt32(load)
        writer.writeUInt32(watermark)
        for id in path.prefix(Self.maximumDepth) { writer.writeUInt32(id) }
    }

    init(reading reader: inout ByteReader) throws(WireError) {
        timeToLive = try reader.readUInt8()
        let depth = Int(try reader.readUInt8())
        guard depth <= Self.maximumDepth else { throw .invalidField("depth") }
        distance = try reader.readUInt8()
        try reader.skip(1)
        load = try reader.readUInt32()
        watermark = try reader.readUInt32()
        path = []
        for _ in 0..<depth { path.append(try reader.readUInt32()) }
    }
}

/// A child asks a parent to take it, by unicast.
public struct AttachRequest: Hashable, Sendable {
    /// Drawn at random: the answer repeats it, so that nobody can answer in the parent's name unheard.
    public var nonce: UInt64
    /// The whole stream is wanted by unicast: multicast does not cross the link between the two.
    public var wantsStream: Bool

    public init(nonce: UInt64, wantsStream: Bool) {
        self.nonce = nonce
        self.wantsStream = wantsStream
    }

    func write(to writer: inout ByteWriter) {
        writer.writeUInt64(nonce)
        writer.writeUInt8(wantsStream ? 1 : 0)
        // As long as the answer: an ATTACH in somebody else's name brings them no more than it costs.
        writer.pad(to: PacketHeader.length + AttachAnswer.length)
    }

    init(reading reader: inout ByteReader) throws(WireError) {
        nonce = try reader.readUInt64()
        wantsStream = try reader.readUInt8() & 1 != 0
    }
}

/// The answer: a cookie, or why not.
public struct AttachAnswer: Hashable, Sendable {
    /// The parent's decision. Only ATTACHED of `accepted` has a cookie.
    public enum Verdict: UInt8, Hashable, Sendable, CaseIterable {
        /// The cookie makes whoever shows it in a STATUS a child. The ATTACH itself has changed nothing at the parent.
        case accepted = 0
        /// As many children as it takes.
        case full = 1
        /// As many children by unicast as it takes.
        case noUnicast = 2
        /// Not an answer to ATTACH but to a STATUS whose cookie, repeated as the nonce, is another address's: the child's address
        /// has changed, and it must ask for a cookie anew.
        case moved = 3
        /// An answer not to ATTACH but to a PLACE of a repair node, whose cookie the nonce repeats: the parent counts the sums of trusted
        /// nodes alone, and this one has not proven to be one.
        case untrusted = 4
    }

    static let length = 17

    /// Nonce of the ATTACH that this answers. For `moved` it is the cookie that was shown, for `untrusted` that of the node's address.
    public var nonce: UInt64
    /// Decision. A child that is refused by its own parent asks again after 9 s. Any other parent that refused is left alone for 30 s.
    public var verdict: Verdict
    /// Bound to the child's address: who shows it in a STATUS has heard what was sent to that address.
    public var cookie: UInt64

    public init(nonce: UInt64, verdict: Verdict, cookie: UInt64) {
        self.nonce = nonce
        self.verdict = verdict
        self.cookie = cookie
    }

    func write(to writer: inout ByteWriter) {
        writer.writeUInt64(nonce)
        writer.writeUInt8(verdict.rawValue)
        writer.writeUInt64(cookie)
    }

    init(reading reader: inout ByteReader) throws(WireError) {
        nonce = try reader.readUInt64()
        guard let verdict = Verdict(rawValue: try reader.readUInt8()) else { throw .invalidField("verdict") }
        self.verdict = verdict
        cookie = try reader.readUInt64()
    }
}

/// A repair node says in the group that it repairs in another one: who hears it joins that, too.
public struct Advertisement: Hashable, Sendable {
    /// Group that the node repairs in: a multicast address, and a port that is not 0. Anything else is malformed.
    public var region: SocketAddress
    /// Milliseconds since 1970 by the node's clock, and more in each than in the one before: what makes a recorded one old.
    public var time: UInt64
    /// The node's own; `.none` where it is not signed.
    public var key: PublicKey

    public init(region: SocketAddress, time: UInt64 = 0, key: PublicKey = .none) {
        self.region = region
        self.time = time
        self.key = key
    }

    private func writeBody(to writer: inout ByteWriter) {
        writer.writeUInt8(region.family.rawValue)
        writer.writeUInt8(0)
        writer.writeUInt16(region.port)
        writer.writeUInt64(region.high)
        writer.writeUInt64(region.low)
        writer.writeUInt64(time)
        writer.writeBytes32(key.value)
    }

    func write(signature: Signature, to writer: inout ByteWriter) {
        writeBody(to: &writer)
        writer.writeSignature(signature)
    }

    init(reading reader: inout ByteReader) throws(WireError) {
        guard let family = SocketAddress.Family(rawValue: try reader.readUInt8()) else { throw .invalidField("family") }
        try reader.skip(1)
        let port = try reader.readUInt16()
        let high = try reader.readUInt64()
        let low = try reader.readUInt64()
        region = SocketAddress(family: family, high: high, low: low, port: port)
        time = try reader.readUInt64()
        key = PublicKey(try reader.readBytes32())
        guard region.isMulticast, family == .ipv6 || (high == 0 && low >> 32 == 0), port > 0 else { throw .invalidField("region") }
    }

    /// Bytes that the signature covers: domain and body. The reserved byte is zero in it.
    public var signedMessage: [UInt8] {
        var writer = ByteWriter()
        writer.writeArray(SignedDomain.advertisement)
        writeBody(to: &writer)
        return writer.bytes
    }
}
