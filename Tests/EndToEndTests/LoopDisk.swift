import Foundation
import Testing

/// Disks in files, by loop devices. Of several who look for a free one at the same time only one gets it, so they take turns, those of other
/// runs on this host as well.
enum LoopDisk {
    static let reason: Comment = "disks in files need root, mkfs.ext4 and loop devices"

    /// Tried once.
    static let isPossible: Bool = {
        guard geteuid() == 0, Program.isInstalled("mkfs.ext4"), let scratch = try? Scratch() else { return false }
        let script = "truncate -s 1M disk && X=\(attach("disk")) && losetup -d $X"
        return (try? Running(["sh", "-c", script], in: scratch.url).wait().status) == 0
    }()

    private static let turn = "flock /run/rmcp-test-loop"

    /// A shell's command that mounts a file.
    static func mount(_ file: String, at place: String) -> String { "\(turn) mount -o loop \(file) \(place)" }

    /// A shell's word: the device that a file has become. It is to be given back by `losetup -d`.
    static func attach(_ file: String) -> String { "$(\(turn) losetup -f --show \(file))" }
}
