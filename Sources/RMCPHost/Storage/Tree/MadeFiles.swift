import Glibc

extension FileSystem {
    /// Makes something in the staging directory its maker's again, where root has given it the owner that it is to have: the session has ended
    /// behind that, and before the tree had its name. Nobody else could make anything there.
    /// - Returns: false where it is another user's.
    func takeBack(_ descriptor: Int32, _ status: stat) -> Bool { status.st_uid == geteuid() || setOwner(descriptor, geteuid(), getegid()) == 0 }

    /// The same by its name.
    func takeBack(_ name: KernelName, in directory: Int32, _ status: stat) -> Bool {
        status.st_uid == geteuid() || setOwner(of: name, in: directory, geteuid(), getegid()) == 0
    }
}

/// Owner and mode that new files come out with. The file creation mask, default access control lists and directories that hand their
/// group down have a say in it, so that one file of each kind is looked at: two system calls for each of the others are saved.
final class MadeFiles: Sendable {
    /// Rights that the owner has until a file is whole: it is opened again, read and written.
    static let ownMode: mode_t = 0o600

    /// Owner and mode of a file.
    struct Look: Equatable, Sendable {
        var user: uid_t
        var group: gid_t
        var mode: mode_t
    }

    private struct Kind: Hashable {
        var directory: Int
        var mode: mode_t
    }

    /// Kinds that are remembered: entries come in the order of the tree, so that few directories are busy at a time.
    private static let limit = 1_024

    private let looks = LockedValue<[Kind: Look]>([:])

    /// - Parameters:
    ///   - descriptor: of a file that has just been made.
    ///   - mode: that it was made with.
    ///   - directory: index of its directory's entry.
    /// - Returns: nil where it cannot be known.
    func look(of descriptor: Int32, mode: mode_t, directory: Int, files: FileSystem) -> Look? {
        let kind = Kind(directory: directory, mode: mode)
        if let known = looks.withLock({ $0[kind] }) { return known }
        guard let status = files.status(of: descriptor) else { return nil }
        let look = Look(user: status.st_uid, group: status.st_gid, mode: status.st_mode & 0o7777)
        looks.withLock { looks in
            if looks.count >= Self.limit { looks = [:] }
            looks[kind] = look
        }
        return look
    }
}
