import RMCPHost
import RMCPProtocol
import RMCPReport

/// A kind of value that options have: how it is written, and what it means.
struct ValueKind<Value: Sendable>: Sendable {
    /// Completes "expected …" in a message.
    var expected: String
    /// Configuration files may write it as a number, too.
    var isNumeric = false
    /// Nil for what is not understood.
    var parse: @Sendable (String) -> Value?
}

/// A value, or whatever suits the moment.
enum Adaptive<Value: Sendable & Hashable>: Sendable, Hashable {
    case auto
    case fixed(Value)
}

extension ValueKind where Value == String {
    static let text = ValueKind(expected: "a string") { $0 }
    static let file = name(of: "a file")
    static let directory = name(of: "a directory")
    static let interface = name(of: "the name of an interface")

    /// A name that is not empty: where one is, what was meant to be put there was not.
    private static func name(of expected: String) -> ValueKind { ValueKind(expected: expected) { $0.isEmpty ? nil : $0 } }

    static let label = ValueKind(expected: "1 to 63 bytes of text without control characters") { FailureLabel.isLabel($0) ? $0 : nil }

    /// A multicast address whose port, where none is written, is known only later.
    static let region = ValueKind(expected: "a multicast address with or without a port, such as 239.255.76.28:17627") {
        SocketAddress(parsing: $0, defaultPort: GroupOptions.defaultPort) == nil ? nil : $0
    }
}

extension ValueKind where Value == SocketAddress {
    /// Place to listen at: an address of this host, or all of them where none is given.
    static let listener = ValueKind(expected: "an address of this host and a port, such as 127.0.0.1:9464, [::1]:9464 or :9464") { text in
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { return nil }
        let host = text[..<colon]
        // IPv6 without brackets would leave it open where the port begins.
        guard !host.contains(":") || host.hasPrefix("[") && host.hasSuffix("]") else { return nil }
        let address: SocketAddress? =
            switch host {
            case "": SocketAddress(family: .ipv6, high: 0, low: 0, port: port)
            case "localhost": .ipv4(127, 0, 0, 1, port: port)
            default: SocketAddress(parsing: String(host), defaultPort: port)
            }
        guard let address, !address.isMulticast else { return nil }
        return address
    }

    static let group = ValueKind(expected: "a multicast address with or without a port, such as 239.255.76.27:17627 or [ff15::7627]:17627") {
        SocketAddress(parsing: $0, defaultPort: GroupOptions.defaultPort)
    }
}

extension ValueKind where Value == Interval {
    static let time = ValueKind(expected: "a time such as 500ms, 10s or 5m", isNumeric: true, parse: Units.interval)
    /// A time of something that would be over before it has begun if it were 0.
    static let timeAboveZero = ValueKind(expected: "a time above 0, such as 500ms, 10s or 5m", isNumeric: true) { text in
        Units.interval(text).flatMap { $0 > .zero ? $0 : nil }
    }
}

extension ValueKind where Value == UInt64 {
    static let rate = ValueKind(expected: "bits per second above 0, such as 800k, 100M or 2.5G", isNumeric: true, parse: Units.rate)

    static func size(atLeast least: UInt64, expected: String) -> ValueKind {
        ValueKind(expected: expected, isNumeric: true) { text in Units.bytes(text).flatMap { $0 >= least ? $0 : nil } }
    }
}

extension ValueKind where Value == Int {
    static func number(in range: ClosedRange<Int>, expected: String) -> ValueKind {
        ValueKind(expected: expected, isNumeric: true) { text in Int(text).flatMap { range.contains($0) ? $0 : nil } }
    }
}

extension ValueKind where Value == JoiningSettings.Until {
    static let until = ValueKind(expected: "'receivers' or 'repair'") { text in
        switch text {
        case "receivers": .receivers
        case "repair": .repairNodes
        default: nil
        }
    }
}

extension ValueKind where Value == TreeOptions.Replacement {
    static let replacement = ValueKind(expected: "'exchange' or 'symlink'") { TreeOptions.Replacement(rawValue: $0) }
}

extension ValueKind where Value == Terminal.Color {
    static let color = ValueKind(expected: "auto, always or never") { Terminal.Color(rawValue: $0) }
}

extension ValueKind where Value == Bool {
    /// As the environment and files spell it. On the command line a flag is there or not.
    static let flag = ValueKind(expected: "true or false") { text in
        switch text.lowercased() {
        case "1", "true", "yes", "on": true
        case "0", "false", "no", "off", "": false
        default: nil
        }
    }
}

extension ValueKind where Value == [String] {
    static let list = ValueKind(expected: "a string, or an array of strings") { [$0] }
}

extension ValueKind {
    /// The same, or `auto`.
    static func adaptive<Fixed>(_ kind: ValueKind<Fixed>) -> ValueKind<Adaptive<Fixed>> where Value == Adaptive<Fixed> {
        ValueKind(expected: "auto, or \(kind.expected)", isNumeric: kind.isNumeric) { text in
            text == "auto" ? .auto : kind.parse(text).map { .fixed($0) }
        }
    }
}
