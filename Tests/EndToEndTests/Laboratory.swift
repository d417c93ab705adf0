import Foundation
import Testing

/// Network namespaces for one test, by scripts/lab; gone when the test is over.
final class Laboratory {
    static var isPossible: Bool { geteuid() == 0 && FileManager.default.isExecutableFile(atPath: "/usr/sbin/ip") || isPossibleElsewhere }
    private static var isPossibleElsewhere: Bool { geteuid() == 0 && FileManager.default.isExecutableFile(atPath: "/sbin/ip") }
    static let reason: Comment = "network namespaces need root and iproute2"

    let name: String
    let scratch: Scratch
    private static var script: String { ProcessInfo.processInfo.environment["RMCP_LAB"] ?? Program.repository + "/scripts/lab" }

    init(receivers: Int, options: [String] = []) throws {
        name = "t" + String(UInt32.random(in: 0...UInt32.max), radix: 36)
        scratch = try Scratch()
        try Self.lab(["up", "--name", name, "--receivers", "\(receivers)"] + options)
    }

    deinit { _ = try? Self.lab(["down", name]) }

    @discardableResult
    static func lab(_ arguments: [String]) throws -> String {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: script)
        process.arguments = arguments
        process.standardOutput = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "scripts/lab \(arguments.joined(separator: " "))")
        return String(decoding: data, as: UTF8.self)
    }

    func loss(_ node: String, percent: Int) throws { try Self.lab(["loss", name, node, "\(percent)"]) }
    func link(_ node: String, up: Bool) throws { try Self.lab(["link", name, node, up ? "up" : "down"]) }

    /// Puts nodes behind a second switch; `link("trunk", up: false)` cuts the two apart.
    func behind(_ nodes: [String]) throws { try Self.lab(["behind", name] + nodes) }

    /// Everything of the kind that a shell would do in a node, done when this returns.
    func shell(_ node: String, _ script: String) throws {
        let result = try run(node, ["sh", "-e", "-c", script]).wait()
        try #require(result.status == 0, "\(node): \(script): \(result.errors)")
    }

    /// A column of `lab counters`, by node.
    func counter(_ column: String) throws -> [String: Int] {
        let lines = try Self.lab(["counters", name]).split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        let index = try #require(lines.first?.firstIndex(of: column))
        return Dictionary(uniqueKeysWithValues: lines.dropFirst().map { ($0[0], Int($0[index]) ?? 0) })
    }

    func run(_ node: String, _ arguments: [String], input: String? = nil, seconds: Int = 120) throws -> Running {
        try Running(["ip", "netns", "exec", "\(name)-\(node)"] + arguments, in: scratch.url, input: input, seconds: seconds)
    }

    func send(_ arguments: [String], input: String? = nil, seconds: Int = 120) throws -> Running {
        try run("s", [Program.path, "send", "-v"] + arguments, input: input, seconds: seconds)
    }

    /// A receiver with a directory of its own name.
    func receive(_ node: String, _ arguments: [String] = ["--once"], directory: String? = nil, seconds: Int = 120) throws -> Running {
        let directory = try scratch.directory(directory ?? node)
        let trust = arguments.contains("--trust") ? [] : ["--allow-unsigned"]
        return try run(node, [Program.path, "recv", "-v", "-d", directory.path] + trust + arguments, seconds: seconds)
    }

    /// A repair node, its cache in a directory of its name; it listens when this returns.
    func repair(_ node: String, _ arguments: [String] = [], cache: String? = nil, seconds: Int = 120) throws -> Running {
        let cache = try cache ?? scratch.directory("cache-\(node)").path
        let command = [Program.path, "repair", "--json", "-i", "eth0", "--cache", cache, "--allow-unsigned"]
        let process = try run(node, command + arguments, seconds: seconds)
        try #require(process.wait { process.says("listening") }, "\(node): \(process.errorsSoFar)")
        return process
    }

    /// Ends what runs until it is stopped, as a service manager does.
    func stop(_ daemons: Running...) {
        for daemon in daemons { daemon.signal(SIGTERM) }
        for daemon in daemons { #expect(daemon.wait().status == 0) }
    }

    func has(_ node: String, _ source: String, as name: String? = nil) -> Bool {
        let name = name ?? URL(fileURLWithPath: source).lastPathComponent
        return scratch.same(source, scratch.path("\(node)/\(name)"))
    }

    /// One bundle to `receivers` receivers: everybody is complete and everything is identical.
    func transfer(_ source: String, receivers: Int, _ arguments: [String] = []) throws -> Running.Result {
        let nodes = (1...receivers).map { "r\($0)" }
        let running = try nodes.map { try receive($0) }
        let sender = try send(["--wait-for", "\(receivers)", "--min-wait", "0s"] + arguments + [source])
        let sent = sender.wait()
        #expect(sent.status == 0, "\(sent.errors)")
        for (node, process) in zip(nodes, running) {
            let received = process.wait()
            #expect(received.status == 0, "\(node): \(received.errors)")
            #expect(has(node, source), "\(node)'s file differs")
        }
        return sent
    }
}
