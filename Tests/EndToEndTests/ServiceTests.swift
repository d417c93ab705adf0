import Foundation
import Testing

/// Receivers and repair nodes as a service manager runs them.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason)) struct ServiceTests {
    /// A manager's socket, and what it hears.
    private final class Manager {
        let path: String
        private let raw: Int32
        private(set) var heard: [String] = []

        init(in scratch: Scratch) throws {
            path = scratch.path("notify")
            raw = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            try #require(path.utf8.count < MemoryLayout.size(ofValue: address.sun_path))
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            let result = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(raw, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
            }
            try #require(result == 0)
        }

        deinit { close(raw) }

        func hears(_ text: String) -> Bool {
            var bytes = [UInt8](repeating: 0, count: 4_096)
            while case let count = recv(raw, &bytes, bytes.count, 0), count >= 0 { heard.append(String(decoding: bytes.prefix(count), as: UTF8.self)) }
            return heard.contains { $0.contains(text) }
        }

        func forget() {
            _ = hears("")
            heard = []
        }
    }

    private let lab: Laboratory
    private let manager: Manager
    private let file: String

    init() throws {
        lab = try Laboratory(receivers: 1)
        manager = try Manager(in: lab.scratch)
        file = lab.scratch.path("settings.toml")
    }

    private func write(_ text: String) throws { try text.write(toFile: file, atomically: true, encoding: .utf8) }

    private func key(_ name: String) throws -> (path: String, line: String) {
        let path = lab.scratch.path(name)
        try lab.scratch.run([Program.path, "keygen", "-o", path], into: path + ".pub")
        return (path, try String(contentsOfFile: path + ".pub", encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines))
    }

    /// Programs without a terminal, as services are.
    private func service(_ arguments: [String]) throws -> Running {
        try lab.run("r1", ["setsid", "-w", "env", "NOTIFY_SOCKET=\(manager.path)", "WATCHDOG_USEC=400000", Program.path] + arguments + ["--config", file])
    }

    @Test("Ready, alive, busy, reloaded and stopping are told; trust changes without a restart; the hook is not the service")
    func receiver() throws {
        let (old, new) = (try key("old"), try key("new"))
        let directory = try lab.scratch.directory("r1").path
        func settings(_ key: String) -> String { "[recv]\ndirectory = \"\(directory)\"\nexec = \"env >\(directory)/env\"\ntrust = \"\(key)\"\n" }
        try write(settings(old.line))
        let receiver = try service(["recv", "--json"])
        #expect(receiver.wait { manager.hears("READY=1") && manager.hears("STATUS=waiting for bundles") && manager.hears("WATCHDOG=1") })
        let quick = ["--wait-for", "1", "--min-wait", "0s", "--max-wait", "20s"]
        let first = try lab.scratch.random("first", megabytes: 1)
        #expect(try lab.send(quick + ["--key", old.path, first]).wait().status == 0)
        #expect(receiver.wait { manager.hears("STATUS=waiting for bundles, 1 bundle complete") }, "\(manager.heard)")
        let environment = try String(contentsOfFile: directory + "/env", encoding: .utf8)
        #expect(environment.contains("RMCP_NAME=first") && !environment.contains("NOTIFY_SOCKET") && !environment.contains("WATCHDOG"), "\(environment)")
        // A bad file leaves everything as it is, and is told.
        manager.forget()
        try write("[recv]\ntrust = 3\n")
        receiver.signal(SIGHUP)
        #expect(receiver.wait { manager.hears("RELOADING=1\nMONOTONIC_USEC=") && manager.hears("READY=1") }, "\(manager.heard)")
        #expect(receiver.wait { receiver.outputSoFar.contains("settings.toml:2: trust is 3") }, "\(receiver.outputSoFar)")
        try write(settings(new.line))
        receiver.signal(SIGHUP)
        #expect(receiver.wait { receiver.outputSoFar.contains("trusted keys: 1 more, 1 fewer; 1 in all") }, "\(receiver.outputSoFar)")
        let second = try lab.scratch.random("second", megabytes: 1)
        #expect(try lab.send(["--min-wait", "0s", "--max-wait", "2s", "--key", old.path, second]).wait().status == 5)
        #expect(try lab.send(quick + ["--key", new.path, second]).wait().status == 0)
        manager.forget()
        receiver.signal(SIGTERM)
        #expect(receiver.wait { manager.hears("STOPPING=1") }, "\(manager.heard)")
        #expect(receiver.wait().status == 0 && lab.has("r1", first) && lab.has("r1", second))
    }

    @Test("A repair node is told whom to trust without a restart, and ends with 0")
    func repairNode() throws {
        let (old, new) = (try key("old"), try key("new"))
        func settings(_ key: String) -> String {
            "[repair]\ntrust = \"\(key)\"\ncache = \"\(lab.scratch.path("cache"))\"\nkey = \"\(lab.scratch.path("node"))\"\n"
        }
        try write(settings(old.line))
        let node = try service(["repair", "--json"])
        #expect(node.wait { manager.hears("READY=1") && manager.hears("STATUS=waiting for sessions") }, "\(node.errorsSoFar)")
        try write(settings(new.line))
        node.signal(SIGHUP)
        #expect(node.wait { node.outputSoFar.contains("trusted keys: 1 more, 1 fewer") }, "\(node.outputSoFar)")
        let image = try lab.scratch.random("image", megabytes: 1)
        let sent = try lab.send(["--min-wait", "2s", "--until", "repair", "--key", new.path, image]).wait()
        #expect(node.wait { node.says("complete") }, "\(sent.errors)\(node.outputSoFar)")
        #expect(node.wait { manager.hears("STATUS=serving 1 session") }, "\(manager.heard)")
        manager.forget()
        node.signal(SIGTERM)
        #expect(node.wait { manager.hears("STOPPING=1") }, "\(manager.heard)")
        #expect(node.wait().status == 0)
    }

    @Test("A bundle that would leave less than is to stay free is refused, and the sender hears of a full disk")
    func reserve() throws {
        let image = try lab.scratch.random("image", megabytes: 1)
        let receiver = try lab.receive("r1", ["--json", "--reserve", "1000000G", "--label", "lab-07"])
        let sent = try lab.send(["--unsigned", "--wait-for", "1", "--min-wait", "0s", image]).wait()
        #expect(sent.status == 3 && sent.errors.contains("1 receiver failed: disk full (lab-07)"), "\(sent.errors)")
        #expect(receiver.wait { receiver.outputSoFar.contains("--reserve keeps") }, "\(receiver.outputSoFar)")
        lab.stop(receiver)
        #expect(!FileManager.default.fileExists(atPath: lab.scratch.path("r1/image")))
    }
}
