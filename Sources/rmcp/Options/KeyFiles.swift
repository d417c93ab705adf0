import Glibc
import RMCPContent
import RMCPHost
import RMCPProtocol

/// Where keys live and how they are read and made.
enum KeyFiles {
    static let signingKeyName = "id_ed25519"
    static let nodeKeyName = "repair_ed25519"

    /// Files of keys that this user has where nobody names others.
    static var ownKeys: [String] { directory.map { directory in [signingKeyName, nodeKeyName].map { "\(directory)/\($0)" } } ?? [] }

    /// `$XDG_CONFIG_HOME/rmcp` or `~/.config/rmcp`; nil for a user without a home.
    private static var directory: String? { Directories.ofUser(.configuration) }

    /// - Throws: for a user without a home, where no file is given.
    /// - Parameter option: names another file.
    static func defaultKey(unless given: String? = nil, option: String) throws(HostError) -> String {
        if let given { return given }
        guard let directory else { throw HostError("there is no home for the key (HOME, XDG_CONFIG_HOME); name a file with \(option)") }
        return directory + "/" + signingKeyName
    }

    /// Read by `recv` when no `--trust` is given; nil for a user without a home.
    private static var defaultTrust: String? { directory.map { $0 + "/trusted_keys" } }

    /// Whether something has the name. That it cannot be looked at is no answer.
    private static func isThere(_ path: String) throws(HostError) -> Bool {
        if unsafe access(SystemText.cString(path), F_OK) == 0 { return true }
        guard errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG else { throw .system("look at", path) }
        return false
    }

    /// The signing key of `send`; the default one is made on first use. Of several first uses at once one makes it and
    /// the others take that.
    static func signingKey(path: String?) throws(HostError) -> (key: SigningKey, isNew: Bool) {
        let file = try defaultKey(unless: path, option: "--key")
        return try key(in: file, makes: path == nil, danger: "receivers would trust whoever did")
    }

    /// The key of a repair node, which is made at its first start; nil where no file is named and there is no place for one.
    static func nodeKey(path: String?, warn: (String) -> Void) throws(HostError) -> SigningKey? {
        let danger = "whoever did could play this node"
        if let path { return try key(in: path, makes: true, danger: danger).key }
        guard let directory else {
            warn(
                "there is no home for this node's key (HOME, XDG_CONFIG_HOME), and who uses trusted nodes alone does not use it; name a file with --key")
            return nil
        }
        do throws(HostError) { return try key(in: directory + "/" + nodeKeyName, makes: true, danger: danger).key } catch {
            warn("this node has no key, and who uses trusted nodes alone does not use it: \(error); name a file with --key")
            return nil
        }
    }

    /// - Parameter makes: whether a file that is not there is made.
    private static func key(in file: String, makes: Bool, danger: String) throws(HostError) -> (key: SigningKey, isNew: Bool) {
        if makes, try !isThere(file), let made = try generateUnlessPresent(at: file) { return (made, true) }
        let text = try readSecret(file, danger: danger, advice: "make one with: rmcp keygen -o \(file)")
        do throws(ContentError) { return (try SigningKey(parsing: text), false) } catch {
            throw HostError("\(file): \(error)")
        }
    }

    /// The text of a file that nobody but its owner can read.
    private static func readSecret(_ file: String, danger: String, advice: String) throws(HostError) -> String {
        var status = stat()
        guard unsafe stat(SystemText.cString(file), &status) == 0 else { throw .system("read key", file, advice: advice) }
        guard status.st_mode & 0o077 == 0 else {
            throw HostError("key \(file) can be read by others; \(danger). Protect it with: chmod 600 \(file)")
        }
        return try TextFile.read(file)
    }

    /// Faults that a start would find with a private key; nothing is made.
    /// - Returns: a line for the user.
    static func check(path: String?, standard name: String) throws(HostError) -> String {
        guard let file = path ?? directory.map({ $0 + "/" + name }) else { return "there is no home for a key (HOME, XDG_CONFIG_HOME)" }
        guard try isThere(file) else {
            guard path == nil || name != signingKeyName else { throw HostError("\(file): no such file; make it with: rmcp keygen -o \(file)") }
            return "\(file) is made at the first start"
        }
        return "\(file) has the key \(try key(in: file, makes: false, danger: "whoever did could play this host").key.publicKey.text)"
    }

    // MARK: Groups

    static func defaultGroupKey(unless given: String?, option: String) throws(HostError) -> String {
        if let given { return given }
        guard let directory else { throw HostError("there is no home for the key (HOME, XDG_CONFIG_HOME); name a file with \(option)") }
        return directory + "/group_key"
    }

    /// The file of `--group-key`.
    static func groupKey(path: String) throws(HostError) -> GroupKeyFile {
        let text = try readSecret(
            path, danger: "whoever did could read what is sealed with it", advice: "make one with: rmcp keygen --group -o \(path)")
        do throws(ContentError) { return try GroupKeyFile(parsing: text) } catch { throw HostError("\(path): \(error)") }
    }

    /// Makes a group's key and beside it the control key; never writes over either.
    /// - Returns: where the control key is.
    static func generateGroup(at path: String) throws(HostError) -> String {
        let controlPath = path + ".control"
        let key = GroupKey()
        guard try !isThere(controlPath) else { throw alreadyThere(controlPath) }
        guard try writeUnlessPresent(key.fileText, at: path) else { throw alreadyThere(path) }
        do throws(HostError) {
            guard try writeUnlessPresent(key.control.fileText, at: controlPath) else { throw alreadyThere(controlPath) }
        } catch {
            // The key is nobody's yet, and alone it would be in the way of the next try.
            _ = unsafe unlink(SystemText.cString(path))
            throw error
        }
        return controlPath
    }

    private static func alreadyThere(_ path: String) -> HostError {
        HostError("there is a key already, \(path); it is not overwritten: remove it first if you mean to")
    }

    // MARK: Making

    /// Makes a key file that only its owner can read; never writes over one.
    static func generate(at path: String) throws(HostError) -> SigningKey {
        guard let key = try generateUnlessPresent(at: path) else {
            throw alreadyThere(path)
        }
        return key
    }

    /// Nil when a key is there already.
    private static func generateUnlessPresent(at path: String) throws(HostError) -> SigningKey? {
        let key = SigningKey()
        return try writeUnlessPresent(key.fileText, at: path) ? key : nil
    }

    /// False when something is there already. Written under another name and linked, so that nobody ever reads half a key.
    private static func writeUnlessPresent(_ text: String, at path: String) throws(HostError) -> Bool {
        try Directories.makeParents(of: path)
        var template = SystemText.cString(path + ".XXXXXX")
        let raw = unsafe template.withUnsafeMutableBufferPointer { unsafe mkstemp($0.baseAddress.unsafelyUnwrapped) }
        guard raw >= 0 else { throw .system("create key", path) }
        let descriptor = OwnedDescriptor(raw)
        let temporary = SystemText.text(of: template.dropLast().map { UInt8(bitPattern: $0) })
        defer { _ = unsafe unlink(SystemText.cString(temporary)) }
        var text = text
        let written = text.withUTF8 { unsafe Glibc.write(descriptor.raw, $0.baseAddress, $0.count) }
        guard written == text.utf8.count, fsync(raw) == 0 else { throw .system("write key", path) }
        guard unsafe link(SystemText.cString(temporary), SystemText.cString(path)) == 0 else {
            guard errno == EEXIST else { throw .system("create key", path) }
            return false
        }
        return true
    }

    /// `--trust KEY|FILE`, any number of them; without any, the default file if it is there.
    static func trustedKeys(_ arguments: [String]) throws(HostError) -> Set<PublicKey> {
        if arguments.isEmpty, let file = defaultTrust, try isThere(file) { return try keys(in: [file], option: "--trust") }
        return try keys(in: arguments, option: "--trust")
    }

    /// `--trust-repair KEY|FILE`, any number of them; nil without any.
    static func trustedNodes(_ arguments: [String]) throws(HostError) -> Set<PublicKey>? {
        arguments.isEmpty ? nil : try keys(in: arguments, option: "--trust-repair")
    }

    private static func keys(in sources: [String], option: String) throws(HostError) -> Set<PublicKey> {
        var keys: Set<PublicKey> = []
        for source in sources {
            if let key = PublicKeyText.parse(line: source) {
                keys.insert(key)
                continue
            }
            guard try isThere(source) else {
                throw HostError(
                    "\(option) \(source): neither a public key nor a file; rmcp keygen prints keys of the form: rmcp-ed25519 BASE64",
                    kind: .usage)
            }
            let text = try TextFile.read(source)
            do throws(ContentError) { keys.formUnion(try PublicKeyText.parse(file: text, path: source)) } catch {
                throw HostError(error.description, kind: .usage)
            }
        }
        return keys
    }
}
