import Glibc

/// Directories that the program needs, and where the user's are.
public enum Directories {
    /// Makes a directory and those above it that are missing, for this user alone.
    public static func make(_ path: String, advice: String? = nil) throws(HostError) {
        var made = path.hasPrefix("/") ? "/" : ""
        for component in path.split(separator: "/") {
            made += component
            guard unsafe mkdir(SystemText.cString(made), 0o700) == 0 || isThere(made, after: errno) else {
                throw .system("make directory", made, advice: advice)
            }
            made += "/"
        }
    }

    /// A file system that cannot be written to may still have the directory.
    private static func isThere(_ path: String, after code: Int32) -> Bool {
        if code == EEXIST { return true }
        defer { errno = code }
        return code == EROFS && FileSystem.status(of: path) != nil
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

    /// The user's directory for this program, such as `$XDG_STATE_HOME/rmcp` or `~/.local/state/rmcp`; there or not. Nil
    /// where nobody says where: services and containers may have no home, and none is guessed.
    public static func ofUser(_ purpose: Purpose) -> String? {
        // Relative ones are to be ignored, says the specification.
        if let base = SystemText.variable(purpose.variable), base.hasPrefix("/") { return "\(base)/rmcp" }
        return home.map { "\($0 == "/" ? "" : $0)/\(purpose.fallback)/rmcp" }
    }

    /// `$HOME`, or what the user database says where that is there.
    private static var home: String? {
        if let home = SystemText.variable("HOME"), home.hasPrefix("/") { return home }
        var entry = unsafe passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: entryLength)
        guard unsafe getpwuid_r(geteuid(), &entry, &buffer, buffer.count, &found) == 0, unsafe found != nil, let home = unsafe entry.pw_dir
        else { return nil }
        let path = unsafe SystemText.text(home)
        return path.hasPrefix("/") && FileSystem.status(of: path)?.kind == S_IFDIR ? path : nil
    }

    /// Bytes for an entry of the user database.
    private static let entryLength = 16_384
}
