import CLinux
import Glibc

/// Faults of `--directory` and `--output` that can be known before any session: what cannot work ends `recv` at its start, and
/// not a sender's session.
enum OutputCheck {
    /// - Returns: the output, where a path is a device as one; and what the user should know.
    static func run(
        _ output: ReceiveRequest.Output, directory: String, files: FileSystem = .host
    ) throws(HostError) -> (output: ReceiveRequest.Output, warning: String?) {
        switch output {
        case .directory: return (output, try checkDirectory(directory, advice: "choose another with -d", files))
        case .standardOutput:
            _ = try SpoolFile(files: files)
            return (output, nil)
        case .device(let path), .path(let path):
            switch try OutputPath(path) {
            case .device:
                try DeviceStorage.check(path, files: files)
                return (.device(path), nil)
            case .file(let name, let directory):
                let warning = try checkDirectory(directory, advice: "choose another place with -o", files)
                try FinalName.check(name, in: try files.openDirectory(directory), path: path, files: files)
                return (output, warning)
            }
        }
    }

    /// Makes a file there that has no name, or whose name is removed at once.
    static func checkDirectory(_ path: String, advice: String, _ files: FileSystem) throws(HostError) -> String? {
        let directory = try files.openDirectory(path)
        if files.attributes(of: "", in: directory.raw).contains(.appendOnly) {
            throw HostError("\(path) is append-only, so that nothing in it can be renamed; chattr -a it, or \(advice)")
        }
        let raw = files.open(".", in: directory.raw, rmcp_o_tmpfile() | O_WRONLY, mode: 0o600)
        guard raw < 0 else {
            close(raw)
            return nil
        }
        // A file system without nameless files says so with one of several errors.
        if errno != EROFS, errno != EACCES, errno != ENOSPC, errno != EDQUOT, makesNamedFile(in: directory, files) { return nil }
        let code = errno
        let isExplained = Diagnosis.ofFile(code, at: Diagnosis.Place(of: directory.raw)) != nil
        errno = code
        let error = HostError.system("make files in", path, advice: isExplained ? nil : advice, in: directory.raw)
        // Room may be there when it is needed.
        guard error.kind != .diskFull else { return error.description }
        throw error
    }

    private static func makesNamedFile(in directory: OwnedDescriptor, _ files: FileSystem) -> Bool {
        let name = "\(PartialPlace.trialPrefix)\(UInt64.random(in: 0...(.max)))"
        let raw = files.open(name, in: directory.raw, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
        guard raw >= 0 else { return false }
        close(raw)
        _ = files.remove(name, in: directory.raw)
        return true
    }
}
