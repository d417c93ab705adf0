/// A repair node's key at work: it signs where the node stands, to children and to its parent.
struct PlaceSigner: Sendable {
    private let signer: any MessageSigner
    private let session: SessionID
    /// Ephemeral id as a child.
    private let child: UInt32
    private var serial: UInt32 = 0
    /// The last one for children, which newcomers are told as often as what there is to have.
    private(set) var last: Packet?
    /// Cookie that the node was last signed to its parent with, and when.
    private var shown: (cookie: UInt64, at: Instant)?

    init(signer: any MessageSigner, session: SessionID, child: UInt32) {
        self.signer = signer
        self.session = session
        self.child = child
    }

    /// - Parameters:
    ///   - cookie: 0 for children.
    ///   - statement: the sender's last one that was heard.
    mutating func sign(
        as transmitter: UInt32, at place: TreePlace, phase: SessionPhase, pace: StatedPace, after statement: UInt32, showing cookie: UInt64 = 0
    ) -> Packet {
        serial &+= 1
        let place = NodePlace(
            key: signer.publicKey, serial: serial, statement: statement, child: child, transmitter: transmitter, phase: phase, pace: pace, place: place)
        let packet = Packet.place(place, signer.signature(for: place.signedMessage(session: session, cookie: cookie)))
        if cookie == 0 { last = packet }
        return packet
    }

    /// Begins to show a cookie, or to show it again.
    /// - Returns: false where the parent was told within `interval`.
    mutating func begin(showing cookie: UInt64, every interval: Interval, at now: Instant) -> Bool {
        if let shown, shown.cookie == cookie, now - shown.at < interval { return false }
        shown = (cookie, now)
        return true
    }
}
