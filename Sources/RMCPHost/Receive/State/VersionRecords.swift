import RMCPContent
public import RMCPProtocol
import RMCPReport

/// The newest version that has been received whole of each bundle, by name and key: what keeps an old, still
/// validly signed bundle from being passed off as the current one. One line each in a text file that all receivers of a
/// user share: public key, version (`VersionText`), name.
public final class VersionRecords: Sendable {
    /// Nil where there is no place for it: what is known is forgotten with the process.
    private let file: SharedFile?
    private let known: LockedValue<[BundleIdentity: BundleVersion]>
    private let takesOlder: Bool
    private let clock: @Sendable () -> HostClock
    /// Bundles that are remembered; beyond, those of the oldest version are forgotten.
    static let limit = 10_000

    /// `$XDG_STATE_HOME/rmcp/versions`, or `~/.local/state/rmcp/versions`.
    /// Nil for a user without a home.
    public static var defaultPath: String? { SharedFile.statePath("versions") }

    /// A file that is not there yet is empty. One that cannot be read is an error: going on without it would let
    /// anything old in.
    /// - Parameter takesOlder: nothing is refused, and what is taken becomes the newest version that was noted.
    public convenience init(path: String? = VersionRecords.defaultPath, takesOlder: Bool = false) throws(HostError) {
        try self.init(file: path.map { SharedFile(path: $0) }, takesOlder: takesOlder)
    }

    init(file: SharedFile?, takesOlder: Bool = false, clock: @escaping @Sendable () -> HostClock = HostClock.now) throws(HostError) {
        self.file = file
        self.takesOlder = takesOlder
        self.clock = clock
        do throws(HostError) { known = LockedValue(Self.parse(try file?.read() ?? [])) } catch {
            throw HostError("\(error.description); it says which bundles are outdated, and --allow-rollback does without", kind: error.kind)
        }
    }

    /// Versions that this process knows: those that were in the file when it was last looked at.
    /// None where older ones are taken.
    public var newest: [BundleIdentity: BundleVersion] { takesOlder ? [:] : known.withLock { $0 } }

    /// Milliseconds since 1970: what was made later is not noted. A clock that was once ahead would keep out all that comes after it.
    var latest: UInt64 { takesOlder ? 0 : clock().latestCredible }

    private static func parse(_ bytes: [UInt8]) -> [BundleIdentity: BundleVersion] {
        var result: [BundleIdentity: BundleVersion] = [:]
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            // A line that is damaged is skipped: it can only have been a newer version's.
            let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 3)
            guard fields.count == 4, let text = String(validating: fields[0] + [UInt8(ascii: " ")] + fields[1], as: UTF8.self),
                let key = PublicKeyText.parse(line: text), let version = VersionText.parse(String(decoding: fields[2], as: UTF8.self)),
                let name = String(validating: fields[3], as: UTF8.self)
            else { continue }
            let identity = BundleIdentity(name: name, key: key)
            result[identity] = max(result[identity] ?? version, version)
        }
        return result
    }

    private static func text(_ versions: [BundleIdentity: BundleVersion]) -> [UInt8] {
        let lines = versions.map { "\(PublicKeyText.line(for: $0.key.key)) \(VersionText.text($0.value)) \($0.key.name)" }.sorted()
        return Array((lines.joined(separator: "\n") + "\n").utf8)
    }

    /// Lets `publish` give a bundle its name if no newer one of that name, by this key or another that is trusted, has
    /// been received by whichever process, and notes it. Other processes wait meanwhile.
    /// - Returns: what kept it from being noted, in one line; nil when it is noted.
    /// - Throws: `HostError` of kind `.outdated`, or what `publish` throws.
    func publish(_ announce: Announce, trusting keys: Set<PublicKey>, _ publish: () throws(HostError) -> Void) throws(HostError) -> String? {
        // A name with a line break can't be a file's, and has been refused.
        guard announce.isSigned, !announce.name.contains("\n") else {
            try publish()
            return nil
        }
        if takesOlder { return try bringDown(announce, trusting: keys, publish) }
        guard announce.creationTime <= latest else {
            try Self.check(announce, against: newest, trusting: keys)
            try publish()
            return aheadOf(clock(), announce)
        }
        guard let file else {
            try Self.check(announce, against: newest, trusting: keys)
            try publish()
            _ = note(announce)
            return nil
        }
        var refusal: HostError?
        var isPublished = false
        do {
            try file.update { bytes in
                let versions = merge(Self.parse(bytes))
                do throws(HostError) {
                    try Self.check(announce, against: versions, trusting: keys)
                    try publish()
                } catch {
                    refusal = error
                    return nil
                }
                isPublished = true
                return note(announce)
            }
        } catch {
            // The file cannot be locked, read or written: what this process knows itself has to do.
            if let refusal { throw refusal }
            if !isPublished {
                try Self.check(announce, against: newest, trusting: keys)
                try publish()
                _ = note(announce)
            }
            return "\(BundleName.printable(announce.name)): \(error); older versions of it will not be refused after a restart"
        }
        if let refusal { throw refusal }
        return nil
    }

    private func aheadOf(_ clock: HostClock, _ announce: Announce) -> String {
        let name = BundleName.printable(announce.name)
        return "\(name): its sender's clock said \(Units.date(milliseconds: announce.creationTime)), and it is "
            + "\(Units.date(milliseconds: clock.milliseconds)); its version is not noted, so that later ones can be taken"
    }

    /// Makes a bundle the newest of its name that was noted, if any was.
    private func bringDown(
        _ announce: Announce, trusting keys: Set<PublicKey>, _ publish: () throws(HostError) -> Void
    ) throws(HostError) -> String? {
        try publish()
        do {
            try file?.update { bytes in
                var versions = Self.parse(bytes)
                for key in keys.union([announce.key]) {
                    let identity = BundleIdentity(name: announce.name, key: key)
                    if let noted = versions[identity] { versions[identity] = min(noted, announce.version) }
                }
                return Self.text(versions)
            }
        } catch { return "\(BundleName.printable(announce.name)): \(error); it will be refused without --allow-rollback" }
        return nil
    }

    private static func check(_ announce: Announce, against versions: [BundleIdentity: BundleVersion], trusting keys: Set<PublicKey>) throws(HostError) {
        let policy = TrustPolicy(trustedKeys: keys, allowsUnsigned: false, newest: versions)
        guard let newest = policy.newestVersion(of: announce), newest > announce.version else { return }
        throw .outdated(announce)
    }

    private func merge(_ read: [BundleIdentity: BundleVersion]) -> [BundleIdentity: BundleVersion] {
        known.withLock { known in
            known.merge(read) { max($0, $1) }
            return known
        }
    }

    private func note(_ announce: Announce) -> [UInt8] {
        known.withLock { known in
            let identity = BundleIdentity(announce)
            known[identity] = max(known[identity] ?? announce.version, announce.version)
            while known.count > Self.limit, let oldest = known.min(by: { $0.value < $1.value }) { known[oldest.key] = nil }
            return Self.text(known)
        }
    }
}

extension HostError {
    static func outdated(_ announce: Announce) -> HostError {
        HostError("\(BundleName.printable(announce.name)): a newer version was completed meanwhile; this one is dropped", kind: .outdated)
    }
}
