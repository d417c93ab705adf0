/// Proofs of children to their parent: that an address is their own, and, where its user takes no other sums, that they are trusted
/// repair nodes.
struct ChildProofs: Sendable {
    private let cookies: AddressCookies
    /// Nil where anybody may report a sum.
    private var nodes: NodeProofs?

    init(secret: CookieSecret, digest: any MessageDigest, trustedNodes: Set<PublicKey>?, verifier: (any MessageVerifier)?) {
        cookies = AddressCookies(secret: secret, digest: digest)
        nodes = trustedNodes.map { NodeProofs(keys: $0, verifier: verifier) }
    }

    func cookie(for address: SocketAddress) -> UInt64 { cookies.cookie(for: address) }

    /// Whether a repair node's sum is counted.
    func mayReportSum(_ child: ChildName, at now: Instant) -> Bool { nodes?.isProven(child, at: now) ?? true }

    /// Whether repair nodes with this key are taken.
    func trusts(_ key: PublicKey) -> Bool { nodes?.trusts(key) ?? true }

    /// Takes what a repair node has signed for its parent.
    /// - Parameter validity: how long it holds.
    mutating func take(
        _ place: NodePlace, _ signature: Signature, from source: SocketAddress, in session: SessionID, for validity: Interval, at now: Instant
    ) -> Bool {
        guard nodes != nil else { return true }
        let cookie = cookie(for: source)
        return nodes?.take(place, signature, from: source, in: session, showing: cookie, for: validity, at: now) ?? true
    }
}

/// Trusted repair nodes below a parent, each by its id and host, until when its word holds.
private struct NodeProofs: Sendable {
    private struct Proof: Sendable {
        var serial: UInt32
        var until: Instant
    }

    private let keys: Set<PublicKey>
    private let verifier: (any MessageVerifier)?
    private var budget = VerificationBudget()
    private var proofs: [ChildName: Proof] = [:]
    /// Each is by the owner of a trusted key.
    private static let limit = 4_096

    init(keys: Set<PublicKey>, verifier: (any MessageVerifier)?) {
        self.keys = keys
        self.verifier = verifier
    }

    func trusts(_ key: PublicKey) -> Bool { keys.contains(key) }
    func isProven(_ child: ChildName, at now: Instant) -> Bool { proofs[child].map { now < $0.until } ?? false }

    mutating func take(
        _ place: NodePlace, _ signature: Signature, from source: SocketAddress, in session: SessionID, showing cookie: UInt64, for validity: Interval,
        at now: Instant
    ) -> Bool {
        let child = ChildName(place.child, at: source)
        let origin = VerificationBudget.Origin(source: source, transmitter: place.child)
        guard let verifier, keys.contains(place.key), proofs[child].map({ place.serial > $0.serial }) ?? true, budget.allows(origin, at: now) else {
            return false
        }
        guard verifier.isValid(signature, for: place.signedMessage(session: session, cookie: cookie), by: place.key) else {
            budget.noteVain(origin, at: now)
            return false
        }
        budget.noteGood(origin)
        if proofs.count >= Self.limit, proofs[child] == nil { proofs = proofs.filter { now < $0.value.until } }
        guard proofs.count < Self.limit || proofs[child] != nil else { return false }
        proofs[child] = Proof(serial: place.serial, until: now + validity)
        return true
    }
}
