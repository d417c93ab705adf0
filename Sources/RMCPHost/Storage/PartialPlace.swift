import Glibc
import RMCPProtocol

/// Place of a bundle until it is complete: `.NAME.rmcp-partial` beside `.NAME.rmcp-journal`, whose lock says that a session has it.
struct PartialPlace {
    let journal: ChunkJournal
    let partialName: String
    /// Another session has the first choice of a place: this is the second.
    let isSecond: Bool

    /// Beginning of the names of files and directories that are made to see what a directory can do, and are gone at once.
    static let trialPrefix = ".rmcp-probe-"
    static let suffix = ".rmcp-partial"

    /// - Parameter path: of the directory, for messages.
    init(of name: String, _ announce: Announce, in directory: OwnedDescriptor, path: String, files: FileSystem) throws(HostError) {
        var stem = Self.stem(for: name)
        // Another session under way has this name's place: this one gets its own.
        var opened = try ChunkJournal.open(stem: stem, chunkLength: announce.chunkLength, in: directory, path: path, files: files)
        isSecond = opened == nil
        if opened == nil {
            stem = Self.stem(for: "\(BundleName.prefix(of: name, bytes: 200)).\(String(announce.session.tag, radix: 16))")
            opened = try ChunkJournal.open(stem: stem, chunkLength: announce.chunkLength, in: directory, path: path, files: files)
        }
        guard let opened else {
            throw HostError("cannot lock the journal of \(PartialFile.join(path, name)); is another rmcp recv writing it?")
        }
        journal = opened
        partialName = stem + Self.suffix
    }

    static func stem(for name: String) -> String {
        let suffixRoom = BundleName.maximumLength - 1 - "\(ChunkJournal.suffix)-new".utf8.count
        guard name.utf8.count > suffixRoom else { return "." + name }
        // Too long with the suffix: cut it, and tell cut names apart by a hash (FNV-1a).
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return ".\(BundleName.prefix(of: name, bytes: suffixRoom - 17)).\(String(hash, radix: 16))"
    }

    /// Whether a session has left a journal of this name that none has open, as far as its lock says.
    static func hasLeftJournal(of name: String, in directory: OwnedDescriptor, files: FileSystem) -> Bool {
        let raw = files.open(stem(for: name) + ChunkJournal.suffix, in: directory.raw, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
        guard raw >= 0 else { return errno != ENOENT }
        let journal = OwnedDescriptor(raw)
        guard files.lock(journal.raw, LOCK_EX | LOCK_NB) == 0 else { return errno != EWOULDBLOCK }
        _ = files.lock(journal.raw, LOCK_UN)
        return true
    }

    /// Chunks that a second session of one name has received are found by the next under the name that it looks for first, if
    /// that is free by now.
    static func takeFirstName(of name: String, from partialName: inout String, _ journal: ChunkJournal, in directory: OwnedDescriptor, files: FileSystem) {
        let stem = stem(for: name)
        guard files.status(of: stem + ChunkJournal.suffix, in: directory.raw) == nil, files.status(of: stem + suffix, in: directory.raw) == nil,
            files.rename(partialName, to: stem + suffix, in: directory.raw) == 0
        else { return }
        partialName = stem + suffix
        if !journal.rename(to: stem) { journal.remove() }
    }
}
