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
        /// Something that was read has changed meanwhile: what was received is as good as before.
        case changed
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

    /// Number of the characters of `description` that are the message, where that is known.
    private var messageLength: Int?

    /// - Parameter description: what went wrong, at what; and behind a semicolon what is behind it, or what to do next.
    public init(_ description: String, kind: Kind = .failure, files: [File] = []) {
        self.kind = kind
        self.description = description
        self.files = files
    }

    /// The same, where the message may have semicolons of its own.
    init(_ message: String, hint: String, kind: Kind = .failure, files: [File] = []) {
        self.init("\(message)\(Self.separator)\(hint)", kind: kind, files: files)
        messageLength = message.count
    }

    private static let separator = "; "

    /// Fault: what went wrong, at what.
    public var message: String {
        if let messageLength { return String(description.prefix(messageLength)) }
        return description.firstRange(of: Self.separator).map { String(description[..<$0.lowerBound]) } ?? description
    }
    /// Advice: what is behind it, or what to do next; empty where nobody knows.
    public var hint: String { String(description.dropFirst(message.count + Self.separator.count)) }

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
        let kind: Kind = code == ENOSPC || code == EDQUOT ? .diskFull : .failure
        return found.map { HostError(text, hint: $0, kind: kind) } ?? HostError(text, kind: kind)
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
