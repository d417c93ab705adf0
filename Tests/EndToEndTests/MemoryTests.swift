import Foundation
import Testing

/// A receiver with a slow disk and little memory takes what it has room for, and is not ended by the kernel.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason), .enabled(if: Shim.isPossible, Shim.reason))
struct MemoryTests {
    /// Places where memory is limited, by version of control groups: a directory to make groups in, and the file of the limit.
    private static let place: (groups: String, limit: String)? = [
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max"),
    ].first { base, limit in
        let group = "\(base)/rmcp-probe-\(UInt32.random(in: 0...(.max)))"
        guard mkdir(group, 0o700) == 0 else { return false }
        defer { rmdir(group) }
        return access("\(group)/\(limit)", W_OK) == 0
    }

    @Test(
        "The stream is faster than the disk, and memory is scarce", .enabled(if: place != nil, "no group of limited memory can be made"), arguments: [96, 64])
    func slowDisk(megabytes: Int) throws {
        let place = try #require(Self.place)
        let lab = try Laboratory(receivers: 1)
        let group = "\(place.groups)/rmcp-\(lab.name)"
        try #require(mkdir(group, 0o700) == 0)
        defer { rmdir(group) }
        try "\(megabytes << 20)".write(toFile: "\(group)/\(place.limit)", atomically: false, encoding: .utf8)
        let source = try lab.scratch.random("image", megabytes: 150)
        // The received file is on a disk, which counts as memory only until it is written.
        let directory = "/var/tmp/rmcp-\(lab.name)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let slow = try Shim.command(["WRITE_RATE": "5"], in: lab.scratch)
        // The network namespace mounts /sys anew, so that the group is not to be seen there.
        let receive = ["sh", "-c", "echo $$ >\(group)/cgroup.procs; exec \"$@\"", "sh", "ip", "netns", "exec", "\(lab.name)-r1"] + slow
        let receiver = try Running(receive + [Program.path, "recv", "-v", "--once", "--allow-unsigned", "-d", directory], in: lab.scratch.url, seconds: 100)
        let sent = try lab.send(["--unsigned", "--wait-for", "1", "--min-wait", "0s", "--rate", "300M", source]).wait()
        let received = receiver.wait()
        #expect(sent.status == 0 && received.status == 0, "\(sent.errors)\(received.status) \(received.errors)")
        #expect(lab.scratch.same(source, directory + "/image"))
    }
}

/// Going on from what is there is never slower than fetching it.
@Suite(.enabled(if: Laboratory.isPossible, Laboratory.reason), .enabled(if: Shim.isPossible, Shim.reason)) struct SlowResumeTests {
    @Test("A disk that reads back slower than the network brings it")
    func slowReading() throws {
        let lab = try Laboratory(receivers: 1)
        let source = try lab.scratch.random("image", megabytes: 60)
        func receive(_ prefix: [String]) throws -> Running {
            try lab.run("r1", prefix + [Program.path, "recv", "--json", "--once", "--allow-unsigned", "-d", lab.scratch.directory("r1").path])
        }
        let options = ["--unsigned", "--wait-for", "1", "--min-wait", "0s", "--rate", "160M", source]
        let first = try receive([])
        let interrupted = try lab.send(options)
        #expect(first.wait { first.done > 40 << 20 })
        first.signal(SIGKILL)
        interrupted.signal(SIGTERM)
        _ = (first.wait(), interrupted.wait())
        // Two threads and more, each of which takes a second for a chunk: 40 s on two cores.
        let second = try receive(Shim.command(["READ_SLEEP": "2:partial"], in: lab.scratch))
        let sending = try lab.send(["--json"] + options)
        let sent = sending.wait()
        let received = second.wait()
        #expect(sent.status == 0 && received.status == 0 && lab.has("r1", source), "\(sent.errors)\(received.errors)")
        // The stream alone takes 3 s.
        #expect(Running.last("seconds", in: sent.text) < 12, "\(sent.text.suffix(600))")
    }
}
