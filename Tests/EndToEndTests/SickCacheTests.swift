import Foundation
import Testing

/// Repair nodes on a disk that fails, lies and fills up, by seed: they may keep less, and never serve what is wrong.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason)) struct SickCacheTests {
    /// RMCP_SICK_SEEDS says how many disks are tried.
    private static let seeds = Array(1...(ProcessInfo.processInfo.environment["RMCP_SICK_SEEDS"].flatMap { Int($0) } ?? 2))

    private func log(_ lab: Laboratory) -> String { lab.scratch.path("faults") }

    private func node(_ lab: Laboratory, seed: Int, oneIn: Int) throws -> Running {
        let sick = try Shim.sick.command(["SICK_SEED": "\(seed)", "SICK_ONE_IN": "\(oneIn)", "SICK_LOG": log(lab)], in: lab.scratch)
        let cache = try lab.scratch.directory("cache-r3").path
        return try lab.run("r3", sick + [Program.path, "repair", "--json", "-i", "eth0", "--cache", cache, "--allow-unsigned"])
    }

    /// Complete and right, or without a file of that name; no chunk was served that is none.
    private func check(_ result: Running.Result, _ lab: Laboratory, _ directory: String, _ source: String) {
        let isThere = FileManager.default.fileExists(atPath: lab.scratch.path("\(directory)/image"))
        #expect(result.status == 0 ? lab.has(directory, source) : !isThere, "\(directory): \(result.errors)")
        let rejected = Running.numbers("rejected_chunks", in: result.text)
        // Whoever heard of no session says nothing of its chunks.
        #expect(rejected.allSatisfy { $0 == 0 } && (!rejected.isEmpty || !result.text.contains("began")), "\(directory): \(result.text.suffix(600))")
    }

    @Test(
        "Whatever the disk does, everybody is complete, and what is served afterwards is right or is not served",
        .enabled(if: Shim.isPossible, Shim.reason), arguments: seeds)
    func sick(seed: Int) throws {
        let lab = try Laboratory(receivers: 3, options: ["--loss", "5", "--split"])
        let source = try lab.scratch.random("image", megabytes: 24)
        // From one call in five to one in forty.
        let oneIn = [5, 12, 40][seed % 3]
        let node = try node(lab, seed: seed, oneIn: oneIn)
        #expect(node.wait { node.says("listening") }, "\(node.errorsSoFar)")
        let receiver = try lab.receive("r1", ["--once", "--json"])
        let sent = try lab.send(["--json", "--wait-for", "1", "--min-wait", "2s", "--rate", "60M", source]).wait()
        #expect(sent.status == 0, "\(sent.errors)\(sent.text.suffix(600))")
        let received = receiver.wait()
        #expect(received.status == 0)
        check(received, lab, "r1", source)
        #expect(node.process.isRunning, "\(node.errorsSoFar)")
        // The sender has gone. The node may have got everything or not, and may have lost some of it since.
        let late = try lab.receive("r2", ["--once", "--json", "--timeout", "10s"]).wait()
        check(late, lab, "r2", source)
        lab.stop(node)
        // What is left of the cache is no worse.
        let again = try self.node(lab, seed: seed + 1_000, oneIn: oneIn)
        let last = try lab.receive("r2", ["--once", "--json", "--timeout", "6s"], directory: "last").wait()
        check(last, lab, "last", source)
        if again.process.isRunning { lab.stop(again) } else { #expect(again.wait().status == 1, "\(again.errorsSoFar)") }
        let faults = FileManager.default.contents(atPath: log(lab))?.count ?? 0
        print("disk \(seed), one call in \(oneIn), \(faults) calls: served afterwards \(late.status == 0), after a restart \(last.status == 0)")
        #expect(faults > 0, "the disk was not sick")
    }
}
