/// The head of an HTTP/1 request, as far as an exporter needs it (RFC 9112).
struct HTTPRequest: Sendable, Hashable {
    var method: String
    /// Path without its query.
    var path: String

    enum Parsed: Sendable, Hashable {
        /// More has to come.
        case incomplete
        case request(HTTPRequest)
        /// Status to answer with.
        case refused(Int)
    }

    /// Bytes that a head may have: several times what browsers and scrapers send.
    static let limit = 8_192

    /// Reads a head from the beginning of what has come. What follows it, a body or another request, is not looked at.
    static func parse(_ bytes: [UInt8]) -> Parsed {
        var lines: [ArraySlice<UInt8>] = []
        var start = 0
        // RFC 9112, 2.2: empty lines before a request are passed over, and LF alone may end a line.
        while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")), end < limit {
            let line = bytes[start..<(end > start && bytes[end - 1] == UInt8(ascii: "\r") ? end - 1 : end)]
            start = end + 1
            if !line.isEmpty {
                lines.append(line)
            } else if !lines.isEmpty {
                return parse(lines)
            }
        }
        // Clients that speak something else are told so before they have filled the room.
        if let first = lines.first, case .refused(let status) = parse(first: first).result { return .refused(status) }
        return bytes.count >= limit ? .refused(431) : .incomplete
    }

    private static func parse(_ lines: [ArraySlice<UInt8>]) -> Parsed {
        let (result, isFirstVersion) = parse(first: lines[0])
        guard case .request = result else { return result }
        var hosts = 0
        for line in lines.dropFirst() {
            // Folded lines, and names that are none, are for proxies to disagree on (RFC 9112, 5).
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")), isToken(line[..<colon]) else { return .refused(400) }
            guard line[colon...].allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == UInt8(ascii: "\t") }) else { return .refused(400) }
            if line[..<colon].map({ $0 | 0x20 }) == Array("host".utf8) { hosts += 1 }
        }
        // RFC 9112, 3.2.
        guard hosts == 1 || isFirstVersion && hosts == 0 else { return .refused(400) }
        return result
    }

    /// The request line; and whether it is HTTP/1.0.
    private static func parse(first line: ArraySlice<UInt8>) -> (result: Parsed, isFirstVersion: Bool) {
        let words = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard words.count == 3, isToken(words[0]), !words[1].isEmpty, words[1].allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return (.refused(400), false) }
        let version = String(decoding: words[2], as: UTF8.self)
        guard version == "HTTP/1.1" || version == "HTTP/1.0" else { return (.refused(version.hasPrefix("HTTP/") ? 505 : 400), false) }
        var target = Substring(String(decoding: words[1], as: UTF8.self))
        // RFC 9112, 3.2.2: as proxies are asked, and servers have to take it.
        if target.lowercased().hasPrefix("http://") {
            let rest = target.dropFirst("http://".count)
            target = rest.firstIndex(of: "/").map { rest[$0...] } ?? "/"
        }
        let path = String(target.prefix { $0 != "?" && $0 != "#" })
        return (.request(HTTPRequest(method: String(decoding: words[0], as: UTF8.self), path: path)), version == "HTTP/1.0")
    }

    /// RFC 9110, 5.6.2.
    private static func isToken(_ bytes: ArraySlice<UInt8>) -> Bool {
        !bytes.isEmpty
            && bytes.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }
}

/// An answer. The connection is closed behind it: nobody who asks every few seconds misses it, and nobody keeps a place.
struct HTTPResponse: Sendable {
    var status: Int
    var contentType = "text/plain; charset=utf-8"
    var body = ""
    /// Further header lines.
    var fields: [(name: String, value: String)] = []

    private static let reasons = [
        200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout", 431: "Request Header Fields Too Large",
        503: "Service Unavailable", 505: "HTTP Version Not Supported",
    ]

    /// A line that says what is wrong.
    static func refusal(_ status: Int) -> HTTPResponse { HTTPResponse(status: status, body: "\(status) \(reasons[status] ?? "Error")\n") }

    /// - Parameters:
    ///   - isHead: the body is left out, its length is not (RFC 9110, 9.3.2).
    ///   - date: as RFC 9110, 5.6.7, has it.
    func bytes(isHead: Bool, date: String) -> [UInt8] {
        var head = "HTTP/1.1 \(status) \(Self.reasons[status] ?? "Error")\r\nDate: \(date)\r\nContent-Type: \(contentType)\r\n"
        head += "Content-Length: \(body.utf8.count)\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n"
        for field in fields { head += "\(field.name): \(field.value)\r\n" }
        return Array((head + "\r\n" + (isHead ? "" : body)).utf8)
    }
}
