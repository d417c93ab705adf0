import Testing

@testable import RMCPHost

/// Heads of requests: what is understood, what is refused, and that nothing that comes is too much.
@Suite struct HTTPRequestTests {
    private func parse(_ text: String) -> HTTPRequest.Parsed { HTTPRequest.parse(Array(text.utf8)) }
    private func get(_ path: String, _ method: String = "GET") -> HTTPRequest.Parsed { .request(HTTPRequest(method: method, path: path)) }

    @Test("Requests as scrapers, browsers, people with telnet and proxies write them")
    func understood() {
        #expect(parse("GET /metrics HTTP/1.1\r\nHost: a:1\r\nUser-Agent: Prometheus/2.42.0\r\nAccept: */*;q=0.1\r\n\r\n") == get("/metrics"))
        #expect(parse("HEAD / HTTP/1.0\r\n\r\n") == get("/", "HEAD"))
        #expect(parse("\r\n\r\nGET / HTTP/1.1\nhost:a\n\n") == get("/"))
        #expect(parse("GET /metrics?name%5B%5D=up HTTP/1.1\r\nHOST:\t[::1]:9464 \r\n\r\n") == get("/metrics"))
        #expect(parse("GET http://user@host:80/metrics?x HTTP/1.1\r\nHost: host\r\n\r\n") == get("/metrics"))
        #expect(parse("GET http://host HTTP/1.1\r\nHost: host\r\n\r\n") == get("/"))
        #expect(parse("POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n") == get("/metrics", "POST"))
    }

    @Test(
        "What is no request is refused",
        arguments: [
            ("GET /metrics\r\n\r\n", 400), ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("G\u{0}T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET /\u{7F} HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("GET /ü HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\nX: a\u{0}b\r\n\r\n", 400), ("GET / HTTP/1.1\r\n: a\r\n\r\n", 400),
            ("GET / HTTP/1.1 \r\n\r\n", 400), ("GET / http/1.1\r\nHost: a\r\n\r\n", 400), ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
            ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505), ("\u{16}\u{3}\u{1}\u{2}\n", 400), ("SSH-2.0-OpenSSH_9.2\r\n", 400),
        ])
    func refused(_ text: String, _ status: Int) { #expect(parse(text) == .refused(status), "\(text)") }

    @Test("A request that comes byte by byte is understood with the last of them, and not before")
    func pieces() {
        let bytes = Array("GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: text/plain\r\n\r\n".utf8)
        for length in 0..<bytes.count - 1 { #expect(HTTPRequest.parse(Array(bytes[..<length])) == .incomplete, "\(length)") }
        #expect(HTTPRequest.parse(bytes) == get("/metrics"))
    }

    @Test("A head has a limit, wherever its bytes are")
    func limit() {
        let filler = String(repeating: "a", count: HTTPRequest.limit)
        for text in ["GET /\(filler)", "GET / HTTP/1.1\r\nHost: a\r\nX: \(filler)", String(repeating: "\r\n", count: HTTPRequest.limit), filler] {
            #expect(HTTPRequest.parse(Array(text.utf8.prefix(HTTPRequest.limit))) == .refused(431), "\(text.prefix(30))")
        }
        let fits = "GET / HTTP/1.1\r\nHost: a\r\nX: "
        let longest = fits + String(repeating: "a", count: HTTPRequest.limit - fits.utf8.count - 4) + "\r\n\r\n"
        #expect(parse(longest) == get("/"))
    }

    @Test("No bytes are too strange", arguments: 1...40 as ClosedRange<UInt64>)
    func noise(_ seed: UInt64) {
        var random = Noise(state: seed)
        let base = Array("GET /metrics?a HTTP/1.1\r\nHost: a\r\nAccept: text/plain\r\nX-A: b\r\n\r\n".utf8)
        let spice: [UInt8] = [0, 9, 10, 13, 32, 47, 58, 63, 127, 128, 255]
        for _ in 0..<2_000 {
            var bytes = base
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[index] = .random(in: 0...255, using: &random)
                case 1: bytes.insert(spice.randomElement(using: &random) ?? 0, at: index)
                case 2 where bytes.count > 1: bytes.remove(at: index)
                default: bytes.append(contentsOf: bytes[index...].prefix(400))
                }
            }
            // A part of a head is never more than all of it: who is refused is refused for good, who is answered is answered once.
            let whole = HTTPRequest.parse(bytes)
            let part = HTTPRequest.parse(Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random))))
            #expect(part == .incomplete || part == whole, "\(bytes)")
            if case .request(let request) = whole { #expect(!request.method.isEmpty && request.path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }) }
        }
    }

    private struct Noise: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }
}
