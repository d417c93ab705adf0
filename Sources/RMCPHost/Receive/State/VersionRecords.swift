import RMCPContent
public import RMCPProtocol
import RMCPReport

/// The newest version that has been received whole of each bundle, by name and key: what keeps an old, still
/// validly signed bundle from being passed off as the current one. Lines of a text file that all receivers of a user share:
/// version (`VersionText`), name, public key. The newest one of a bundle counts. The key is at the end, so that a line which was cut off by
/// a crash or a full disk is none of another name.
public final class VersionRecords: Sendable {
    /// Nil where there is no place for it: what is known is forgotten with the process.
    private let file: SharedFile?
    private let known: LockedValue<[BundleIdentity: BundleVersion]>
    private let takesOlder: Bool
    private let clock: @Sendable () -> HostClock
    /// Bundles that are remembered; beyond, those of the oldest version are forgotten when the file is longer than `longest`.
    static let limit = 10_000
    /// Bytes; more than the lines of so many bundles.
    private static let longest = 4 << 20

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

    /// - Parameter name: of the bundles that are wanted; nil for all. Lines of others are passed over before they are text, of which there
    ///   are thousands.
    private static func parse(_ bytes: [UInt8], of name: String? = nil) -> [BundleIdentity: BundleVersion] {
        var result: [BundleIdentity: BundleVersion] = [:]
        for line in bytes.split(separator: SharedFile.lineEnd) {
            // A line that is damaged is skipped: it can only have been a newer version's.
            guard let fields = fields(of: line), name.map({ $0.utf8.elementsEqual(fields.name) }) ?? true,
                let key = String(validating: fields.key, as: UTF8.self).flatMap({ PublicKeyText.parse(line: $0) }),
                let version = VersionText.parse(String(decoding: fields.version, as: UTF8.self)), let name = String(validating: fields.name, as: UTF8.self)
            else { continue }
            let identity = BundleIdentity(name: name, key: key)
            result[identity] = max(result[identity] ?? version, version)
        }
        return result
    }

    /// A name may have spaces, and neither of the others has any but the one in a key's line.
    private static func fields(of line: ArraySlice<UInt8>) -> (version: ArraySlice<UInt8>, name: ArraySlice<UInt8>, key: ArraySlice<UInt8>)? {
        let space = UInt8(ascii: " ")
        guard let first = line.firstIndex(of: space), let last = line.lastIndex(of: space),
            let second = line[..<last].lastIndex(of: space), first < second
        else { return nil }
        return (line[..<first], line[(first + 1)..<second], line[(second + 1)...])
    }

    private static func line(_ identity: BundleIdentity, _ version: BundleVersion) -> String {
        "\(VersionText.text(version)) \(identity.name) \(PublicKeyText.line(for: identity.key))"
    }

    private static func text(_ versions: [BundleIdentity: BundleVersion]) -> [UInt8] {
        Array((versions.map { line($0.key, $0.value) }.sorted().joined(separator: "\n") + "\n").utf8)
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
            note(announce)
            return nil
        }
        var refusal: HostError?
        var isPublished = false
        do {
            // The time for it does not depend on how many others there are: it is on the way to every bundle's end.
            let length = try file.extend { bytes in
                let noted = Self.parse(bytes, of: announce.name)
                let versions = merge(noted)
                do throws(HostError) {
                    try Self.check(announce, against: versions, trusting: keys)
                    try publish()
                } catch {
                    refusal = error
                    return nil
                }
                isPublished = true
                let version = note(announce)
                let identity = BundleIdentity(announce)
                return noted[identity].map { $0 < version } ?? true ? Self.line(identity, version) : nil
            }
            // It is noted by now; a file that stays long is shortened with the next one.
            if length > Self.longest { try? file.update { bytes in Self.text(Self.newest(Self.parse(bytes))) } }
        } catch {
            // The file cannot be locked, read or written: what this process knows itself has to do.
            if let refusal { throw refusal }
            if !isPublished {
                try Self.check(announce, against: newest, trusting: keys)
                try publish()
                note(announce)
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

    /// - Returns: the newest version that is known.
    @discardableResult
    private func note(_ announce: Announce) -> BundleVersion {
        known.withLock { known in
            let identity = BundleIdentity(announce)
            let version = max(known[identity] ?? announce.version, announce.version)
            known[identity] = version
            if known.count > Self.limit * 2 { known = Self.newest(known) }
            return version
        }
    }

    /// Bundles of the newest versions, as many as are remembered.
    private static func newest(_ versions: [BundleIdentity: BundleVersion]) -> [BundleIdentity: BundleVersion] {
        guard versions.count > limit else { return versions }
        return Dictionary(uniqueKeysWithValues: versions.sorted { $0.value > $1.value }.prefix(limit).map { ($0.key, $0.value) })
    }
}

extension HostError {
    static func outdated(_ announce: Announce) -> HostError {
        HostError("\(BundleName.printable(announce.name)): a newer version was completed meanwhile; this one is dropped", kind: .outdated)
    }
}
