import Foundation
import Glibc
import RMCPProtocol
import Testing

@testable import RMCPHost

/// Metrics over HTTP: the pages, and clients that are slow, many, rude or gone.
@Suite(.serialized) struct MetricsListenerTests {
    private let board = MetricsBoard { "rmcp_test 1\n" }

    private func listener(_ address: SocketAddress = .ipv4(127, 0, 0, 1, port: 0)) throws -> MetricsListener {
        try MetricsListener(address, board: board, role: "recv", version: "1.2.3")
    }

    /// A client's connection, with 20 s for each answer.
    private final class Client: Sendable {
        let raw: Int32

        init(_ address: SocketAddress) throws {
            raw = socket(address.systemFamily, Int32(SOCK_STREAM.rawValue), 0)
            var patience = timeval(tv_sec: 20, tv_usec: 0)
            setsockopt(raw, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
            try #require(address.withSockaddr { connect(raw, $0, $1) } == 0)
        }

        deinit { close(raw) }

        @discardableResult
        func say(_ text: String) -> Int { Glibc.send(raw, text, text.utf8.count, Int32(MSG_NOSIGNAL)) }

        /// All until the end; nil when that does not come, or the connection is reset.
        func answer() -> String? {
            var bytes: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = recv(raw, &buffer, buffer.count, 0)
                if count < 0 { return nil }
                if count == 0 { return String(decoding: bytes, as: UTF8.self) }
                bytes += buffer.prefix(count)
            }
        }
    }

    private func ask(_ listener: MetricsListener, _ request: String) throws -> String {
        let client = try Client(listener.address)
        client.say(request)
        return try #require(client.answer())
    }

    private func get(_ listener: MetricsListener, _ path: String, _ method: String = "GET") throws -> String {
        try ask(listener, "\(method) \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
    }

    @Test("Each page is what it is said to be, and no other is there")
    func pages() throws {
        let listener = try listener()
        defer { listener.stop() }
        let metrics = try get(listener, "/metrics")
        #expect(metrics.hasPrefix("HTTP/1.1 200 OK\r\n") && metrics.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"))
        #expect(metrics.contains("\r\n\r\nrmcp_test 1\n# HELP process_cpu_seconds_total "), "\(metrics)")
        for name in ["process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"] { #expect(metrics.contains("\n\(name) ")) }
        let body = try #require(metrics.range(of: "\r\n\r\n")).upperBound
        #expect(metrics.contains("\r\nContent-Length: \(metrics[body...].utf8.count)\r\n"))
        #expect(try get(listener, "/-/healthy").hasSuffix("\r\n\r\nrmcp recv is healthy.\n"))
        #expect(try get(listener, "/-/ready").hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))
        board.setReady(true)
        #expect(try get(listener, "/-/ready").hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(try get(listener, "/").contains("<a href=\"/metrics\">"))
        #expect(try get(listener, "/../etc/passwd").hasPrefix("HTTP/1.1 404 Not Found\r\n"))
        let refused = try get(listener, "/metrics", "POST")
        #expect(refused.hasPrefix("HTTP/1.1 405 Method Not Allowed\r\n") && refused.contains("\r\nAllow: GET, HEAD\r\n"))
        let head = try get(listener, "/metrics", "HEAD")
        #expect(head.hasPrefix("HTTP/1.1 200 OK\r\n") && head.hasSuffix("\r\n\r\n") && !head.contains("Content-Length: 0\r\n"))
        #expect(try ask(listener, "rubbish\r\n").hasPrefix("HTTP/1.1 400 Bad Request\r\n"))
    }

    @Test("What is shown is served, and not made anew for each who asks")
    func freshness() throws {
        let listener = try listener()
        defer { listener.stop() }
        let made = LockedValue(0)
        board.show {
            made.withLock { $0 += 1 }
            return "rmcp_test 2\n"
        }
        let begun = Poller.now()
        for _ in 0..<50 { #expect(try get(listener, "/metrics").contains("rmcp_test 2\n")) }
        let turns = Int((Poller.now() - begun).nanoseconds / Interval.milliseconds(250).nanoseconds) + 1
        #expect(made.withLock { $0 } <= turns)
    }

    @Test("A body, further requests and a closed half do not cost anybody the answer")
    func rude() throws {
        let listener = try listener()
        defer { listener.stop() }
        let body = String(repeating: "x", count: 60_000)
        let long = try ask(listener, "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n\(body)")
        #expect(long.hasPrefix("HTTP/1.1 405"))
        let many = try ask(listener, String(repeating: "GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n", count: 100))
        #expect(many.components(separatedBy: "healthy.").count == 2)
        let half = try Client(listener.address)
        half.say("GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n")
        shutdown(half.raw, Int32(SHUT_WR))
        #expect(half.answer()?.hasSuffix("healthy.\n") == true)
        let cut = try Client(listener.address)
        cut.say("GET /-/healthy HT")
        shutdown(cut.raw, Int32(SHUT_WR))
        #expect(cut.answer() == "")
        let huge = try Client(listener.address)
        huge.say("GET / HTTP/1.1\r\nX: " + String(repeating: "y", count: HTTPRequest.limit))
        #expect(huge.answer()?.hasPrefix("HTTP/1.1 431") == true)
        let pieces = try Client(listener.address)
        for byte in "GET /-/healthy HTTP/1.0\r\n\r\n" { pieces.say(String(byte)) }
        #expect(pieces.answer()?.hasSuffix("healthy.\n") == true)
    }

    @Test("Thousands that say nothing keep nobody from a scrape, and take no more places than there are")
    func crowd() throws {
        let listener = try listener()
        defer { listener.stop() }
        // Both ends are this process's.
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        var silent: [Client] = []
        for index in 0..<2_000 {
            // Connections that were given up make room here, too.
            if silent.count >= min(400, Int(limit.rlim_cur) / 4) { silent.removeFirst() }
            let client = try Client(listener.address)
            client.say(index % 2 == 0 ? "GET /metrics HTTP/1.1\r\nHost: a\r\nX-" : "")
            silent.append(client)
            if index % 200 == 0 { #expect(try get(listener, "/-/healthy").hasSuffix("healthy.\n")) }
        }
        #expect(try get(listener, "/metrics").contains("rmcp_test 1"))
        // One of them is the socket that listens.
        let places = sockets(at: listener.address.port) - 1
        #expect(places > 0 && places <= MetricsListener.connections, "\(places)")
    }

    /// Sockets of this process with this port of their own: other tests open and close descriptors meanwhile.
    private func sockets(at port: UInt16) -> Int {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        let ports = names.compactMap { Int32($0) }.compactMap { descriptor -> UInt16? in
            var storage = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let result = withUnsafeMutablePointer(to: &storage) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
            }
            return result == 0 ? SocketAddress(storage)?.port : nil
        }
        return ports.count { $0 == port }
    }

    @Test("Whoever does not come to the point is told so when the time is over, however many bytes come")
    func slow() throws {
        let listener = try listener()
        defer { listener.stop() }
        let (slow, silent) = (try Client(listener.address), try Client(listener.address))
        let begun = Poller.now()
        let end = LockedValue(false)
        let speaker = try HostThread(name: "slow") {
            slow.say("GET / HTTP/1.1\r\nX: ")
            while !end.withLock({ $0 }) {
                if slow.say("y") < 0 { return }
                usleep(200_000)
            }
        }
        #expect(silent.answer() == "")
        #expect(slow.answer()?.hasPrefix("HTTP/1.1 408 ") == true)
        let took = Poller.now() - begun
        end.withLock { $0 = true }
        speaker.join()
        #expect(took >= HTTPConnection.patience && took < HTTPConnection.patience * 2, "\(took)")
    }

    @Test("A port that is taken is an error that says so, and a port of 0 is one that is free; IPv6 as well")
    func addresses() throws {
        let listener = try listener()
        defer { listener.stop() }
        #expect(listener.address.port != 0)
        let error = #expect(throws: HostError.self) { try self.listener(listener.address) }
        #expect(error?.description == "listen for metrics at \(listener.address.text): address already in use; give --metrics-listen another port")
        let nowhere = #expect(throws: HostError.self) { try self.listener(.ipv4(192, 0, 2, 1, port: 9_464)) }
        #expect(nowhere?.description.contains("192.0.2.1:9464: cannot assign requested address") == true)
        let everywhere = try self.listener(SocketAddress(family: .ipv6, high: 0, low: 0, port: 0))
        defer { everywhere.stop() }
        let client = try Client(.ipv4(127, 0, 0, 1, port: everywhere.address.port))
        client.say("GET /-/healthy HTTP/1.0\r\n\r\n")
        #expect(client.answer()?.hasSuffix("healthy.\n") == true)
    }

    @Test("Who listens no more is gone at once, and so are its descriptors")
    func end() throws {
        let port: UInt16
        do {
            let listener = try listener()
            port = listener.address.port
            let client = try Client(listener.address)
            client.say("GET")
            #expect(try get(listener, "/-/healthy").hasSuffix("healthy.\n"))
            listener.stop()
            #expect(client.answer() != "HTTP")
        }
        #expect(sockets(at: port) == 0)
    }
}
