import EventSchema
import Foundation
import Testing

/// Files that are left for a service that acts on bundles.
@Suite(.enabled(if: Laboratory.isPossible, Laboratory.reason)) struct SpoolTests {
    private let quick = ["--unsigned", "--wait-for", "1", "--min-wait", "0s"]

    @Test("A file for each complete bundle: the line of its event, whole, with an absolute path; none of one that failed")
    func files() throws {
        let lab = try Laboratory(receivers: 1)
        let spool = try lab.scratch.directory("spool")
        let hook = "case $RMCP_NAME in bad) exit 1;; esac; ls -A spool >>seen"
        let command = [Program.path, "recv", "--json", "--allow-unsigned", "-d", "bundles", "--spool-events", "spool", "--exec", hook]
        _ = try lab.scratch.directory("bundles")
        let receiver = try lab.run("r1", command)
        #expect(receiver.wait { receiver.says("listening") })
        for name in ["first", "bad", "second"] {
            let sent = try lab.send(quick + ["--name", name, try lab.scratch.random(name, megabytes: 1)]).wait()
            #expect(sent.status == (name == "bad" ? 3 : 0), "\(sent.errors)")
        }
        #expect(receiver.wait { receiver.count("completed") == 2 }, "\(receiver.outputSoFar)")
        lab.stop(receiver)
        let names = try FileManager.default.contentsOfDirectory(atPath: spool.path).sorted()
        #expect(names.count == 2 && names.allSatisfy { $0.wholeMatch(of: #/\d{8}T\d{9}Z-[0-9a-f]{32}\.json/#) != nil }, "\(names)")
        for (file, name) in zip(names, ["first", "second"]) {
            let text = try String(contentsOf: spool.appendingPathComponent(file), encoding: .utf8)
            let line = try JSONValue(parsing: text)
            #expect(EventSchema.faults(of: text).isEmpty && text.hasSuffix("}\n"), "\(text)")
            #expect(line["event"]?.string == "completed" && line["name"]?.string == name && line["state"]?.string == "complete", "\(text)")
            #expect(
                line["path"]?.string.map { URL(fileURLWithPath: $0).resolvingSymlinksInPath() }
                    == lab.scratch.url.resolvingSymlinksInPath().appendingPathComponent("bundles/\(name)"))
        }
        // The file is not there before the command has ended.
        #expect(try String(contentsOfFile: lab.scratch.path("seen"), encoding: .utf8).split(separator: "\n").count == 1)
    }

    @Test("A file that cannot be left is a warning, and loses nothing: a daemon goes on, --once ends with 1", arguments: [false, true])
    func noFile(isOnce: Bool) throws {
        let lab = try Laboratory(receivers: 1)
        _ = try lab.scratch.directory("spool")
        let receiver = try lab.receive("r1", ["--json", "--spool-events", lab.scratch.path("spool"), "--exec", "rmdir spool"] + (isOnce ? ["--once"] : []))
        #expect(receiver.wait { receiver.says("listening") })
        let source = try lab.scratch.random("image", megabytes: 1)
        let sent = try lab.send(quick + [source]).wait()
        #expect(sent.status == 0 && lab.has("r1", source), "\(sent.errors)")
        #expect(receiver.wait { receiver.says("completed") })
        if !isOnce { receiver.signal(SIGTERM) }
        let received = receiver.wait()
        #expect(received.status == (isOnce ? 1 : 0), "\(received.text)")
        #expect(received.text.contains("--spool-events: open directory") && Running.last("unspooled", in: received.text) == 1, "\(received.text)")
        #expect(Running.last("exit_code", in: received.text) == (isOnce ? 1 : 0))
    }
}
