import Foundation
import Testing

/// Metrics, looked at by Prometheus: a real one, that scrapes all three roles during a transfer.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason), .enabled(if: Prometheus.isThere, Prometheus.reason))
struct MetricsTests {
    @Test("All three roles are scraped, what they say is what was sent, and dashboard and rules ask for what there is")
    func scraped() throws {
        let lab = try Laboratory(receivers: 3, options: ["--split"])
        try lab.loss("r2", percent: 3)
        let source = try lab.scratch.random("image", megabytes: 24)
        let prometheus = try Prometheus(in: lab, targets: ["10.77.0.1", "10.77.0.2", "10.77.0.3", "10.77.0.4"].map { $0 + ":9464" })
        let listen = ["--metrics-listen", ":9464"]
        let receivers = try ["r1", "r2"].map { try lab.receive($0, ["--json", "--exec", "true"] + listen) }
        let node = try lab.repair("r3", listen)
        #expect(node.wait { receivers.allSatisfy { $0.says("listening") } })
        for node in ["r1", "r2", "r3"] { try prometheus.check("\(node) idle", lab.get(node, "metrics")) }
        let (ready, healthy) = try (lab.get("r1", "-/ready"), lab.get("r3", "-/healthy"))
        #expect(ready == "rmcp recv is ready.\n" && healthy == "rmcp repair is healthy.\n")
        let file = lab.scratch.path("send.prom")
        let sender = try lab.send(
            ["--unsigned", "--json", "--wait-for", "2", "--min-wait", "2s", "--rate", "30M", "--level", "0", "--linger", "3s", "--metrics", file] + listen
                + [source])
        // Metrics while it is under way.
        #expect(sender.wait { receivers.allSatisfy { $0.done > 12 << 20 } }, "\(sender.errorsSoFar)")
        let middle = try prometheus.now()
        for node in ["s", "r1", "r2", "r3"] { try prometheus.check("\(node) busy", lab.get(node, "metrics")) }
        let progress = try prometheus.query("rmcp_session_progress_ratio{name=\"image\"}", at: middle)
        #expect(Set(progress.map(\.role)) == ["send", "recv", "repair"] && progress.allSatisfy { $0.value > 0.2 && $0.value < 1 }, "\(progress)")
        #expect(try prometheus.query("rmcp_sessions{state=\"active\"} == 1", at: middle).count == 4)
        #expect(try prometheus.query("rmcp_receivers{role=\"send\", state=\"receiving\"}", at: middle).map(\.value) == [2])
        let sent = sender.wait()
        #expect(sent.status == 0, "\(sent.errors)")
        for node in ["r1", "r2", "r3"] { try prometheus.check("\(node) at the end", lab.get(node, "metrics")) }
        // Metrics that were scraped are what there is.
        let bytes = try prometheus.settled("rmcp_bundle_bytes_total{source=\"wire\"}") { $0.count == 2 && $0.allSatisfy { $0.value == Double(24 << 20) } }
        let said = try prometheus.query("rmcp_bundle_bytes_total")
        #expect(bytes, "\(said)")
        #expect(try prometheus.settled("rmcp_bundles_total{role=\"recv\", result=\"complete\"} == 1") { $0.count == 2 })
        #expect(try prometheus.settled("rmcp_hook_duration_seconds_count == 1") { $0.count == 2 })
        #expect(try prometheus.query("sum(rmcp_bundles_total{role=\"recv\", result!=\"complete\"})").map(\.value) == [0])
        let end = try prometheus.now()
        #expect(try prometheus.query("time() - rmcp_last_complete_timestamp_seconds{role=\"recv\"}", at: end).allSatisfy { $0.value > 0 && $0.value < 60 })
        // The sender's file stays, and has all that left.
        let last = try String(contentsOfFile: file, encoding: .utf8)
        try prometheus.check("the sender's file", last)
        func total(_ name: String) -> Double {
            last.split(separator: "\n").filter { $0.hasPrefix(name) }.compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }.reduce(0, +)
        }
        #expect(total("rmcp_sent_bytes_total{") == Double(Running.last("wire_bytes", in: sent.text)))
        #expect(last.contains("rmcp_bundles_total{role=\"send\",result=\"complete\"} 1\n") && !last.contains("process_"))
        let first = try prometheus.query("max_over_time(rmcp_sent_bytes_total{role=\"send\", kind=\"first\"}[5m])")
        #expect(first.map(\.value) == [total("rmcp_sent_bytes_total{role=\"send\",kind=\"first\"}")])
        try expectAnswers(prometheus, at: [middle, end])
        lab.stop(node)
        for receiver in receivers { lab.stop(receiver) }
    }

    /// Each query of the dashboard finds something at one of these times, and each rule can be evaluated.
    private func expectAnswers(_ prometheus: Prometheus, at times: [Double]) throws {
        let queries = try Prometheus.dashboardQueries()
        #expect(queries.count >= 20)
        for query in queries {
            var found = try times.contains { try !prometheus.query(query, at: $0).isEmpty }
            // Panels that show something only where there is some are asked for without that.
            if !found, query.hasSuffix(" > 0") { found = try times.contains { try !prometheus.query(String(query.dropLast(4)), at: $0).isEmpty } }
            #expect(found, "the dashboard asks in vain: \(query)")
        }
        let (isSound, rules) = try (prometheus.settledRules(), prometheus.get("rules"))
        #expect(isSound, "\(rules)")
    }

    @Test("The rules fire when they should, and not else; the example configuration is one")
    func rules() throws {
        for arguments in [["test", "rules", "rules_test.yml"], ["check", "rules", "rules.yml"], ["check", "config", "prometheus.yml"]] {
            let process = try Running([Prometheus.program("promtool")] + arguments, in: URL(fileURLWithPath: Prometheus.examples), seconds: 60)
            let result = process.wait()
            #expect(result.status == 0, "\(arguments): \(result.text)\(result.errors)")
        }
    }

    @Test("Ten thousand connections, slow ones and headers without end hold up no transfer and take no memory")
    func crowd() throws {
        let lab = try Laboratory(receivers: 2)
        let source = try lab.scratch.random("image", megabytes: 24)
        let receiver = try lab.receive("r1", ["--json", "--once", "--metrics-listen", "10.77.0.2:9464"])
        #expect(receiver.wait { receiver.says("listening") })
        func figure(_ name: String) throws -> Double {
            let line = try lab.get("r1", "metrics").split(separator: "\n").first { $0.hasPrefix(name + " ") }
            return try #require(line.flatMap { $0.split(separator: " ").last.flatMap { Double($0) } })
        }
        let idle = try figure("process_resident_memory_bytes")
        let crowd = try lab.run("r2", ["python3", "-c", Self.crowd])
        #expect(crowd.wait { crowd.outputSoFar.contains("1000\n") }, "\(crowd.errorsSoFar)")
        let descriptors = try figure("process_open_fds")
        let memory = try figure("process_resident_memory_bytes")
        #expect(descriptors < 100 && memory < idle + Double(16 << 20), "\(descriptors) descriptors, \(memory) bytes after \(idle)")
        let sent = try lab.send(["--unsigned", "--wait-for", "1", "--min-wait", "0s", "--rate", "40M", source]).wait()
        #expect(sent.status == 0, "\(sent.errors)")
        #expect(receiver.wait().status == 0 && lab.has("r1", source))
        let result = crowd.wait()
        #expect(result.status == 0 && result.text.contains("10000\n"), "\(result.errors)")
    }

    /// 10,000 connections, 200 of them at a time: some say nothing, some dribble, some send a header of 1 MiB.
    private static let crowd = """
        import collections, socket
        held = collections.deque()
        for number in range(1, 10001):
            try:
                one = socket.create_connection(("10.77.0.2", 9464), 10)
                one.setblocking(False)
                one.send([b"", b"GET /metrics HTTP/1.1\\r\\nX: ", b"GET /metrics HTTP/1.1\\r\\nX: " + b"y" * (1 << 20)][number % 3])
                held.append(one)
            except OSError:
                # Refused or reset once the receiver has what it was started for.
                pass
            if len(held) > 200: held.popleft().close()
            if number % 1000 == 0: print(number, flush=True)
        """

    @Test("A file of metrics is renewed without a session, and gone when its daemon is stopped")
    func file() throws {
        let lab = try Laboratory(receivers: 1)
        let path = lab.scratch.path("recv.prom")
        let receiver = try lab.receive("r1", ["--json", "--metrics", path])
        #expect(receiver.wait { FileManager.default.fileExists(atPath: path) })
        let prometheus = try #require(try? String(contentsOfFile: path, encoding: .utf8))
        #expect(prometheus.contains("rmcp_build_info{role=\"recv\""))
        func stamp() -> Date? { (try? FileManager.default.attributesOfItem(atPath: path))?[.modificationDate] as? Date }
        // Figures after the changes of the start.
        #expect(receiver.wait { stamp().map { Date().timeIntervalSince($0) > 3 } ?? false })
        let before = try #require(stamp())
        #expect(receiver.wait { stamp().map { $0 > before } ?? false })
        let after = try #require(stamp())
        #expect(after.timeIntervalSince(before) < 17, "\(before) \(after)")
        #expect((try FileManager.default.attributesOfItem(atPath: path))[.posixPermissions] as? Int == 0o644)
        lab.stop(receiver)
        #expect(!FileManager.default.fileExists(atPath: path))
        let left = try FileManager.default.contentsOfDirectory(atPath: lab.scratch.url.path).filter { $0.contains("recv.prom") }
        #expect(left.isEmpty, "\(left)")
    }
}

extension Laboratory {
    /// A page of what listens at port 9464 in a node, asked for there.
    fileprivate func get(_ node: String, _ path: String) throws -> String {
        let address = node == "s" ? "10.77.0.1" : "10.77.0.\((Int(node.dropFirst()) ?? 0) + 1)"
        let script = "import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())"
        let result = try run(node, ["python3", "-c", script, "http://\(address):9464/\(path)"]).wait()
        try #require(result.status == 0, "\(node): \(result.errors)")
        return result.text
    }
}
