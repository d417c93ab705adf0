import Foundation
import Testing

/// Senders whose clock is wrong, or was once: real programs, one of them with another time.
@Suite(
    .serialized,
    .enabled(
        if: Laboratory.isPossible && FileManager.default.isExecutableFile(atPath: "/usr/bin/faketime"),
        "network namespaces need root and iproute2; another time needs faketime"))
struct ClockTests {
    private let lab: Laboratory
    private let key: String

    init() throws {
        lab = try Laboratory(receivers: 2)
        key = lab.scratch.path("signer")
        try lab.scratch.run([Program.path, "keygen", "-o", key], into: key + ".pub")
    }

    /// Sends from a host of its own state, with the clock at `time`; the receiver's version notes stay from run to run.
    private func send(from host: String, at time: String? = nil, wait: String = "20s", _ options: [String] = []) throws -> Running.Result {
        try begin(from: host, at: time, wait: wait, options).wait()
    }

    private func begin(from host: String, at time: String? = nil, wait: String = "20s", _ options: [String] = []) throws -> Running {
        let source = try lab.scratch.random("image", megabytes: 1)
        let state = ["env", "XDG_STATE_HOME=\(lab.scratch.path(host))"] + (time.map { ["faketime", $0] } ?? [])
        let command = [Program.path, "send", "--key", key, "--name", "image", "--max-wait", wait, "--min-wait", "0s"] + options + [source]
        return try lab.run("s", state + command)
    }

    private func receive(_ arguments: [String] = []) throws -> Running {
        let receiver = ["env", "XDG_STATE_HOME=\(lab.scratch.path("notes"))", Program.path, "recv", "--once", "--json", "--trust", key + ".pub"]
        let running = try lab.run("r1", receiver + ["-d", try lab.scratch.directory("r1").path] + arguments)
        #expect(running.wait { running.says("listening") }, "\(running.errorsSoFar)")
        return running
    }

    @Test("A sender that was ten years ahead once is taken when its clock is right again")
    func aheadOnce() throws {
        for time in ["+10 years", nil] as [String?] {
            let receiver = try receive()
            let sent = try send(from: "sender", at: time)
            #expect(sent.status == 0 && receiver.wait().status == 0, "\(sent.errors)")
            #expect(sent.errors.contains("behind the last session's stamp") == (time == nil), "\(sent.errors)")
        }
    }

    @Test("What a note from the future keeps out is let in for good by one --allow-rollback")
    func broughtDown() throws {
        let receiver = try receive()
        #expect(try send(from: "sender", at: "+20 hours").status == 0 && receiver.wait().status == 0)
        let refusing = try receive()
        let refused = try send(from: "other", wait: "2s")
        #expect(refused.status == 5 && refused.errors.contains("1 receiver refused: a newer version is there"), "\(refused.errors)")
        #expect(refusing.wait().status == 5)
        for option in [["--allow-rollback"], []] {
            let receiver = try receive(option)
            let sent = try send(from: "other")
            #expect(sent.status == 0 && receiver.wait().status == 0, "\(option) \(sent.errors)")
        }
    }

    @Test("One send --supersede cures receivers whose notes are ahead, and a recorded one wins over nothing that came later")
    func superseded() throws {
        let receiver = try receive()
        #expect(try send(from: "sender", at: "+20 hours").status == 0 && receiver.wait().status == 0)
        let daemon = try receive(["--no-once"])
        let refused = try send(from: "other", wait: "2s")
        #expect(refused.status == 5 && refused.errors.contains("1 receiver refused: a newer version is there; if this is the one to have, --supersede"))
        let intruder = try Intruder(lab, "r2", address: .ipv4(10, 77, 0, 3, port: 0))
        let superseding = try begin(from: "other", ["--supersede"])
        let recorded = try intruder.hear(.announce, while: superseding).bytes
        #expect(superseding.wait().status == 0)
        // Everything that follows is in the epoch, and so is what the same key sends under other names.
        for options in [[], ["--supersede"], []] as [[String]] {
            let sent = try send(from: "other", options)
            #expect(sent.status == 0, "\(options) \(sent.errors)")
        }
        // The host whose clock was ahead is of an earlier epoch, for good.
        #expect(try send(from: "sender", wait: "2s").status == 5)
        let completed = daemon.count("completed")
        #expect(completed == 4)
        lab.stop(daemon)
        // A receiver that has not taken part in the recorded session itself, but knows what came later.
        let fresh = try receive(["--no-once", "--again"])
        intruder.say(recorded, to: Intruder.group)
        #expect(fresh.wait { fresh.says("refused") } && !fresh.says("began"), "\(fresh.outputSoFar)")
        #expect(fresh.outputSoFar.contains("a newer version"), "\(fresh.outputSoFar)")
        lab.stop(fresh)
    }

    @Test("--supersede is for signed sessions")
    func unsignedIsNotSuperseded() throws {
        let sent = try lab.send(["--unsigned", "--supersede", try lab.scratch.random("image", megabytes: 1)]).wait()
        #expect(sent.status == 2 && sent.errors.contains("--supersede"), "\(sent.errors)")
    }

    @Test("A sender without a battery says what its clock says")
    func withoutBattery() throws {
        let sent = try send(from: "sender", at: "1970-01-02 00:00:00", wait: "1s")
        #expect(sent.status == 4 && sent.errors.contains("clock says 1970-01-02"), "\(sent.errors)")
    }
}
