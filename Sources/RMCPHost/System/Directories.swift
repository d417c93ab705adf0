import Glibc

/// Directories that the program needs, and where the user's are.
public enum Directories {
    /// Makes a directory and those above it that are missing, for this user alone.
    public static func make(_ path: String, advice: String? = nil) throws(HostError) {
        var made = path.hasPrefix("/") ? "/" : ""
        for component in path.split(separator: "/") {
            made += component
            guard unsafe mkdir(made, 0o700) == 0 || isThere(made, after: errno) else { throw .system("make directory", made, advice: advice) }
            made += "/"
        }
    }

    /// A file system that cannot be written to may still have the directory.
    private static func isThere(_ path: String, after code: Int32) -> Bool {
        if code == EEXIST { return true }
        var status = stat()
        defer { errno = code }
        return unsafe code == EROFS && stat(path, &status) == 0
    }

    /// Makes what is missing of the directories that a file is to be in.
    public static func makeParents(of path: String) throws(HostError) {
        guard let slash = path.lastIndex(of: "/") else { return }
        try make(String(path[..<slash]))
    }

    // MARK: The user's

    /// Purpose of a user's directory (XDG Base Directory Specification).
    public enum Purpose: Sendable {
        case configuration
        case state
        case cache

        fileprivate var variable: String {
            switch self {
            case .configuration: "XDG_CONFIG_HOME"
            case .state: "XDG_STATE_HOME"
            case .cache: "XDG_CACHE_HOME"
            }
        }

        fileprivate var fallback: String {
            switch self {
            case .configuration: ".config"
            case .state: ".local/state"
            case .cache: ".cache"
            }
        }
    }

    /// This program's directory of the user's, such as `$XDG_STATE_HOME/rmcp` or `~/.local/state/rmcp`; there or not.
    public static func ofUser(_ purpose: Purpose) -> String {
        if let base = variable(purpose.variable), !base.isEmpty { return "\(base)/rmcp" }
        return "\(variable("HOME") ?? "/root")/\(purpose.fallback)/rmcp"
    }

    private static func variable(_ name: String) -> String? { unsafe getenv(name).map { unsafe String(cString: $0) } }
}
