import RMCPProtocol

extension ReceiveSessions {
    /// A session that was accepted and has no storage yet.
    struct Pending {
        var offer: SessionOffer
        var announce: Announce { offer.announce }
        var generation: SessionGeneration
        /// The ephemeral id that it has unless a journal says that it had another.
        var drawn: UInt32
        var since: Instant
        var isSubmitted = false
        /// The session has begun, and its chunks wait in memory.
        var hasBegun = false
    }
}
