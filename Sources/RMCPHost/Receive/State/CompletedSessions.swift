import Glibc
import RMCPContent
import RMCPProtocol

/// The sessions that this receiver has completed: none of them is taken again, or a repair node that still offers one
/// would have it fetched, and the command after it run, at each start. One line each in a text file that all receivers of
/// a user share: session, place, completion time in milliseconds since 1970, public key.
///
/// The place tells receivers apart that share the file: hosts of one home directory, and directories of one host. A
/// receiver that writes to a path has one place whatever the path, since who writes one image after the other to files of
/// different names wants the next image, and not the same again.
final class CompletedSessions: Sendable {
    struct Known: Sendable {
        var session: SessionID
        var key: PublicKey
    }

    private struct Entry: Hashable, Sendable {
        var session: SessionID
        var place: UInt64
        var key: PublicKey
    }

    /// Word in place of a key.
    private static let unsigned = "unsigned"

    /// Nil where there is no place for it.
    private let file: SharedFile?
    private let place: UInt64
    /// Sessions that are remembered, those of all places; beyond, the first are forgotten.
    static let limit = 10_000

    /// `$XDG_STATE_HOME/rmcp/completed`, or `~/.local/state/rmcp/completed`.
    /// Nil for a user without a home.
    static var defaultPath: String? { SharedFile.statePath("completed") }

    init(path: String? = CompletedSessions.defaultPath, place: String, files: FileSystem = .host) {
        file = path.map { SharedFile(path: $0, files: files) }
        self.place = BLAKE3Digest().digest(of: Array(place.utf8)).value.a
    }

    /// Text that tells this receiver from others that share the file.
    static func place(interface: NetworkInterface, request: ReceiveRequest) -> String {
        let address = (try? SharedFile(path: "/sys/class/net/\(interface.name)/address").read()).map { String(decoding: $0, as: UTF8.self) } ?? ""
        guard request.output == .directory else { return "\(address) output" }
        return "\(address) directory \(FileSystem.resolved(request.directory) ?? request.directory)"
    }

    /// Sessions of this receiver, in the order of their completion.
    func sessions() throws(HostError) -> [Known] {
        guard let file else { return [] }
        return Self.parse(try file.read()).filter { $0.entry.place == place }.map { Known(session: $0.entry.session, key: $0.entry.key) }
    }

    func note(_ announce: Announce) throws {
        guard let file else { return }
        let key = announce.isSigned ? PublicKeyText.line(for: announce.key) : Self.unsigned
        let line = "\(announce.session.text) \(String(place, radix: 16)) \(Poller.wallClockMilliseconds()) \(key)"
        let entry = Entry(session: announce.session, place: place, key: announce.key)
        try file.update { bytes -> [UInt8]? in
            let old = Self.parse(bytes)
            guard !old.contains(where: { $0.entry == entry }) else { return nil }
            let lines = old.suffix(Self.limit - 1).map(\.line) + [line]
            return Array((lines.joined(separator: "\n") + "\n").utf8)
        }
    }

    private static func parse(_ bytes: [UInt8]) -> [(entry: Entry, line: String)] {
        bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
            // A damaged line costs that its session is taken again.
            guard let text = String(validating: line, as: UTF8.self) else { return nil }
            let fields = text.split(separator: " ", maxSplits: 3).map(String.init)
            guard fields.count == 4, let session = SessionID(text: fields[0]), let place = UInt64(fields[1], radix: 16),
                let key = fields[3] == unsigned ? .some(PublicKey.none) : PublicKeyText.parse(line: fields[3])
            else { return nil }
            return (Entry(session: session, place: place, key: key), text)
        }
    }
}
