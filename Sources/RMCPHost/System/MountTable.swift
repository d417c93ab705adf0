import Glibc

/// Mounts that this process sees (proc(5), /proc/PID/mountinfo).
enum MountTable {
    /// Answer to what is mounted below a directory.
    enum Inner: Equatable {
        case nothing
        /// The path of the first.
        case mount(String)
        /// The table cannot be read to its end.
        case unknown
    }

    static let path = "/proc/self/mountinfo"

    /// Whether a file system on a block device is mounted for writing; nil where none is mounted, as far as is seen here, or the table cannot be
    /// read to its end.
    static func isWritten(_ device: dev_t, table: String = MountTable.path) -> Bool? {
        // The number is taken apart as the C library's macros do it, which Swift does not see (makedev(3)): 12 bits of the major number above 8 of the minor.
        let major = UInt32(truncatingIfNeeded: device >> 8 & 0xFFF | device >> 32 & ~0xFFF)
        let minor = UInt32(truncatingIfNeeded: device & 0xFF | device >> 12 & ~0xFF)
        return FileTransfer.kernelText(table).flatMap { isWritten(major: major, minor: minor, in: $0) }
    }

    /// A mount may be read-only while the file system below it is not: the last field tells of the file system.
    static func isWritten(major: UInt32, minor: UInt32, in text: String) -> Bool? {
        var answer: Bool?
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > Self.deviceField, fields[Self.deviceField] == "\(major):\(minor)", let options = fields.last else { continue }
            answer = (answer ?? false) || options.split(separator: ",").contains("rw")
        }
        return answer
    }

    /// - Parameters:
    ///   - path: from the root, without links.
    ///   - limit: bytes of the table.
    static func inner(below path: String, table: String = MountTable.path, limit: Int = FileTransfer.longestKernelText) -> Inner {
        if let text = FileTransfer.kernelText(table, limit: limit) { return firstMount(below: path, in: text).map { Inner.mount($0) } ?? .nothing }
        // Where there is no table, as in a chroot, nothing can be seen.
        return unsafe access(table, R_OK) == 0 ? .unknown : .nothing
    }

    /// Path of something that is mounted below a directory; nil where nothing is.
    static func firstMount(below path: String, in text: String) -> String? {
        // The kernel writes these as octal numbers.
        let outer = path.map { "\\ \t\n".contains($0) ? escape($0) : String($0) }.joined() + "/"
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: " ")
            if fields.count > Self.placeField, fields[Self.placeField].utf8.starts(with: outer.utf8) {
                return "\(path)/\(fields[Self.placeField].utf8.dropFirst(outer.utf8.count).map { String(UnicodeScalar($0)) }.joined())"
            }
        }
        return nil
    }

    private static func escape(_ character: Character) -> String {
        let octal = String(character.asciiValue ?? 0, radix: 8)
        return "\\" + String(repeating: "0", count: 3 - octal.count) + octal
    }

    private static let deviceField = 2
    private static let placeField = 4
}
