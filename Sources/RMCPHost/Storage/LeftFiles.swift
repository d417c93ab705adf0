import Glibc

/// Partial files of sessions that nobody has gone on with. They are worth keeping for a while, since the next session
/// need not fetch what is there, and not for ever.
enum LeftFiles {
    /// Seconds. A week: who sends images each weekend goes on from the last one.
    static let age = 7 * 24 * 3_600

    /// Removes what is older, and says what is there.
    /// - Parameter now: seconds since 1970.
    /// - Returns: lines for the user.
    static func sweep(_ path: String, now: Int = Poller.wallClock().tv_sec, files: FileSystem = .host) throws(HostError) -> [String] {
        let directory = try files.openDirectory(path)
        var (kept, keptBytes) = (0, UInt64(0))
        var (removed, replaced): ([String], [String]) = ([], [])
        for name in files.names(in: directory.raw) ?? [] where name.hasPrefix(".") && name.hasSuffix(PartialPlace.suffix) {
            guard let status = files.status(of: name, in: directory.raw), status.kind == S_IFREG || status.kind == S_IFDIR else { continue }
            let stem = String(name.dropLast(PartialPlace.suffix.count))
            if status.kind == S_IFDIR, removeReplaced(stem, status, in: directory, files: files) {
                replaced.append(String(stem.dropFirst()))
            } else if remove(stem, status, in: directory, now: now, files: files) {
                removed.append(String(stem.dropFirst()))
            } else {
                kept += 1
                // Bytes in a directory are not known without going through it.
                keptBytes = keptBytes.addingClamped(status.bytesTaken)
            }
        }
        sweepRemains(in: directory, now: now, files: files)
        var lines: [String] = []
        if !removed.isEmpty { lines.append("\(path): removed what came of \(removed.joined(separator: ", ")) and was not gone on with for a week") }
        if !replaced.isEmpty { lines.append("\(path): removed former trees of \(replaced.joined(separator: ", ")), which others have taken the place of") }
        if kept > 0 {
            lines.append(
                kept == 1
                    ? "\(path): 1 bundle that is not complete takes \(keptBytes) bytes; a session of its name goes on from it, and after a week it goes"
                    : "\(path): \(kept) bundles that are not complete take \(keptBytes) bytes; a session of their name goes on from them, and after a week they go"
            )
        }
        return lines
    }

    /// Seconds after which a trial of what a directory can do, or a journal that is alone, is nobody's any more.
    private static let trialAge = 3_600

    /// Removes what is of no use to anybody, without a word: journals without what they are of, and what a process that was killed has left of
    /// its trials.
    private static func sweepRemains(in directory: OwnedDescriptor, now: Int, files: FileSystem) {
        for name in files.names(in: directory.raw) ?? [] {
            guard name.hasPrefix("."), let status = files.status(of: name, in: directory.raw), status.st_uid == geteuid(),
                // A difference could overflow: senders give times, which may be as far away as can be.
                status.st_mtim.tv_sec < now - trialAge
            else { continue }
            if name.hasPrefix(PartialPlace.trialPrefix) {
                _ = files.remove(SystemText.cString(name), in: directory.raw, isDirectory: status.kind == S_IFDIR)
            } else if name.hasSuffix(ChunkJournal.suffix), status.kind == S_IFREG {
                let stem = String(name.dropLast(ChunkJournal.suffix.count))
                guard files.status(of: stem + PartialPlace.suffix, in: directory.raw) == nil, errno == ENOENT else { continue }
                // A session that has just made it holds its lock, and makes the rest under that.
                let raw = files.open(name, in: directory.raw, O_RDWR | O_NOFOLLOW | O_NONBLOCK)
                guard raw >= 0 else { continue }
                let journal = OwnedDescriptor(raw)
                guard files.lock(raw, LOCK_EX | LOCK_NB) == 0 else { continue }
                if files.status(of: stem + PartialPlace.suffix, in: directory.raw) == nil, errno == ENOENT { _ = files.remove(name, in: directory.raw) }
                _ = files.lock(journal.raw, LOCK_UN)
            }
        }
    }

    /// Removes a tree that another has taken the place of: its journal is gone, or was made for removing it. It is locked meanwhile.
    private static func removeReplaced(_ stem: String, _ status: stat, in directory: OwnedDescriptor, files: FileSystem) -> Bool {
        let known = files.status(of: stem + ChunkJournal.suffix, in: directory.raw)
        guard status.st_uid == geteuid(), known.map({ $0.kind == S_IFREG && $0.st_size <= DigestLog.headerLength }) ?? true,
            let journal = try? ChunkJournal.open(stem: stem, chunkLength: 1, in: directory, files: files)
        else { return false }
        defer { journal.unlock() }
        let isRemoved = TreeRemoval.remove(stem + PartialPlace.suffix, in: directory.raw, files: files)
        journal.remove()
        return isRemoved
    }

    /// False for what is too young, somebody else's, or being written to.
    private static func remove(_ stem: String, _ status: stat, in directory: OwnedDescriptor, now: Int, files: FileSystem) -> Bool {
        let journalName = stem + ChunkJournal.suffix
        let journal = files.status(of: journalName, in: directory.raw)
        let lastWritten = max(status.st_mtim.tv_sec, journal?.st_mtim.tv_sec ?? 0)
        guard lastWritten < now - age, status.st_uid == geteuid(), journal?.kind ?? S_IFREG == S_IFREG else { return false }
        // Held until both are gone: a session that waits for it then finds that it is not the file of that name any more.
        var lock: OwnedDescriptor?
        if journal != nil {
            let raw = files.open(journalName, in: directory.raw, O_RDWR | O_NOFOLLOW | O_NONBLOCK)
            guard raw >= 0 else { return false }
            lock = OwnedDescriptor(raw)
            guard files.lock(raw, LOCK_EX | LOCK_NB) == 0 else { return false }
        }
        defer { if let lock { _ = files.lock(lock.raw, LOCK_UN) } }
        if journal != nil, files.remove(journalName, in: directory.raw) != 0 { return false }
        return TreeRemoval.remove(stem + PartialPlace.suffix, in: directory.raw, files: files)
    }
}
