import Glibc

/// One line to the user: what went wrong, at what, and what to do next.
public struct HostError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Kind: Sendable, Hashable {
        /// The command asked for something that cannot be: exit code 2.
        case usage
        /// Any other failure: exit code 1.
        case failure
        case diskFull
        /// A newer version of the bundle is there.
        case outdated
        /// Whatever asked for it is over.
        case cancelled
    }

    /// A file of a tree that the error is about.
    public struct File: Sendable, Hashable {
        /// Path from the tree's root on, as `NameText` writes it.
        public var path: String
        public var message: String
    }

    public var kind: Kind
    public var description: String
    /// Files of a tree that are to blame, as far as they are known.
    public var files: [File]

    public init(_ description: String, kind: Kind = .failure, files: [File] = []) {
        self.kind = kind
        self.description = description
        self.files = files
    }

    /// What went wrong, at what: all before the first semicolon.
    public var message: String { separator.map { String(description[..<$0.lowerBound]) } ?? description }
    /// What is behind it, or what to do next; empty where nobody knows.
    public var hint: String { separator.map { String(description[$0.upperBound...]) } ?? "" }

    private var separator: Range<String.Index>? { description.firstRange(of: "; ") }

    /// Error for the errno of the call that has just failed.
    /// - Parameter advice: what helps whatever the errno is; nil for what `Diagnosis` knows of the errno.
    public static func system(_ operation: String, _ subject: String, advice: String? = nil) -> HostError {
        system(operation, subject, advice: advice, in: nil)
    }

    /// - Parameter directory: a descriptor of the subject's directory, which is looked at for what is behind the errno.
    static func system(_ operation: String, _ subject: String, advice: String? = nil, in directory: Int32?) -> HostError {
        let code = errno
        let text = "\(operation) \(subject): \(errorText(code))"
        let found = advice ?? Diagnosis.ofFile(code, at: directory.flatMap { Diagnosis.Place(of: $0) })?.text
        return HostError(found.map { "\(text); \($0)" } ?? text, kind: code == ENOSPC || code == EDQUOT ? .diskFull : .failure)
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
