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
    struct Known: Hashable, Sendable {
        var session: SessionID
        var key: PublicKey
    }

    /// Word in place of a key.
    private static let unsigned = "unsigned"

    /// Nil where there is no place for it.
    private let file: SharedFile?
    private let place: String
    /// Sessions that are remembered, those of all places; the first are forgotten when the file is longer than `longest`.
    static let limit = 10_000
    /// Bytes; more than the lines of so many sessions.
    private static let longest = 2 << 20

    /// `$XDG_STATE_HOME/rmcp/completed`, or `~/.local/state/rmcp/completed`.
    /// Nil for a user without a home.
    static var defaultPath: String? { SharedFile.statePath("completed") }

    init(path: String? = CompletedSessions.defaultPath, place: String, files: FileSystem = .host) {
        file = path.map { SharedFile(path: $0, files: files) }
        self.place = String(BLAKE3Digest().digest(of: Array(place.utf8)).value.a, radix: 16)
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
        let place = Array(place.utf8)
        var seen: Set<Known> = []
        return Self.lines(try file.read()).compactMap { Self.parse($0, place: place) }.filter { seen.insert($0).inserted }
    }

    /// The time for it does not depend on how many there are: it is on the way to every bundle's end.
    func note(_ announce: Announce) throws {
        guard let file else { return }
        let key = announce.isSigned ? PublicKeyText.line(for: announce.key) : Self.unsigned
        let length = try file.append("\(announce.session.text) \(place) \(Poller.wallClockMilliseconds()) \(key)")
        guard length > Self.longest else { return }
        try file.update { bytes -> [UInt8]? in Array(Self.lines(bytes).suffix(Self.limit).joined(separator: [SharedFile.lineEnd])) + [SharedFile.lineEnd] }
    }

    private static func lines(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] { bytes.split(separator: SharedFile.lineEnd) }

    /// - Parameter place: lines of others are passed over before they are text, of which there are thousands.
    private static func parse(_ line: ArraySlice<UInt8>, place: [UInt8]) -> Known? {
        let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 3)
        // A damaged line costs that its session is taken again.
        guard parts.count == 4, parts[1].elementsEqual(place), let text = String(validating: parts[0], as: UTF8.self),
            let session = SessionID(text: text), let last = String(validating: parts[3], as: UTF8.self)
        else { return nil }
        if last == unsigned { return Known(session: session, key: .none) }
        return PublicKeyText.parse(line: last).map { Known(session: session, key: $0) }
    }
}
