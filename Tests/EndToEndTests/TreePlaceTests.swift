import Foundation
import Testing

/// Directories on file systems of all kinds. Mounts are those of one command alone, and gone with it.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason)) struct TreePlaceTests {
    private static func overlay(_ options: String) -> String {
        "mkdir base lower upper work && mount -t tmpfs none base && mkdir base/lower base/upper base/work && cp -a t base/lower/"
            + " && mount -t overlay -o lowerdir=base/lower,upperdir=base/upper,workdir=base/work\(options) none /mnt"
    }
    private static func formatted(_ program: String, megabytes: Int) -> String {
        "truncate -s \(megabytes)M disk && \(program) disk >/dev/null && \(LoopDisk.mount("disk", at: "/mnt")) && cp -a t /mnt/"
    }

    private func tree(_ lab: Laboratory) throws {
        try lab.shell(
            "s",
            "mkdir -p t/deep/er; head -c 3000000 /dev/urandom >t/big; for i in 1 2 3 4 5; do head -c ${i}0000 /dev/urandom >t/deep/$i; done; "
                + "ln -s deep/1 t/link; ln t/big t/deep/er/again; touch t/void; chmod 640 t/deep/2; truncate -s 5M t/hole")
    }

    /// - Returns: both results; the receiver's exit status is 99 where what it received is different.
    private func transfer(_ lab: Laboratory, setup: String) throws -> (sent: Running.Result, received: Running.Result) {
        let same = "rsync -aHnci --delete t/ /mnt/t/ >differences && test ! -s differences || exit 99"
        let command = "\(setup) && \(Program.path) recv -v --once --allow-unsigned -d /mnt; s=$?; ls -A /mnt >left; test $s != 0 || { \(same); }; exit $s"
        let receiver = try lab.run("r1", ["sh", "-c", command], seconds: 60)
        let sender = try lab.run(
            "s", [Program.path, "send", "--json", "--unsigned", "--wait-for", "1", "--min-wait", "0s", "--max-wait", "20s", "t"], seconds: 60)
        return (sender.wait(), receiver.wait())
    }

    @Test("A tree of a read-only layer cannot change places: it is said before, and nothing is left behind") func lowerLayer() throws {
        let lab = try Laboratory(receivers: 1)
        try tree(lab)
        let (sent, received) = try transfer(lab, setup: Self.overlay(",redirect_dir=off"))
        #expect(received.status == 3 && received.errors.contains("move it away before"), "\(received.status): \(received.errors)")
        #expect(sent.status == 3 && Running.last("wire_bytes", in: sent.text) < 100_000)
        #expect(try String(contentsOfFile: lab.scratch.path("left"), encoding: .utf8) == "t\n")
    }

    // The empty file is always made anew.

    /// A further name of a file of a lower layer makes a copy of it, which is another file then.
    @Test("A tree that is there already is the same afterwards: overlay") func overlay() throws {
        try replace(Self.overlay(",redirect_dir=on"), says: "8 files")
    }

    @Test("A tree that is there already is the same afterwards: ramfs") func ramfs() throws { try replace("mount -t ramfs none /mnt", says: "8 files") }

    @Test("A tree that is there already is the same afterwards: ext4", .enabled(if: LoopDisk.isPossible, LoopDisk.reason)) func ext4() throws {
        try replace(Self.formatted("mkfs.ext4 -qF", megabytes: 40), says: "(7 unchanged)")
    }

    @Test(
        "A tree that is there already is the same afterwards: XFS", .enabled(if: LoopDisk.isPossible, LoopDisk.reason),
        .enabled(if: Program.isInstalled("mkfs.xfs"), "mkfs.xfs is not installed"))
    func xfs() throws { try replace(Self.formatted("mkfs.xfs -q", megabytes: 400), says: "(7 unchanged)") }

    @Test(
        "A tree that is there already is the same afterwards: Btrfs", .enabled(if: LoopDisk.isPossible, LoopDisk.reason),
        .enabled(if: Program.isInstalled("mkfs.btrfs"), "mkfs.btrfs is not installed"))
    func btrfs() throws { try replace(Self.formatted("mkfs.btrfs -q", megabytes: 300), says: "(7 unchanged)") }

    /// - Parameter setup: mounts something on /mnt, with a copy of `t`, the tree that is sent.
    private func replace(_ setup: String, says: String) throws {
        let lab = try Laboratory(receivers: 1)
        try tree(lab)
        let (sent, received) = try transfer(lab, setup: setup)
        #expect(sent.status == 0 && received.status == 0 && received.errors.contains(says), "\(received.status): \(sent.errors)\(received.errors)")
    }
}
