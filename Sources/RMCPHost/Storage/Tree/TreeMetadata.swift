import CLinux
import Glibc
import RMCPContent
import RMCPProtocol

/// Mode, owner, time and attributes of one entry, as they are to be on the disk.
struct EntryMetadata {
    var mode: mode_t
    /// Nil leaves what a new file has.
    var owner: (user: uid_t, group: gid_t)?
    var modified: timespec
    var attributes: [(name: KernelName, value: [UInt8])]
    /// Something is left out that nobody has asked for.
    var isCurbed: Bool
}

/// Turns what a catalog says of entries into what this host lets them have, and sets it.
final class TreeMetadata: Sendable {
    private struct Owner: Sendable {
        var user: uid_t
        var group: gid_t
    }

    let faults = TreeFaults()
    private let catalog: Catalog
    private let options: TreeOptions
    private let owners: [Owner]
    private let path: String
    private let files: FileSystem

    /// Names are looked up here, each once: not for each file.
    init(_ catalog: Catalog, options: TreeOptions, path: String, files: FileSystem) {
        self.catalog = catalog
        self.options = options
        self.path = path
        self.files = files
        guard options.keepsOwners, geteuid() == 0 else {
            owners = []
            return
        }
        owners = (0..<catalog.header.owners).map { index in
            let owner = catalog.owner(index)
            return Owner(
                user: owner.userName.flatMap { Accounts.user($0) } ?? owner.user, group: owner.groupName.flatMap { Accounts.group($0) } ?? owner.group)
        }
    }

    func wanted(_ entry: CatalogEntry) -> EntryMetadata {
        var mode = mode_t(entry.mode)
        var isCurbed = false
        if entry.kind == .file, mode & (S_ISUID | S_ISGID) != 0, !options.allowsSpecial {
            mode &= ~(S_ISUID | S_ISGID)
            isCurbed = true
        }
        let attributes = attributes(of: entry, isCurbed: &isCurbed)
        return EntryMetadata(
            mode: mode, owner: owners.isEmpty ? nil : entry.owner.map { (owners[$0].user, owners[$0].group) },
            modified: timespec(tv_sec: Int(entry.modified.seconds), tv_nsec: Int(entry.modified.nanoseconds)), attributes: attributes, isCurbed: isCurbed)
    }

    // MARK: Attributes

    /// Capabilities are for who asks for them; what else a kernel or a security module keeps in attributes is not a sender's to say.
    private static let capability = Array("security.capability".utf8)
    private static let prefixes = ["user.", "system.posix_acl_access", "system.posix_acl_default"].map { Array($0.utf8) }

    private func attributes(of entry: CatalogEntry, isCurbed: inout Bool) -> [(name: KernelName, value: [UInt8])] {
        guard options.keepsAttributes, let set = entry.attributes else { return [] }
        var kept: [(name: KernelName, value: [UInt8])] = []
        for attribute in catalog.attributes(set) {
            let name = attribute.name
            if name == Self.capability, entry.kind == .file {
                isCurbed = isCurbed || !options.allowsSpecial
                guard options.allowsSpecial, geteuid() == 0 else { continue }
            } else {
                guard Self.prefixes.contains(where: { name.starts(with: $0) }) else { continue }
            }
            kept.append((name.map { CChar(bitPattern: $0) } + [0], attribute.value))
        }
        return kept
    }

    /// Whether the file system of `directory` takes attributes of its files.
    static func takesAttributes(_ directory: Int32, files: FileSystem) -> Bool {
        let name = SystemText.cString("user.rmcp")
        guard files.setAttribute(directory, name, [0]) == 0 else { return errno != EOPNOTSUPP }
        _ = unsafe fremovexattr(directory, name)
        return true
    }

    // MARK: Setting

    /// Changing an owner takes set-user-ID and capabilities away, and so does writing: the order is owner, attributes, mode, time.
    /// - Parameter made: owner and mode that it has, where they are known: they need not be set again.
    func set(_ metadata: EntryMetadata, on descriptor: Int32, of entry: Int, made: MadeFiles.Look? = nil) {
        var mode = metadata.mode
        if metadata.isCurbed { faults.note(.special, at: { catalog.text(of: entry, below: path) }, reason: "--allow-special keeps them") }
        let hasOwner = metadata.owner.map { $0.user == made?.user && $0.group == made?.group } ?? true
        if !hasOwner, let owner = metadata.owner, files.setOwner(descriptor, owner.user, owner.group) != 0 {
            note(.owner, entry)
            // The bits would be another's rights, since the owner is not the one that was meant.
            mode &= ~(S_ISUID | S_ISGID)
        }
        for attribute in metadata.attributes where files.setAttribute(descriptor, attribute.name, attribute.value) != 0 { note(.attribute, entry) }
        // An access control list that was set has changed the mode.
        let hasMode = hasOwner && metadata.attributes.isEmpty && made?.mode == mode
        if !hasMode, files.setMode(descriptor, mode) != 0 { note(.mode, entry) }
        if files.setTimes(descriptor, metadata.modified) != 0 { note(.time, entry) }
    }

    /// The same for what has no descriptor: a symbolic link, whose mode and attributes are nobody's, or a FIFO.
    func set(_ metadata: EntryMetadata, on name: KernelName, in directory: Int32, of entry: Int, hasMode: Bool) {
        if let owner = metadata.owner, files.setOwner(of: name, in: directory, owner.user, owner.group) != 0 { note(.owner, entry) }
        if hasMode, files.setMode(of: name, in: directory, metadata.mode & ~(S_ISUID | S_ISGID)) != 0 { note(.mode, entry) }
        if files.setTimes(of: name, in: directory, metadata.modified) != 0 { note(.time, entry) }
    }

    private func note(_ kind: TreeFaults.Kind, _ entry: Int) {
        let reason = HostError.errorText(errno)
        faults.note(kind, at: { catalog.text(of: entry, below: path) }, reason: reason)
    }

    // MARK: Comparing

    /// Whether a file has all of it already, so that it can be a link to that file.
    func isSame(_ metadata: EntryMetadata, as status: stat, _ descriptor: Int32) -> Bool {
        guard hasModeAndTime(metadata, status) else { return false }
        if let owner = metadata.owner { guard status.st_uid == owner.user, status.st_gid == owner.group else { return false } }
        if metadata.owner == nil { guard status.st_uid == geteuid() else { return false } }
        return hasAttributes(metadata.attributes, descriptor)
    }

    func hasModeAndTime(_ metadata: EntryMetadata, _ status: stat) -> Bool {
        status.st_mode & 0o7777 == metadata.mode && status.st_mtim.tv_sec == metadata.modified.tv_sec
            && status.st_mtim.tv_nsec == metadata.modified.tv_nsec
    }

    /// Attributes that a sender may set are these and no others.
    private func hasAttributes(_ wanted: [(name: KernelName, value: [UInt8])], _ descriptor: Int32) -> Bool {
        let size = flistxattr(descriptor, nil, 0)
        if size <= 0 { return wanted.isEmpty }
        var list = [CChar](repeating: 0, count: size)
        guard unsafe flistxattr(descriptor, &list, list.count) == size else { return false }
        let names = list.split(separator: 0).map { Array($0) + [0] }
            .filter { name in
                let bytes = name.dropLast().map { UInt8(bitPattern: $0) }
                return bytes == Self.capability || Self.prefixes.contains { bytes.starts(with: $0) }
            }
        guard names.count == wanted.count else { return false }
        return wanted.allSatisfy { attribute in
            var value = [UInt8](repeating: 0, count: attribute.value.count + 1)
            let length = unsafe fgetxattr(descriptor, attribute.name, &value, value.count)
            return length == attribute.value.count && value.prefix(length).elementsEqual(attribute.value)
        }
    }
}
