import Foundation
import Testing

/// Directories from one machine to others, compared entry by entry with all that a file system keeps of them.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason)) struct TreeTransferTests {
    /// Everything that must be equal, a line an entry: kind and mode, owner, size, time, links, target, attributes, digest.
    private static let listing = """
        import hashlib, os, stat, sys
        root = os.fsencode(sys.argv[1])
        def line(path):
            s = os.lstat(path)
            regular, link = stat.S_ISREG(s.st_mode), stat.S_ISLNK(s.st_mode)
            names = sorted(os.listxattr(path, follow_symlinks=False))
            attributes = [(name, os.getxattr(path, name, follow_symlinks=False)) for name in names if not name.startswith("security.selinux")]
            digest = hashlib.sha256(open(path, "rb").read()).hexdigest() if regular else ""
            print(os.path.relpath(path, root), oct(s.st_mode), s.st_uid, s.st_gid, s.st_size if regular else "", s.st_mtime_ns,
                  s.st_nlink if not stat.S_ISDIR(s.st_mode) else "", os.readlink(path) if link else "", attributes, digest)
        line(root)
        for directory, directories, files in os.walk(root):
            directories.sort()
            for name in sorted(directories + files): line(os.path.join(directory, name))
        """

    private func listing(_ lab: Laboratory, _ path: String) throws -> [String] {
        let result = try lab.run("s", ["python3", "-c", Self.listing, path], seconds: 120).wait()
        try #require(result.status == 0, "\(result.errors)")
        return result.text.split(separator: "\n").map(String.init)
    }

    private func shell(_ lab: Laboratory, _ script: String, seconds: Int = 60) throws {
        let result = try lab.run("s", ["bash", "-ec", script], seconds: seconds).wait()
        try #require(result.status == 0, "\(script): \(result.errors)")
    }

    /// - Returns: what the sender said.
    private func transfer(_ lab: Laboratory, _ source: String, as name: String, _ options: [String] = [], receivers: Int = 1) throws -> Running.Result {
        let nodes = (1...receivers).map { "r\($0)" }
        let running = try nodes.map { try lab.receive($0, ["--once", "--allow-special"]) }
        let sent = try lab.send(["--unsigned", "--wait-for", "\(receivers)", "--min-wait", "0s"] + options + [source]).wait()
        #expect(sent.status == 0, "\(sent.errors)")
        let expected = try listing(lab, source)
        for (node, process) in zip(nodes, running) {
            let received = process.wait()
            #expect(received.status == 0, "\(node): \(received.errors)")
            let found = try listing(lab, lab.scratch.path("\(node)/\(name)"))
            let different = zip(expected, found).first { $0 != $1 }
            #expect(found == expected, "\(node): \(found.count) entries in place of \(expected.count); \(String(describing: different))")
        }
        return sent
    }

    @Test("Whatever a directory holds arrives as it is, at several receivers")
    func everything() throws {
        let lab = try Laboratory(receivers: 2)
        let source = lab.scratch.path("tree")
        try shell(
            lab,
            """
            mkdir -p tree/{empty,closed,sticky,a/b/c}; cd tree
            echo hello >a/hello; : >a/none; head -c 5000000 /dev/urandom >a/b/large; head -c 1048576 /dev/urandom >exactly; head -c 1048577 /dev/urandom >more
            printf x >$'odd \\xff\\n\\e[31m'; ln -s ../nowhere a/dangling; ln -s / a/root; ln a/hello a/b/c/again; ln a/b/large zzz; mkfifo -m 640 a/fifo
            truncate -s 30M sparse; printf data | dd of=sparse bs=1M seek=17 conv=notrunc status=none
            for i in $(seq 300); do head -c $((i * 37)) /dev/urandom >a/b/c/f$i; done
            chown 12345:54321 a/hello; chown 4294967294:65533 exactly; chown -h 7:8 a/dangling; chmod 4751 more; chmod 2770 a; chmod 1777 sticky; chmod 0 a/none; chmod 555 closed
            python3 -c 'import os; os.setxattr("exactly", "user.note", b"\\0kept"); os.setxattr("more", "security.capability", bytes.fromhex("0100000200200000000000000000000000000000")); os.setxattr("a/b", "user.dir", b"d")' || true
            touch -d '1969-07-20 20:17:40.123456789 UTC' a/hello; touch -h -d '1931-01-02 03:04:05.6 UTC' a/dangling; touch -d '2300-01-01 UTC' exactly
            touch -d '2001-02-03 04:05:06.000000007 UTC' a/b/c a/b closed a . empty sticky
            """)
        let sent = try transfer(lab, source, as: "tree", receivers: 2)
        #expect(sent.errors.contains("sending tree (307 files in 7 directories"), "\(sent.errors)")
        // Holes are holes there.
        let blocks = try lab.run("s", ["stat", "-c", "%b", lab.scratch.path("r1/tree/sparse")]).wait().text
        #expect((Int(blocks.trimmingCharacters(in: .whitespacesAndNewlines)) ?? .max) < 8_192, "\(blocks)")
    }

    @Test("A loss of 5 % and a group's key make no difference")
    func lossySealed() throws {
        let lab = try Laboratory(receivers: 2, options: ["--split", "--loss", "5"])
        try shell(lab, "mkdir -p tree/d; for i in $(seq 800); do head -c $((i * 17)) /dev/urandom >tree/d/f$i; done; head -c 9000000 /dev/urandom >tree/big")
        try shell(lab, "\(Program.path) keygen --group -o group")
        let key = lab.scratch.path("group")
        let running = try ["r1", "r2"].map { try lab.receive($0, ["--once", "--group-key", key]) }
        let sent = try lab.send(["--unsigned", "--wait-for", "2", "--min-wait", "0s", "--group-key", key, lab.scratch.path("tree")]).wait()
        #expect(sent.status == 0, "\(sent.errors)")
        let expected = try listing(lab, lab.scratch.path("tree"))
        for (node, process) in zip(["r1", "r2"], running) {
            #expect(process.wait().status == 0)
            #expect(try listing(lab, lab.scratch.path("\(node)/tree")) == expected)
        }
    }

    @Test("What git lists is what is sent, and the rest is not")
    func listed() throws {
        let lab = try Laboratory(receivers: 1)
        try shell(lab, "mkdir -p w/d w/build; for f in d/a d/b build/x top; do echo $f >w/$f; done; printf 'd/a\\0top\\0' >list")
        let receiver = try lab.receive("r1")
        let sent = try lab.send(["--unsigned", "--wait-for", "1", "--min-wait", "0s", "--files-from0", "-", "w"], input: lab.scratch.path("list")).wait()
        #expect(sent.status == 0 && receiver.wait().status == 0, "\(sent.errors)")
        let found = try FileManager.default.subpathsOfDirectory(atPath: lab.scratch.path("r1/w")).sorted()
        #expect(found == ["d", "d/a", "top"])
    }

    @Test("A file that changes while it is sent is named, and receivers keep the old tree")
    func changing() throws {
        let lab = try Laboratory(receivers: 1)
        try shell(lab, "mkdir tree; head -c 60M /dev/urandom >tree/a; head -c 20M /dev/urandom >tree/late; mkdir -p r1/tree; echo old >r1/tree/old")
        let receiver = try lab.receive("r1", ["--once", "--json"])
        let sender = try lab.send(["--unsigned", "--json", "--wait-for", "1", "--min-wait", "0s", "--rate", "200M", lab.scratch.path("tree")])
        #expect(sender.wait { sender.says("started") })
        try shell(lab, "echo more >>tree/late")
        let sent = sender.wait()
        #expect(sent.status == 1 && sent.errors.contains("tree/late changed while the tree was being sent"), "\(sent.errors)")
        #expect(receiver.wait().status == 3)
        #expect(try FileManager.default.subpathsOfDirectory(atPath: lab.scratch.path("r1/tree")) == ["old"])
    }

    /// A Debian root as debootstrap makes it, kept for the next time.
    private static let keptRoot = "/var/tmp/rmcp-test-root.tar"
    private static let hasRoot = FileManager.default.fileExists(atPath: keptRoot) || Program.isInstalled("debootstrap")

    private func makeRoot(_ lab: Laboratory) throws {
        let script = """
            debootstrap --variant=minbase "$(. /etc/os-release; echo $VERSION_CODENAME)" base &&
            rm -rf base/dev/* && tar --xattrs -C base -cf \(Self.keptRoot).$$ . && mv \(Self.keptRoot).$$ \(Self.keptRoot) && rm -rf base
            """
        // Outside of the laboratory's networks, which lead nowhere.
        let made = try Running(["sh", "-c", script], in: lab.scratch.url, seconds: 400).wait()
        try #require(made.status == 0, "debootstrap made no root: \(made.text.suffix(900))\(made.errors.suffix(900))")
    }

    @Test(
        "A whole Debian root arrives with every mode, owner, time, link and attribute",
        .enabled(if: hasRoot, "a Debian root is made by debootstrap, which is not installed"))
    func debian() throws {
        let lab = try Laboratory(receivers: 2)
        if !FileManager.default.fileExists(atPath: Self.keptRoot) { try makeRoot(lab) }
        try shell(lab, "mkdir debian; tar --xattrs --xattrs-include='*' -C debian -xpf \(Self.keptRoot)", seconds: 120)
        let root = lab.scratch.path("debian")
        _ = try transfer(lab, root, as: "debian", receivers: 2)
        for node in ["r1", "r2"] {
            let difference = try lab.run("s", ["diff", "-r", "--no-dereference", root, lab.scratch.path("\(node)/debian")], seconds: 120).wait()
            #expect(difference.status == 0, "\(difference.text.prefix(1_000))")
        }
    }
}
