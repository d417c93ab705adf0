/// The session's ANNOUNCE and who signs it: the sender itself, or nobody here, where a repair node passes on what the sender signed.
struct SignedAnnounce: Sendable {
    private(set) var announce: Announce
    private(set) var signature: Signature
    /// Nil at a repair node.
    private let signer: (any MessageSigner)?
    private var answers = AnswerBudget(perSecond: answersPerSecond)

    /// A hundred relays ask twice a second each, and strangers get no more than 150 KB.
    private static let answersPerSecond = 200

    init(_ announce: Announce, signer: any MessageSigner) {
        self.announce = announce
        self.signer = signer
        signature = signer.signature(for: announce.signedMessage)
    }

    /// As the sender signed it.
    init(_ announce: Announce, signature: Signature) {
        self.announce = announce
        self.signature = signature
        signer = nil
    }

    var packet: Packet { .announce(announce, signature) }

    /// Takes an answer to somebody who asks what there is from the budget; false where none is left.
    mutating func takeAnswer(at now: Instant) -> Bool { answers.take(at: now) }

    /// Takes a newer one from above.
    mutating func adopt(_ newer: Announce, signature: Signature) {
        announce = newer
        self.signature = signature
    }

    /// Bytes of payload in a packet. While nothing was sent the sender may lower them.
    mutating func setPayloadLength(_ length: UInt16) {
        announce.payloadLength = length
        if let signer { signature = signer.signature(for: announce.signedMessage) }
    }
}
