import Glibc
import RMCPProtocol

/// The pages that are served, and nothing else.
struct MetricsPages {
    private let board: MetricsBoard
    private let role: String
    private let version: String
    private var made: (text: String, at: Instant)?

    /// Text is not made more often, however often it is asked for.
    private static let age = Interval.milliseconds(250)

    init(board: MetricsBoard, role: String, version: String) {
        self.board = board
        self.role = role
        self.version = version
    }

    mutating func answer(_ request: HTTPRequest, at now: Instant) -> HTTPResponse {
        let page: HTTPResponse
        switch request.path {
        case "/metrics": page = HTTPResponse(status: 200, contentType: "text/plain; version=0.0.4; charset=utf-8", body: metrics(at: now))
        case "/-/healthy": page = HTTPResponse(status: 200, body: "rmcp \(role) is healthy.\n")
        case "/-/ready":
            let isReady = board.isReady
            page = HTTPResponse(status: isReady ? 200 : 503, body: "rmcp \(role) is \(isReady ? "" : "not ")ready.\n")
        case "/": page = HTTPResponse(status: 200, contentType: "text/html; charset=utf-8", body: landing)
        default: return .refusal(404)
        }
        guard request.method == "GET" || request.method == "HEAD" else {
            var refusal = HTTPResponse.refusal(405)
            refusal.fields = [("Allow", "GET, HEAD")]
            return refusal
        }
        return page
    }

    private mutating func metrics(at now: Instant) -> String {
        if let made, now - made.at < Self.age { return made.text }
        let text = board.text + ProcessMetrics.text
        made = (text, now)
        return text
    }

    private var landing: String {
        """
        <!DOCTYPE html>
        <html lang="en"><head><meta charset="utf-8"><title>rmcp \(role)</title></head>
        <body><h1>rmcp \(role)</h1><p>Version \(version)</p>
        <ul><li><a href="/metrics">Metrics</a></li><li><a href="/-/healthy">Healthy</a></li><li><a href="/-/ready">Ready</a></li></ul></body></html>

        """
    }
}
