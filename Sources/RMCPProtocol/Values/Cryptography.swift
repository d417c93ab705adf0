/// The sender's half of the cryptography: a pure function handed to the engine, Ed25519 in production and a cheap keyed
/// sum in the simulator.
public protocol MessageSigner: Sendable {
    /// `.none` when the session is not signed.
    var publicKey: PublicKey { get }
    /// Signature of the message; `.none` when the session is not signed, where nobody looks at it.
    func signature(for message: [UInt8]) -> Signature
}

/// The receiver's half: it verifies what a `MessageSigner` signed.
public protocol MessageVerifier: Sendable {
    /// Verifies the signature; false also for a key that is none. It may take half a millisecond (`PresenceSettings.statementInterval`).
    func isValid(_ signature: Signature, for message: [UInt8], by key: PublicKey) -> Bool
}

/// BLAKE3 in production. The table's digest is a chain over its pages (docs/protocol.md, "END").
public protocol MessageDigest: Sendable {
    /// Digest of the message: a page's body, the digests of all pages, or what a cookie is made of.
    func digest(of message: [UInt8]) -> Digest
    /// Whether a part of an outline is true: its values and siblings, as many as the shape says, give `root` when they are folded up.
    func isTrue(part: Int, values: [Digest], siblings: [Digest], _ shape: OutlineShape, root: Digest) -> Bool
}
