import Foundation
import Testing

/// Places that a bundle cannot go to, or only just: what cannot work is said before a byte is sent, and what is decoration
/// fails nothing. Mounts are those of one command alone, and gone with it.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason)) struct OutputFaultTests {
    struct Place: CustomTestStringConvertible, Sendable {
        /// Done in the receiver's own mounts before it starts.
        var setup: String
        var options: String
        var says: String
        var status: Int32 = 1
        /// Done after it has ended.
        var cleanUp = ":"
        var user = ""
        var testDescription: String { "\(options) (\(says))" }
    }

    /// A file system that knows attributes, on /mnt.
    private static let ext4 = "truncate -s 20M disk; mkfs.ext4 -qF disk; \(LoopDisk.mount("disk", at: "/mnt"))"
    private static let nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/nonexistent"
    private static let device = "truncate -s 20M disk; mkfs.ext4 -qF disk; X=\(LoopDisk.attach("disk"))"

    static let impossible = [
        Place(setup: ":", options: "-o /nonexistent/x", says: "create it first"),
        Place(setup: "mkdir d", options: "-o d", says: "is a directory"),
        Place(setup: ":", options: "-o /proc/x", says: "make files in /proc/"),
        Place(setup: "mount -t tmpfs -o ro none /mnt", options: "-d /mnt", says: "is mounted read-only"),
        Place(setup: "mount -t tmpfs -o ro none /mnt", options: "-o /mnt/x", says: "is mounted read-only"),
        Place(setup: "touch t u; mount --bind u t", options: "-o t", says: "is mounted on its own"),
        Place(setup: "mkdir -m 1777 s; touch s/x", options: "-o s/x", says: "another user's", cleanUp: "rm -r s", user: nobody),
        Place(setup: ":", options: "-o /etc/x", says: "is not writable for user 65534", user: nobody),
        Place(
            setup: "for d in /var/tmp /tmp; do mount -t tmpfs -o ro none $d; done; export TMPDIR=/nonexistent", options: "-o - >out",
            says: "set TMPDIR to a directory"),
    ]

    static let impossibleOnDisks = [
        Place(setup: "\(ext4); touch /mnt/t; chattr +i /mnt/t", options: "-o /mnt/t", says: "chattr -i it"),
        Place(setup: "\(ext4); touch /mnt/t; chattr +a /mnt/t", options: "-o /mnt/t", says: "chattr -a it"),
        Place(setup: "\(ext4); chattr +i /mnt", options: "-d /mnt", says: "make files in /mnt"),
        Place(setup: "\(ext4); chattr +a /mnt", options: "-d /mnt", says: "is append-only"),
        Place(setup: "\(device); mount $X /mnt", options: "-o $X", says: "unmount it first", cleanUp: "umount /mnt; losetup -d $X"),
        Place(setup: "\(device); blockdev --setro $X", options: "-o $X", says: "read-only device", cleanUp: "blockdev --setrw $X; losetup -d $X"),
        Place(setup: device, options: "-o $X", says: "run as root", cleanUp: "losetup -d $X", user: nobody),
    ]

    @Test("A place that cannot work ends the receiver at its start, with what to do", arguments: impossible)
    func refused(place: Place) throws { try refuse(place) }

    @Test(
        "A disk or a file system that cannot work ends the receiver at its start", .enabled(if: LoopDisk.isPossible, LoopDisk.reason),
        arguments: impossibleOnDisks)
    func refusedOnDisks(place: Place) throws { try refuse(place) }

    private static let hasTerminal = FileManager.default.isWritableFile(atPath: "/dev/tty0")

    @Test("A terminal as output ends the receiver at its start", .enabled(if: hasTerminal, "nothing can be written to /dev/tty0"))
    func terminal() throws { try refuse(Place(setup: ":", options: "-o - </dev/null >/dev/tty0", says: "is a terminal", status: 2)) }

    private func refuse(_ place: Place) throws {
        let lab = try Laboratory(receivers: 1)
        // The program is run by a descriptor, since the place may hide it or the user not be let near it.
        let command = "\(place.user) /proc/self/fd/9 recv --once --allow-unsigned -i eth0 \(place.options)"
        let result = try lab.run("r1", ["sh", "-c", "exec 9<\(Program.path); \(place.setup); \(command); s=$?; \(place.cleanUp); exit $s"], seconds: 20).wait()
        #expect(result.status == place.status && result.errors.contains(place.says), "\(result.status): \(result.errors)")
        #expect(!result.errors.contains("listening"))
    }

    /// - Returns: both results.
    private func transfer(
        _ lab: Laboratory, setup: String, receive: String, source: String, sendPrefix: [String] = []
    ) throws -> (sent: Running.Result, received: Running.Result) {
        let command = "\(setup); \(Program.path) recv -v --once --allow-unsigned \(receive); s=$?; ls -A /mnt >left 2>&1; exit $s"
        let receiver = try lab.run("r1", ["sh", "-c", command], seconds: 60)
        let sender = try lab.run(
            "s", sendPrefix + [Program.path, "send", "--json", "--unsigned", "--wait-for", "1", "--min-wait", "0s", "--max-wait", "20s", source], seconds: 60)
        return (sender.wait(), receiver.wait())
    }

    static let tooSmall = [
        Place(setup: "mount -t tmpfs -o size=10m none /mnt", options: "-d /mnt", says: "needs 20971520 bytes"),
        Place(setup: "mkdir d; ulimit -f 10000", options: "-d d", says: "LimitFSIZE="),
        Place(setup: "mount -t tmpfs -o nr_inodes=3,size=50m none /mnt; touch /mnt/a /mnt/b", options: "-d /mnt", says: "no inode left"),
        Place(setup: "mount -t tmpfs -o nr_inodes=4,size=50m none /mnt; touch /mnt/a /mnt/b", options: "-d /mnt", says: "no inode left"),
        Place(setup: "mount -t tmpfs -o size=30m none /mnt; head -c 20M /dev/zero >/mnt/image", options: "-d /mnt", says: "--replace-first"),
        Place(setup: "mkdir d; touch d/image u; mount --bind u d/image", options: "-d d", says: "is mounted on its own"),
    ]

    @Test("A bundle that does not fit, or cannot have its name, fails before a byte of it is sent", arguments: tooSmall)
    func noRoom(place: Place) throws { try failEarly(place) }

    @Test("A bundle whose name cannot be replaced fails before a byte of it is sent", .enabled(if: LoopDisk.isPossible, LoopDisk.reason))
    func immutable() throws {
        try failEarly(Place(setup: "\(Self.ext4); touch /mnt/image; chattr +i /mnt/image", options: "-d /mnt", says: "chattr -i it"))
    }

    private func failEarly(_ place: Place) throws {
        let lab = try Laboratory(receivers: 1)
        let source = try lab.scratch.random("image", megabytes: 20)
        let (sent, received) = try transfer(lab, setup: place.setup, receive: place.options, source: source)
        #expect(sent.status == 3 && received.status == 3 && received.errors.contains(place.says), "\(sent.status) \(received.status) \(received.errors)")
        #expect(Running.last("wire_bytes", in: sent.text) < 100_000, "\(sent.text.suffix(500))")
        let left = try String(contentsOfFile: lab.scratch.path("left"), encoding: .utf8)
        #expect(!left.contains("rmcp"), "\(left)")
    }

    @Test(
        "What only an estimate speaks against fits after all",
        arguments: [
            ("mount -t ramfs none /mnt", "-d /mnt", ""), ("true", "-d /mnt -o x", "has no effect"), ("mount -t tmpfs -o size=0 none /mnt", "-o /mnt/image", ""),
            ("mount -t tmpfs -o size=30m none /mnt; head -c 20M /dev/zero >/mnt/image", "-d /mnt --replace-first", "the old one is removed"),
        ])
    func fits(setup: String, options: String, says: String) throws {
        let lab = try Laboratory(receivers: 1)
        let source = try lab.scratch.random("image", megabytes: 20)
        let keep = "--exec 'cp \"$RMCP_PATH\" received'"
        let (sent, received) = try transfer(lab, setup: setup, receive: "\(options) \(keep)", source: source)
        #expect(sent.status == 0 && received.status == 0 && (says.isEmpty || received.errors.contains(says)), "\(sent.errors)\(received.errors)")
        #expect(lab.scratch.same(source, lab.scratch.path("received")))
    }

    @Test("Zeros of a preallocated file need no room")
    func reservedZeros() throws {
        let lab = try Laboratory(receivers: 1)
        try lab.shell("s", "fallocate -l 100M reserved")
        try zeros(lab, lab.scratch.path("reserved"))
    }

    @Test("Zeros of a device need no room", .enabled(if: LoopDisk.isPossible, LoopDisk.reason))
    func deviceOfZeros() throws {
        let lab = try Laboratory(receivers: 1)
        try lab.shell("s", "truncate -s 100M zeros; echo \(LoopDisk.attach("zeros")) >name")
        let device = try String(contentsOfFile: lab.scratch.path("name"), encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        defer { try? lab.shell("s", "losetup -d \(device)") }
        try zeros(lab, device)
    }

    /// Sends 100 MiB of zeros to where there are 50.
    private func zeros(_ lab: Laboratory, _ source: String) throws {
        let check = "--exec 'test $(stat -c %s $RMCP_PATH) = 104857600'"
        let (sent, received) = try transfer(lab, setup: "mount -t tmpfs -o size=50m none /mnt", receive: "-d /mnt \(check)", source: source)
        let told = received.errors.components(separatedBy: "it may not fit").count - 1
        #expect(sent.status == 0 && received.status == 0 && told == 1, "\(sent.errors)\(received.errors)")
    }

    @Test("A source that takes fewer blocks than it has bytes of data is known to need them", .enabled(if: Shim.isPossible, Shim.reason))
    func compressedSource() throws {
        let lab = try Laboratory(receivers: 1)
        let source = try lab.scratch.random("image", megabytes: 20)
        let (sent, received) = try transfer(
            lab, setup: "mount -t tmpfs -o size=10m none /mnt", receive: "-d /mnt", source: source,
            sendPrefix: Shim.command(["ST_BLOCKS": "9"], in: lab.scratch))
        #expect(sent.status == 3 && received.errors.contains("needs 20971520 bytes"), "\(received.errors)")
        #expect(Running.last("wire_bytes", in: sent.text) < 100_000)
    }

    @Test("Holes are not believed where there are blocks for them", .enabled(if: Shim.isPossible, Shim.reason))
    func lyingHoles() throws {
        let lab = try Laboratory(receivers: 1)
        let source = try lab.scratch.random("image", megabytes: 10)
        try lab.shell("s", "truncate -s 30M \(source)")
        let (sent, received) = try transfer(
            lab, setup: "mkdir r1", receive: "-d r1", source: source, sendPrefix: Shim.command(["NO_DATA": "1"], in: lab.scratch))
        #expect(sent.status == 0 && received.status == 0 && lab.has("r1", source), "\(sent.errors)\(received.errors)")
    }

    @Test(
        "File systems that refuse modes, times, locks and flushing directories", .enabled(if: Shim.isPossible, Shim.reason),
        arguments: [("FCHMOD_EPERM", "its mode is not 644"), ("FLOCK_ENOLCK", "has no locks"), ("FSYNC_DIR_EINVAL", "does not flush directories")])
    func decoration(fault: String, says: String) throws {
        let lab = try Laboratory(receivers: 1)
        let source = try lab.scratch.random("image", megabytes: 2)
        let shim = try Shim.command([fault: "1"], in: lab.scratch).joined(separator: " ")
        let (sent, received) = try transfer(
            lab, setup: "mkdir r1; exec \(shim) \(Program.path) recv -v --once --allow-unsigned -d r1; exit 9", receive: "", source: source)
        #expect(sent.status == 0 && received.status == 0 && lab.has("r1", source), "\(sent.errors)\(received.errors)")
        #expect(received.errors.contains(says), "\(received.errors)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: lab.scratch.path("r1")) == ["image"])
    }
}
