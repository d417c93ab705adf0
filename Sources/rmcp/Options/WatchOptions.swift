import ArgumentParser
import RMCPHost
import RMCPProtocol

/// Options of `watch` alone.
struct WatchOptions: OptionGroupDeclaration {
    static let once = Setting.flag("once", "Listen for two seconds, show what there is, and exit: with code 4 when nothing was heard.")
    static let trust = Setting.list(
        "trust", "key|file", completion: .file(), namesFile: true,
        "A public key whose sessions are told from others, or a file with one key a line (repeatable; default: ~/.config/rmcp/trusted_keys).")

    static let declared = [once.entry, trust.entry]

    @Flag(Self.once) var once: Bool?
    @Option(Self.trust) var trust: [String]

    func isOnce(_ settings: Settings) throws(HostError) -> Bool { try settings.flag(Self.once, once) }
    func trustedKeys(_ settings: Settings) throws(HostError) -> Set<PublicKey> { try KeyFiles.trustedKeys(settings.list(Self.trust, trust)) }
}
