import Foundation
import RMCPProtocol
import Testing

/// kill -9 at any moment, again and again, on a file system that is one: whatever is found at the next start is right or
/// is fetched again, and nothing but a whole bundle is ever seen under its name.
///
/// RMCP_KILLS says how many times each of the two is killed at least; RMCP_KILL_SECONDS for how long at most. The moments are drawn by
/// RMCP_KILL_SEED, which is printed.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason)) struct KillTests {
    private static func number(_ name: String, default value: Int) -> Int { ProcessInfo.processInfo.environment[name].flatMap { Int($0) } ?? value }
    private let kills = number("RMCP_KILLS", default: 20)
    /// What goes on beside those that are killed ends by itself after this.
    private let patience = number("RMCP_KILL_SECONDS", default: 60) + 180
    private let deadline = Date() + Double(number("RMCP_KILL_SECONDS", default: 60))
    private let seed = number("RMCP_KILL_SEED", default: .random(in: 1...1_000_000))

    /// A file system of a laboratory's own: a disk in a file where there are loop devices, else its scratch directory.
    private final class Disk {
        let path: String
        private let lab: Laboratory
        private var isMounted = false

        init(_ lab: Laboratory, megabytes: Int) throws {
            self.lab = lab
            path = try lab.scratch.directory("disk").path
            guard LoopDisk.isPossible else { return }
            let script = "truncate -s \(megabytes)M disk.img && mkfs.ext4 -q -F disk.img && \(LoopDisk.mount("disk.img", at: path))"
            let mounted = try Running(["sh", "-c", script], in: lab.scratch.url).wait()
            try #require(mounted.status == 0, "\(mounted.errors)")
            isMounted = true
        }

        deinit { if isMounted { _ = try? Running(["umount", "-l", path], in: lab.scratch.url).wait() } }

        var kind: String { isMounted ? "ext4" : "the scratch directory's file system" }

        func directory(_ name: String) throws -> String {
            let result = path + "/" + name
            try FileManager.default.createDirectory(atPath: result, withIntermediateDirectories: true)
            return result
        }
    }

    /// When a receiver is killed.
    private struct Moment {
        /// Share that it has of the bundle by then, by its own word.
        let bytes: Int
        /// Seconds after that.
        let pause: TimeInterval
        private var reached: Date?

        /// - Parameter turn: among three, one is at any time after the start, one with any part of the bundle, and one around the end: the
        ///   last chunks, the commit, the hook.
        init(turn: Int, of size: Int, using random: inout RandomSource) {
            switch turn % 3 {
            case 0: (bytes, pause) = (size - 1 << 20, .random(in: 0...0.25, using: &random))
            case 1: (bytes, pause) = (.random(in: 1...size - 2 << 20, using: &random), .random(in: 0...0.03, using: &random))
            default: (bytes, pause) = (0, .random(in: 0.02...4, using: &random))
            }
        }

        mutating func hasCome(for running: Running) -> Bool {
            if !running.process.isRunning { return true }
            if reached == nil, running.done >= bytes { reached = Date() }
            return reached.map { Date() > $0 + pause } ?? false
        }
    }

    // MARK: Receivers

    /// One receiver that is killed, started again until it is complete, and then begins anew.
    private final class Victim {
        let name: String
        let directory: String
        var kills = 0
        var rounds = 0
        /// Killed with part of the bundle on disk, and with all of it under its name.
        var inMidst = 0
        var afterwards = 0
        private let lab: Laboratory
        private let source: String
        private let hooks: String
        private let state: String

        init(_ lab: Laboratory, _ disk: Disk, _ name: String, source: String) throws {
            self.lab = lab
            self.name = name
            self.source = source
            directory = try disk.directory(name)
            state = try disk.directory("state-\(name)")
            hooks = lab.scratch.path("hooks-\(name)")
        }

        private var target: String { directory + "/" + URL(fileURLWithPath: source).lastPathComponent }
        private var isThere: Bool { FileManager.default.fileExists(atPath: target) }

        func start() throws -> Running {
            // What runs after the bundle is complete looks whether it is.
            let hook = "if cmp -s '\(target)' '\(source)'; then echo good; else echo bad; fi >>'\(hooks)'"
            return try lab.run(
                name,
                ["env", "XDG_STATE_HOME=\(state)", Program.path, "recv", "--json", "--once", "--timeout", "30s", "--allow-unsigned", "-d", directory]
                    + ["--exec", hook], seconds: 60)
        }

        /// Nothing, or all of it: at any moment.
        func check() {
            #expect(!isThere || lab.scratch.same(target, source), "\(name): a wrong file under its name after \(kills) kills")
            let said = (try? String(contentsOfFile: hooks, encoding: .utf8)) ?? ""
            #expect(!said.contains("bad"), "\(name): the hook ran before the bundle was complete")
        }

        /// Kills it, unless it has ended by itself.
        func kill(_ running: Running) throws {
            running.signal(SIGKILL)
            let result = running.wait()
            check()
            if result.status == 0 { return try finish() }
            kills += 1
            if isThere {
                afterwards += 1
                try finish()
            } else if Running.last("bytes_done", in: result.text) > 0 {
                inMidst += 1
            }
        }

        /// Starts again with nothing.
        func finish() throws {
            #expect(isThere)
            check()
            rounds += 1
            for path in [directory, state] {
                for name in try FileManager.default.contentsOfDirectory(atPath: path) { try FileManager.default.removeItem(atPath: path + "/" + name) }
            }
        }

        /// Not killed any more: complete in the end.
        func complete() throws {
            let result = try start().wait()
            #expect(result.status == 0 && isThere, "\(name) after \(kills) kills: \(result.status) \(result.errors)\(result.text.suffix(600))")
            check()
        }
    }

    @Test("A receiver that is killed at any moment: never a wrong file, and complete in the end")
    func receivers() throws {
        let lab = try Laboratory(receivers: 4)
        let disk = try Disk(lab, megabytes: 256)
        let size = 12
        let source = try lab.scratch.random("image", megabytes: size)
        // Whoever keeps the bundle, so that a receiver can come back as often as it is killed.
        let node = try lab.repair("r4", seconds: patience)
        let first = try lab.receive("r1", directory: "first")
        let sent = try lab.send(["--wait-for", "1", "--min-wait", "1s", "--until", "repair", source]).wait()
        #expect(sent.status == 0 && first.wait().status == 0, "\(sent.errors)")
        // Two seconds for the bundle: what is done in less than one progress event has no midst.
        try lab.shell("r4", "tc qdisc add dev eth0 root tbf rate 50mbit burst 256kb latency 50ms")
        let victims = try ["r1", "r2", "r3"].map { try Victim(lab, disk, $0, source: source) }
        var random = RandomSource(seed: UInt64(seed))
        var turn = 0
        while victims.reduce(0, { $0 + $1.kills }) < kills, Date() < deadline {
            var running: [(Victim, Running, Moment)] = []
            for victim in victims {
                running.append((victim, try victim.start(), Moment(turn: turn, of: size << 20, using: &random)))
                turn += 1
            }
            // Another one begins with each turn.
            turn += 1
            while !running.isEmpty {
                if let next = running.indices.first(where: { running[$0].2.hasCome(for: running[$0].1) || Date() > deadline }) {
                    let (victim, process, _) = running.remove(at: next)
                    try victim.kill(process)
                } else {
                    usleep(2_000)
                }
            }
        }
        for victim in victims { try victim.complete() }
        func sum(_ count: KeyPath<Victim, Int>) -> Int { victims.reduce(0) { $0 + $1[keyPath: count] } }
        print(
            "killed receivers \(sum(\.kills)) times on \(disk.kind), seed \(seed): \(sum(\.inMidst)) with part of the bundle, "
                + "\(sum(\.afterwards)) with all of it; \(sum(\.rounds)) rounds were complete")
        #expect(sum(\.inMidst) > 0, "nobody was killed with part of the bundle")
        #expect(node.process.isRunning)
        lab.stop(node)
    }

    // MARK: Repair nodes

    private static func isRestored(_ node: Running) -> Bool {
        let text = node.outputSoFar
        return text.contains("\"event\":\"began\"") && Running.last("chunks_held", in: text) >= Running.first("chunks_kept", in: text)
    }

    @Test("A repair node that is killed at any moment: what it claims to have kept is right, and everybody it serves is complete")
    func repairNode() throws {
        var total = 0
        var claimed = 0
        var round = 0
        var random = RandomSource(seed: UInt64(seed))
        repeat {
            round += 1
            let lab = try Laboratory(receivers: 4, options: ["--loss", "4", "--split"])
            let disk = try Disk(lab, megabytes: 256)
            let source = try lab.scratch.random("image", megabytes: 64)
            let cache = try disk.directory("cache")
            let receivers = try ["r1", "r2"].map { try lab.receive($0, ["--once", "--json"], seconds: patience) }
            let sender = try lab.send(["--json", "--wait-for", "2", "--min-wait", "1s", "--rate", "40M", source], seconds: patience)
            // Before that the sender would wait in vain for whoever joins below a node that dies.
            #expect(receivers[0].wait { receivers[0].done > 0 })
            // The rest of the stream is for what the node has missed.
            while total < kills, Date() < deadline, receivers[0].process.isRunning, receivers[0].done < 44 << 20 {
                let node = try lab.repair("r4", cache: cache)
                if total % 4 == 0 {
                    // While it starts.
                    usleep(.random(in: 0...300_000, using: &random))
                } else {
                    // While it keeps what comes: so many chunks more than it began with.
                    let more = Int.random(in: 0...8, using: &random)
                    _ = node.wait {
                        let isOver = !receivers[0].process.isRunning || receivers[0].done >= 44 << 20
                        return isOver || node.says("began") && node.last("chunks_held") >= Running.first("chunks_kept", in: node.outputSoFar) + more
                    }
                }
                // Each chunk that it claims to have is there, and verified.
                if total % 4 == 3 { #expect(node.wait { Self.isRestored(node) }, "\(node.outputSoFar.suffix(900))") }
                node.signal(SIGKILL)
                let result = node.wait()
                total += 1
                claimed += Running.first("chunks_kept", in: result.text)
                #expect(!result.text.contains("warning"), "\(result.text.suffix(600))")
            }
            let node = try lab.repair("r4", cache: cache, seconds: patience)
            #expect(node.wait { Self.isRestored(node) }, "\(node.outputSoFar.suffix(900))")
            for (name, receiver) in zip(["r1", "r2"], receivers) {
                let result = receiver.wait()
                #expect(result.status == 0 && lab.has(name, source), "\(name): \(result.errors)\(result.text.suffix(600))")
            }
            let sent = sender.wait()
            // Who was below several nodes that died one after the other may be counted once more, as lost: never as complete.
            #expect([0, 3].contains(sent.status) && Running.last("complete", in: sent.text) == 2, "\(sent.errors)\(sent.text.suffix(1_500))")
            // Its sender is gone: all that this one gets is what the node has kept.
            #expect(node.wait { node.says("upstream_over") })
            if node.says("complete") {
                let late = try lab.receive("r3", ["--once", "--json", "--timeout", "20s"]).wait()
                #expect(late.status == 0 && lab.has("r3", source), "\(late.errors)\(late.text.suffix(600))")
            } else {
                #expect(node.says("retired"), "\(node.outputSoFar.suffix(600))")
            }
            lab.stop(node)
        } while total < kills && Date() < deadline
        print("killed repair nodes \(total) times, seed \(seed), in \(round) sessions; they claimed \(claimed) chunks at their starts")
        #expect(total > 0 && claimed > 0)
    }
}
