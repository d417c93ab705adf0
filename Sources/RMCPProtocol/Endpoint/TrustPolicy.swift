/// Sessions that a node takes: sealed ones or others.
public enum SealingPolicy: Sendable {
    /// Those that are not sealed: there is no group's key here.
    case none
    /// Those that are sealed for the group whose details this opens, and no others.
    case opening(any DetailsOpener)
    /// Sealed sessions, as repair nodes take them: they stay sealed. The authentication of packets tells whose they are.
    case carrying

    var wantsSealed: Bool { if case .none = self { false } else { true } }
}

/// Whom a receiver believes.
public struct TrustPolicy: Sendable {
    /// Keys of the senders whose sessions are taken.
    public var trustedKeys: Set<PublicKey>
    /// Sessions are taken that are not signed, and those of any key whose signature is good (docs/protocol.md, "Signatures").
    public var allowsUnsigned: Bool
    /// Sessions by their sealing. `SessionDirectory.adopt(_:)` leaves it as it was at the start.
    public var sealing = SealingPolicy.none
    /// Keys of the repair nodes whose regions are joined; nil where anybody's are.
    public var trustedNodes: Set<PublicKey>?
    /// Whether a bundle of this name is wanted; nil wants every one. Others are passed over without a word: they are somebody else's.
    public var wants: (@Sendable (_ name: String) -> Bool)?
    /// The newest known version of each bundle: what is older is refused.
    public var newest: [BundleIdentity: BundleVersion]
    /// Kinds that there is no place for, such as a tree where the output is a device.
    public var refusedKinds: Set<BundleKind> = []

    public init(
        trustedKeys: Set<PublicKey>, allowsUnsigned: Bool, trustedNodes: Set<PublicKey>? = nil, newest: [BundleIdentity: BundleVersion] = [:]
    ) {
        self.trustedKeys = trustedKeys
        self.allowsUnsigned = allowsUnsigned
        self.trustedNodes = trustedNodes
        self.newest = newest
    }

    /// The newest known version of this bundle; nil when none is known. A bundle by a trusted key is a
    /// version of all of its name by trusted keys: when the signer's key was changed, what the former key has signed does
    /// not become current again.
    public func newestVersion(of announce: Announce) -> BundleVersion? {
        guard announce.isSigned else { return nil }
        guard trustedKeys.contains(announce.key) else { return newest[BundleIdentity(announce)] }
        return trustedKeys.lazy.compactMap { newest[BundleIdentity(name: announce.name, key: $0)] }.max()
    }
}

/// Identity of a bundle, which two versions of it share: its name, said by the same signer.
public struct BundleIdentity: Hashable, Sendable {
    /// Compared as bytes, as file systems do: to `String` an accent is the same however it is written.
    public var name: String
    /// Key of the signer; `.none` where the bundle is not signed.
    public var key: PublicKey

    /// Compares names by their bytes.
    public static func == (left: BundleIdentity, right: BundleIdentity) -> Bool {
        left.key == right.key && left.name.utf8.elementsEqual(right.name.utf8)
    }

    public func hash(into hasher: inout Hasher) {
        for byte in name.utf8 { hasher.combine(byte) }
        hasher.combine(key)
    }

    public init(name: String, key: PublicKey) {
        self.name = name
        self.key = key
    }

    /// A bundle that is sealed and was not opened has a name that nobody here knows: each session of it is a bundle of its own.
    public init(_ announce: Announce) {
        self.init(name: announce.isOpen ? announce.name : "sealed/" + announce.session.text, key: announce.key)
    }
}
