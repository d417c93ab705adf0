public import RMCPProtocol

extension CookieSecret {
    /// A secret that a test can have again.
    public init(of seed: UInt64) {
        var random = RandomSource(seed: ~seed)
        self.init(using: &random)
    }
}

// Engines of which everything follows from one number, as a test wants it and as a host never makes them.

extension SenderEngine {
    public init(
        configuration: Configuration, announce: Announce, signer: any MessageSigner, digest: any MessageDigest,
        verifier: (any MessageVerifier)? = nil, seed: UInt64, at now: Instant
    ) {
        self.init(
            configuration: configuration, announce: announce, signer: signer, digest: digest, verifier: verifier, seed: seed,
            secret: CookieSecret(of: seed), at: now)
    }
}

extension RepairEngine {
    public init(
        identity: UInt32, announce: Announce, signature: Signature, mode: Mode, configuration: Configuration, expectsOthers: Bool = false,
        signer: (any MessageSigner)? = nil, verifier: any MessageVerifier, digest: any MessageDigest, seed: UInt64, at now: Instant
    ) {
        var random = RandomSource(seed: seed)
        self.init(
            identity: identity, announce: announce, signature: signature, mode: mode, configuration: configuration, expectsOthers: expectsOthers,
            signer: signer, verifier: verifier, digest: digest, seed: random.next(), upstream: random, secret: CookieSecret(of: seed), at: now)
    }
}
