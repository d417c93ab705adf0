import Glibc
import RMCPProtocol
import RMCPReport

/// A directory in which a file is left for each bundle that is complete, for whoever acts on it with rights of his own. A file has its name
/// once it is whole: until then it is hidden.
public final class SpoolDirectory: Sendable {
    let path: String
    /// Bundles of which no file could be left.
    private let count = LockedValue(0)

    public init(_ path: String) { self.path = path }

    var failures: Int { count.withLock { $0 } }

    /// - Returns: a line for the user.
    func check() throws(HostError) -> String? { try OutputCheck.checkDirectory(path, advice: "choose another with --spool-events", .host) }

    /// Event of a bundle that is complete, as its file has it.
    struct Event: Sendable {
        let name: String
        let text: String

        /// - Parameters:
        ///   - path: where the bundle is; one that is not absolute is meant from the working directory on.
        ///   - time: milliseconds since 1970.
        init(_ snapshot: ReceiveSnapshot, path: String, at time: UInt64) {
            var snapshot = snapshot
            snapshot.state = .complete
            let absolute = path.hasPrefix("/") ? path : SpoolDirectory.workingDirectory.map { "\($0)/\(path)" } ?? path
            let lines = ReceiveUpdate.completed(snapshot, path: absolute).lines.map { $0.text(of: "recv", at: time) + "\n" }
            text = SystemText.printable(lines.joined(), backslash: "\\\\")
            // Sorted by time, in one word.
            let digits = Units.timestamp(milliseconds: time).filter { $0.isNumber || $0 == "T" || $0 == "Z" }
            name = "\(digits)-\(snapshot.announce.session.text).json"
        }
    }

    /// Leaves a file. May wait for a disk.
    func leave(_ event: Event) throws(HostError) {
        do throws(HostError) { try write(event) } catch {
            count.withLock { $0 += 1 }
            throw error
        }
    }

    private func write(_ event: Event) throws(HostError) {
        let label = "\(path)/\(event.name)"
        let directory = try FileSystem.host.openDirectory(path)
        let file = try AtomicFile(event.name, as: ".\(event.name).new", in: directory, label: label)
        try FileTransfer.write(file.descriptor.raw, Array(event.text.utf8), at: 0, path: label)
        // Its mode is that of other files of this process, so that others than its user may read it.
        guard fchmod(file.descriptor.raw, ProcessUmask.fileMode) == 0 else { throw .system("set the mode of", label) }
        try file.publish(isDurable: true)
    }

    private static var workingDirectory: String? {
        guard let path = unsafe getcwd(nil, 0) else { return nil }
        defer { unsafe free(path) }
        return unsafe SystemText.text(path)
    }
}
