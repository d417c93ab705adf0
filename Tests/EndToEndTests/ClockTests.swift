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
        lab = try Laboratory(receivers: 1)
        key = lab.scratch.path("signer")
        try lab.scratch.run([Program.path, "keygen", "-o", key], into: key + ".pub")
    }

    /// Sends from a host of its own state, with the clock at `time`; the receiver's version notes stay from run to run.
    private func send(from host: String, at time: String? = nil, wait: String = "20s") throws -> Running.Result {
        let source = try lab.scratch.random("image", megabytes: 1)
        let state = ["env", "XDG_STATE_HOME=\(lab.scratch.path(host))"] + (time.map { ["faketime", $0] } ?? [])
        let command = [Program.path, "send", "--key", key, "--name", "image", "--max-wait", wait, "--min-wait", "0s", source]
        return try lab.run("s", state + command).wait()
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

    @Test("A sender without a battery says what its clock says")
    func withoutBattery() throws {
        let sent = try send(from: "sender", at: "1970-01-02 00:00:00", wait: "1s")
        #expect(sent.status == 4 && sent.errors.contains("clock says 1970-01-02"), "\(sent.errors)")
    }
}
