import RMCPProtocol

extension ReceiveSessions {
    /// A session that was accepted and has no storage yet.
    struct Pending {
        let offer: SessionOffer
        var announce: Announce { offer.announce }
        var generation: SessionGeneration
        /// The ephemeral id that it has unless a journal says that it had another.
        var drawn: UInt32
        var since: Instant
        var isSubmitted = false
        /// The session has begun, and its chunks wait in memory.
        var hasBegun = false
        /// Bytes of the longest ANNOUNCE that came meanwhile: the sender waits for word of one in full length.
        private(set) var longestDatagram = 0

        mutating func note(_ datagram: RawSpan, from source: SocketAddress) {
            guard let header = try? PacketHeader(of: datagram), header.kind == .announce, !header.isUnicast, header.transmitter == offer.transmitter,
                source == offer.source
            else { return }
            longestDatagram = max(longestDatagram, datagram.byteCount)
        }
    }
}
