import CLinux
import Glibc

/// A file without a name, for what has to wait and would be too much for memory. It is gone with the process.
final class SpoolFile: Sendable {
    /// Name for messages.
    private let label: String
    /// Advice where there is no room; nil for what is said of its file system.
    private let advice: String?
    private let descriptor: OwnedDescriptor
    private let files: FileSystem

    /// Made in the first of `$TMPDIR`, /var/tmp and /tmp that has one to give.
    init(files: FileSystem = .host) throws(HostError) {
        self.files = files
        let named = SystemText.variable("TMPDIR") ?? ""
        let directories = (named.isEmpty ? [] : [named]) + ["/var/tmp", "/tmp"]
        var failure: HostError?
        for directory in directories {
            let raw = files.open(directory, rmcp_o_tmpfile() | O_RDWR, mode: 0o600)
            if raw < 0 { failure = failure ?? .system("make a spool file in", directory, advice: Self.otherDirectory) }
            // Not every file system has files without names; all have files whose name is gone.
            guard let made = raw >= 0 ? OwnedDescriptor(raw) : Self.openUnlinked(in: directory, files) else { continue }
            label = "the spool file in \(directory)"
            advice = Self.otherDirectory
            descriptor = made
            return
        }
        throw failure ?? HostError("there is no directory for a spool file; set TMPDIR")
    }

    private static let otherDirectory = "set TMPDIR to a directory with room"

    /// Made in a directory.
    init(in directory: OwnedDescriptor, files: FileSystem) throws(HostError) {
        self.files = files
        label = "the spool file"
        advice = nil
        let raw = files.open(".", in: directory.raw, rmcp_o_tmpfile() | O_RDWR, mode: 0o600)
        if raw >= 0 {
            descriptor = OwnedDescriptor(raw)
            return
        }
        let failure = HostError.system("make a spool file in", "the directory of the bundle", in: directory.raw)
        guard let made = Self.openUnlinked(in: directory, files) else { throw failure }
        descriptor = made
    }

    private static func openUnlinked(in directory: String, _ files: FileSystem) -> OwnedDescriptor? {
        (try? files.openDirectory(directory)).flatMap { openUnlinked(in: $0, files) }
    }

    private static func openUnlinked(in parent: OwnedDescriptor, _ files: FileSystem) -> OwnedDescriptor? {
        let name = ".rmcp-spool-\(UInt64.random(in: 0...(.max)))"
        let raw = files.open(name, in: parent.raw, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
        guard raw >= 0 else { return nil }
        let descriptor = OwnedDescriptor(raw)
        return files.remove(name, in: parent.raw) == 0 ? descriptor : nil
    }

    func write(_ bytes: RawSpan, at offset: UInt64) throws(HostError) {
        do throws(HostError) { try FileTransfer.write(descriptor.raw, bytes, at: offset, path: label, files: files) } catch {
            guard error.kind == .diskFull, let advice else { throw error }
            throw HostError(error.message, hint: advice, kind: .diskFull)
        }
    }

    /// Fills `bytes`. A disk may have lost them without a word: whoever reads them verifies them.
    func read(into bytes: inout MutableRawSpan, at offset: UInt64) throws(HostError) {
        let wanted = bytes.byteCount
        guard try FileTransfer.read(descriptor.raw, into: &bytes, at: offset, path: label, files: files) == wanted else { throw Self.lost }
    }

    /// The same for an array.
    func read(into bytes: inout [UInt8], at offset: UInt64) throws(HostError) {
        var span = bytes.mutableSpan
        var target = unsafe span.mutableBytes
        try read(into: &target, at: offset)
    }

    /// Error for bytes that are not those that were written.
    static var lost: HostError { HostError("the spool file has lost what was written to it; set TMPDIR to a directory on another disk") }

    /// Gives back the room of what is not needed any more.
    func drop(at offset: UInt64, count: Int) {
        _ = files.allocate(descriptor.raw, mode: RMCP_FALLOC_FL_PUNCH_HOLE | RMCP_FALLOC_FL_KEEP_SIZE, at: Int(offset), count)
    }
}
