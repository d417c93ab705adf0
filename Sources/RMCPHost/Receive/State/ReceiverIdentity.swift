import CLinux
import Glibc
import RMCPContent
import RMCPProtocol

/// Ephemeral ids of this receiver, the same in one session however often the process is restarted: what has no journal
/// (a device, a pipe) would else be another receiver to its sender each time.
///
/// Receivers of one host that write to places of the same kind are told apart by a number, which each holds as long as it
/// runs: a name of an abstract Unix socket (unix(7)), of which the kernel keeps one for each network namespace, and none
/// for a process that is gone.
final class ReceiverIdentity {
    private let place: String
    private let number: Int
    private let holder: OwnedDescriptor

    /// Receivers of one kind on one host; who finds no number among them draws ids at random.
    private static let limit = 64

    /// Nil where no number can be had.
    /// - Parameter place: what tells this receiver from others (`CompletedSessions.place`).
    init?(place: String) {
        let raw = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard raw >= 0 else { return nil }
        holder = OwnedDescriptor(raw)
        self.place = place
        let name = "rmcp/\(String(BLAKE3Digest().digest(of: Array(place.utf8)).value.a, radix: 16))"
        guard let free = (0..<Self.limit).first(where: { Self.bind(raw, to: "\(name)/\($0)") }) else { return nil }
        number = free
    }

    private static func bind(_ raw: Int32, to name: String) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // A first byte of 0: the name is no file's.
        let bytes = [0] + Array(name.utf8)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        let length = socklen_t((MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 0) + bytes.count)
        return unsafe withUnsafeBytes(of: &address) {
            unsafe Glibc.bind(raw, $0.assumingMemoryBound(to: sockaddr.self).baseAddress, length) == 0
        }
    }

    /// Never 0. Of no use to anybody who does not know the session's id.
    func id(in session: SessionID) -> UInt32 {
        let digest = BLAKE3Digest().digest(of: Array("\(session.text) \(place) \(number)".utf8))
        return max(1, UInt32(truncatingIfNeeded: digest.value.a))
    }
}
