import Foundation
import Testing

/// A Prometheus in the sender's place of a laboratory, which scrapes four times a second; and promtool.
final class Prometheus {
    private static var folder: String? { ProcessInfo.processInfo.environment["RMCP_PROMETHEUS"] }
    static var isThere: Bool { folder != nil }
    static let reason: Comment = "scripts/test says in RMCP_PROMETHEUS where prometheus and promtool are"
    static func program(_ name: String) -> String { (folder ?? "") + "/" + name }
    /// Configuration, rules and dashboard, as they are installed.
    static let examples = Program.repository + "/docs/metrics"

    private let lab: Laboratory
    private let process: Running

    /// Ready when this returns.
    init(in lab: Laboratory, targets: [String]) throws {
        self.lab = lab
        let folder = try lab.scratch.directory("prometheus")
        let configuration = """
            global: {scrape_interval: 250ms, evaluation_interval: 1s}
            rule_files: ["\(Self.examples)/rules.yml"]
            scrape_configs:
              - job_name: rmcp
                static_configs: [{targets: [\(targets.map { "\"\($0)\"" }.joined(separator: ", "))]}]
            """
        let file = folder.appendingPathComponent("prometheus.yml").path
        try configuration.write(toFile: file, atomically: true, encoding: .utf8)
        process = try lab.run(
            "s",
            [
                Self.program("prometheus"), "--config.file", file, "--storage.tsdb.path", folder.appendingPathComponent("data").path,
                "--web.listen-address", "127.0.0.1:9090",
            ])
        try #require(process.wait { process.errorsSoFar.contains("Server is ready to receive web requests") }, "\(process.errorsSoFar)")
    }

    deinit {
        process.signal(SIGTERM)
        _ = process.wait()
    }

    struct Sample {
        let labels: [String: String]
        let value: Double
        var role: String { labels["role"] ?? "" }
    }

    /// Answer of the HTTP API.
    func get(_ path: String) throws -> [String: Any] {
        let script = "import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())"
        let result = try lab.run("s", ["python3", "-c", script, "http://127.0.0.1:9090/api/v1/" + path]).wait()
        try #require(result.status == 0, "\(path): \(result.errors)")
        let object = try JSONSerialization.jsonObject(with: result.output) as? [String: Any]
        return try #require(object?["data"] as? [String: Any], "\(result.text)")
    }

    func query(_ expression: String, at time: Double? = nil) throws -> [Sample] {
        let allowed = CharacterSet.alphanumerics
        let encoded = try #require(expression.addingPercentEncoding(withAllowedCharacters: allowed))
        let data = try get("query?query=\(encoded)" + (time.map { "&time=\($0)" } ?? ""))
        return try #require(data["result"] as? [[String: Any]]).map { entry in
            let value = try #require((entry["value"] as? [Any])?.last as? String)
            return Sample(labels: entry["metric"] as? [String: String] ?? [:], value: try #require(Double(value)))
        }
    }

    /// Whether a condition comes to hold. It is looked at once for each scrape, of which nobody tells.
    private func settled(_ condition: () throws -> Bool) throws -> Bool {
        let end = Date() + 30
        while try !condition() {
            if Date() > end { return false }
            usleep(250_000)
        }
        return true
    }

    /// Whether the answer comes to be as it should.
    func settled(_ expression: String, _ condition: ([Sample]) -> Bool) throws -> Bool { try settled { try condition(query(expression)) } }

    /// Whether all rules come to have been evaluated without an error.
    func settledRules() throws -> Bool {
        try settled {
            let groups = try get("rules")["groups"] as? [[String: Any]] ?? []
            let health = groups.flatMap { $0["rules"] as? [[String: Any]] ?? [] }.map { $0["health"] as? String }
            return health.count >= 5 && health.allSatisfy { $0 == "ok" }
        }
    }

    /// Time of now, as it is there.
    func now() throws -> Double {
        let answer = try #require(get("query?query=time%28%29")["result"] as? [Any])
        return try #require(answer.first as? Double)
    }

    /// Words of promtool for a text.
    func check(_ what: String, _ text: String) throws {
        let file = lab.scratch.path("check.prom")
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        let result = try Running([Self.program("promtool"), "check", "metrics"], in: lab.scratch.url, input: file, seconds: 60).wait()
        #expect(result.status == 0 && result.text.isEmpty && result.errors.isEmpty, "\(what): \(result.text)\(result.errors)")
    }

    /// Queries of the dashboard as Grafana would send them.
    static func dashboardQueries() throws -> [String] {
        let object = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: examples + "/dashboard.json"))) as? [String: Any]
        let panels = try #require(object?["panels"] as? [[String: Any]])
        return panels.flatMap { $0["targets"] as? [[String: Any]] ?? [] }.compactMap { $0["expr"] as? String }.map {
            $0.replacingOccurrences(of: "$__rate_interval", with: "3s").replacingOccurrences(of: "$job", with: ".*")
                .replacingOccurrences(of: "$instance", with: ".*")
        }
    }
}
