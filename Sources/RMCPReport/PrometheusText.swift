import RMCPProtocol

/// Prometheus text (exposition format 0.0.4): metrics of one role. Every reader gets this text, whether from a file or over the
/// network.
public struct PrometheusText {
    public private(set) var text = ""
    private let role: String

    /// Sessions that are told by name: names are labels, and each is a time series for as long as a server remembers.
    static let namedSessions = 8

    /// - Parameter role: `send`, `recv` or `repair`.
    init(role: String, version: String) {
        self.role = role
        add(.buildInfo, "version", [(version, 1)])
    }

    /// A metric without other labels than the role.
    mutating func add(_ family: MetricFamily, _ value: Double) {
        head(family)
        line(family.name, "", value)
    }

    mutating func add(_ family: MetricFamily, _ value: UInt64) { add(family, Double(value)) }

    /// A metric of which there may be nothing to say.
    mutating func add(_ family: MetricFamily, ifKnown value: Double?) { if let value { add(family, value) } }

    /// A metric with a sample for each value of a label. Each value is to come once.
    mutating func add(_ family: MetricFamily, _ label: String, _ samples: [(value: String, number: Double)]) {
        guard !samples.isEmpty else { return }
        head(family)
        for sample in samples { line(family.name, ",\(label)=\"\(Self.escaped(sample.value))\"", sample.number) }
    }

    mutating func add(_ family: MetricFamily, _ label: String, _ samples: KeyValuePairs<String, UInt64>) {
        add(family, label, samples.map { ($0.key, Double($0.value)) })
    }

    mutating func addSummary(_ family: MetricFamily, sum: Double, count: UInt64) {
        head(family)
        line(family.name + "_sum", "", sum)
        line(family.name + "_count", "", Double(count))
    }

    /// Progress by bundle, of the first sessions whose name and length are known. Of sessions with one name the one that is further counts.
    mutating func addProgress(_ sessions: [(announce: Announce, done: Double?)]) {
        var named: [(value: String, number: Double)] = []
        for (announce, done) in sessions {
            guard announce.isOpen, let done else { continue }
            if let index = named.firstIndex(where: { $0.value == announce.name }) {
                named[index].number = max(named[index].number, done)
            } else if named.count < Self.namedSessions {
                named.append((announce.name, done))
            }
        }
        add(.progress, "name", named)
    }

    private mutating func head(_ family: MetricFamily) { text += "# HELP \(family.name) \(family.help)\n# TYPE \(family.name) \(family.kind.rawValue)\n" }

    private mutating func line(_ name: String, _ labels: String, _ value: Double) {
        text += "\(name){role=\"\(role)\"\(labels)} \(Self.number(value))\n"
    }

    // MARK: Of the process

    /// Metrics that a process has in no role.
    public static func process(_ samples: [(family: MetricFamily, value: Double)]) -> String {
        samples.map {
            "# HELP \($0.family.name) \($0.family.help)\n# TYPE \($0.family.name) \($0.family.kind.rawValue)\n\($0.family.name) \(number($0.value))\n"
        }
        .joined()
    }

    // MARK: Writing

    /// A label's value. What else is in it readers take as it is.
    static func escaped(_ value: String) -> String {
        var bytes: [UInt8] = []
        for byte in value.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), UInt8(ascii: "\\")]
            case UInt8(ascii: "\""): bytes += [UInt8(ascii: "\\"), UInt8(ascii: "\"")]
            case UInt8(ascii: "\n"): bytes += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
            default: bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Whole numbers as such: people read this, too.
    static func number(_ value: Double) -> String {
        guard value.isFinite else { return value.isNaN ? "NaN" : value < 0 ? "-Inf" : "+Inf" }
        return Int64(exactly: value).map(String.init) ?? "\(value)"
    }

    /// Counts of states, of those that receivers can be in.
    mutating func addReceivers(_ histogram: StatusHistogram) {
        add(.receivers, "state", ReceiverState.allCases.map { ($0.identifier, Double(histogram.count($0))) })
    }
}
