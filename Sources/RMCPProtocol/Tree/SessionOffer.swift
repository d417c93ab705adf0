/// A session that was accepted: what its ANNOUNCE says, and who said it.
public struct SessionOffer: Sendable {
    /// ANNOUNCE with its details opened, where this node can open them.
    public var announce: Announce
    /// Signature of the ANNOUNCE as it was sent.
    public var signature: Signature
    /// Address that it came from. Nothing vouches for it before that has answered an ATTACH.
    public var source: SocketAddress
    /// The ephemeral id of who announced it.
    public var transmitter: UInt32
    /// Bytes of the longest ANNOUNCE that has come from there, before there was an engine that counts: the sender waits for word of one in
    /// full length (`LengthProbe`).
    public private(set) var longestDatagram = 0

    public init(announce: Announce, signature: Signature, source: SocketAddress, transmitter: UInt32) {
        self.announce = announce
        self.signature = signature
        self.source = source
        self.transmitter = transmitter
    }

    /// A datagram has come before there was an engine. One of anybody else, or of another kind, changes nothing.
    ///
    /// No more is believed than an engine believes, which has seen no signature of most datagrams either: the address, and the id.
    /// - Parameters:
    ///   - length: bytes of the datagram.
    ///   - countsUnicast: the stream comes by unicast, as a relay's does.
    public mutating func note(_ header: PacketHeader, length: Int, from source: SocketAddress, countsUnicast: Bool = false) {
        guard header.kind == .announce, header.sessionTag == announce.session.tag, countsUnicast || !header.isUnicast,
            header.transmitter == transmitter, source == self.source
        else { return }
        longestDatagram = max(longestDatagram, length)
    }

    /// Likewise, for a datagram that has not been read.
    public mutating func note(_ datagram: RawSpan, from source: SocketAddress, countsUnicast: Bool = false) {
        guard let header = try? PacketHeader(of: datagram) else { return }
        note(header, length: datagram.byteCount, from: source, countsUnicast: countsUnicast)
    }
}
