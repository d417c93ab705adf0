import Glibc
import RMCPProtocol

/// Cause of a failure: a name, what was looked at, and what helps. One table for all who report failures, so that
/// none of them guesses: a row is returned only where its evidence was seen.
///
/// The rows of files are here, those of networks in `Diagnosis+Network.swift`.
public struct Diagnosis: Sendable, Hashable {
    /// Row of the table, for code and tests: people are told evidence and cure.
    public enum Name: Sendable, Hashable {
        case noInodes
        case noSpace
        case quota
        case readOnly
        case notWritable
        case fileLimit
        case descriptorLimit
        case interfaceGone
        case interfaceDown
        case noCarrier
        case noAddress
        case noRoute
        case firewall
        case reversePathFilter
        case snooping
    }

    public var name: Name
    /// Evidence: what was looked at, and what was seen there.
    public var evidence: String
    /// Cure: a command where there is one.
    public var cure: String

    public init(_ name: Name, _ evidence: String, cure: String) {
        self.name = name
        self.evidence = evidence
        self.cure = cure
    }

    public var text: String { "\(evidence); \(cure)" }

    // MARK: Files

    /// Facts that are known of a file system and of this process's rights there.
    struct Place: Sendable, Hashable {
        var freeBytes: UInt64
        /// Files that may still be made; nil where the file system does not count them.
        var freeFiles: UInt64?
        var isWritable: Bool
        /// Bytes that a file of this process may have (RLIMIT_FSIZE); nil for no limit.
        var fileLimit: UInt64?

        /// - Parameter directory: a descriptor of the directory.
        /// - Returns: nil where the file system cannot be asked.
        init?(of directory: Int32) {
            var status = statvfs()
            guard unsafe fstatvfs(directory, &status) == 0 else { return nil }
            self.init(
                freeBytes: status.bytesLeft, freeFiles: status.filesLeft,
                isWritable: unsafe faccessat(directory, ".", W_OK | X_OK, 0) == 0, fileLimit: Self.ownFileLimit)
        }

        /// Limit of this process, whatever the file system is (setrlimit(2), RLIMIT_FSIZE).
        static var ownFileLimit: UInt64? {
            var limit = rlimit()
            let isLimited = unsafe getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0 && limit.rlim_cur != rlim_t.max
            return isLimited ? UInt64(limit.rlim_cur) : nil
        }

        init(freeBytes: UInt64, freeFiles: UInt64?, isWritable: Bool, fileLimit: UInt64?) {
            self.freeBytes = freeBytes
            self.freeFiles = freeFiles
            self.isWritable = isWritable
            self.fileLimit = fileLimit
        }
    }

    /// Cause of an errno of a call that makes or writes a file.
    /// - Parameter place: the directory of it; nil where it is not known.
    /// - Returns: nil where nothing was seen that explains it.
    static func ofFile(_ code: Int32, at place: Place?) -> Diagnosis? {
        switch code {
        case ENOSPC:
            guard let place else { return nil }
            if place.freeFiles == 0 { return Diagnosis(.noInodes, "its file system has no inode left for another file", cure: "remove files there") }
            return Diagnosis(.noSpace, "its file system has \(place.freeBytes) bytes left", cure: "make room there")
        case EDQUOT: return Diagnosis(.quota, "the quota of this user is used up", cure: "remove files, or have it raised")
        case EROFS: return Diagnosis(.readOnly, "its file system is mounted read-only", cure: "mount it for writing, or choose another place")
        case EACCES, EPERM:
            guard let place, !place.isWritable else { return nil }
            return Diagnosis(.notWritable, "its directory is not writable for user \(geteuid())", cure: "choose another, or change its owner")
        case EFBIG:
            guard let limit = place.map(\.fileLimit) ?? Place.ownFileLimit else {
                return Diagnosis(.fileLimit, "its file system takes no files of that length", cure: "choose another place")
            }
            return Diagnosis(.fileLimit, "this process may write files of \(limit) bytes", cure: "raise it with ulimit -f, or LimitFSIZE= of the unit")
        case EMFILE:
            return Diagnosis(.descriptorLimit, "this process has as many files open as it may", cure: "raise it with ulimit -n, or LimitNOFILE= of the unit")
        default: return nil
        }
    }
}
