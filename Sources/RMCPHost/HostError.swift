import Glibc

/// What went wrong, at what, and what to do next: one line to the user.
public struct HostError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Kind: Sendable, Hashable {
        /// The command asked for something that cannot be: exit code 2.
        case usage
        /// Everything else: exit code 1.
        case failure
        case diskFull
        /// A newer version of the bundle is there.
        case outdated
        /// Whatever asked for it is over.
        case cancelled
    }

    public var kind: Kind
    public var description: String

    public init(_ description: String, kind: Kind = .failure) {
        self.kind = kind
        self.description = description
    }

    /// From the errno of the call that has just failed.
    public static func system(_ operation: String, _ subject: String, advice: String? = nil) -> HostError {
        let code = errno
        let text = "\(operation) \(subject): \(errorText(code))"
        return HostError(
            advice.map { "\(text); \($0)" } ?? text, kind: code == ENOSPC || code == EDQUOT ? .diskFull : .failure)
    }

    static func errorText(_ code: Int32) -> String {
        switch code {
        case ENOENT: "no such file or directory"
        case EACCES, EPERM: "permission denied"
        case ENOSPC: "no space left on device"
        case EDQUOT: "disk quota exceeded"
        default: unsafe String(cString: strerror(code)).lowercased()
        }
    }
}
