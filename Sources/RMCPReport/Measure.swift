public import RMCPProtocol

/// One figure of a role, named once. JSON lines, the counters of `-v` and the live line take from a role's table of measures what
/// each of them shows. Metrics are named by `MetricFamily`.
public struct Measure<Source>: Sendable {
    public enum Value: Sendable {
        case count(UInt64)
        case number(Double)
        case text(String)
        case flag(Bool)
        /// Counts of all states, or of those that somebody is in.
        case states(StatusHistogram, all: Bool)
        /// Counts of all reasons.
        case refusals(RefusalCounts)
        /// Counts of a scale's buckets.
        case buckets([UInt64])
        /// Seconds by limit, of those that there were.
        case limits(SendLimits)
        /// JSON says -1.
        case unknown
        /// Nothing is said.
        case absent
    }

    /// How a value is written for people.
    public enum Unit: Sendable {
        /// None, or a number of things.
        case plain
        case bytes
        /// 0...1.
        case ratio
        case bitsPerSecond
        case seconds
    }

    /// In JSON lines, whose definition (docs/events.schema.json) says what it means, and for whoever looks for it in this table.
    public let name: String
    public let unit: Unit
    /// Programs find it in JSON lines.
    public let isInLines: Bool
    /// Its name among the counters of `-v`; nil: not there.
    public let label: String?
    public let value: @Sendable (Source) -> Value

    public init(
        _ name: String, _ unit: Unit, isInLines: Bool = true, label: String? = nil, _ value: @escaping @Sendable (Source) -> Value
    ) {
        self.name = name
        self.unit = unit
        self.isInLines = isInLines
        self.label = label
        self.value = value
    }
}

// MARK: JSON

extension Measure {
    /// The fields of a JSON line.
    static func fields(_ table: [Measure], of source: Source) -> [String: JSONLine.Value] {
        var result: [String: JSONLine.Value] = [:]
        for measure in table where measure.isInLines {
            switch measure.value(source) {
            case .count(let value): result[measure.name] = .unsigned(value)
            case .number(let value): result[measure.name] = .number(value)
            case .text(let value): result[measure.name] = .string(value)
            case .flag(let value): result[measure.name] = .boolean(value)
            case .states(let histogram, let all): result[measure.name] = .object(Self.states(histogram, all: all))
            case .refusals(let counts):
                let fields = RefusalReason.allCases.map { ($0.identifier, JSONLine.Value.unsigned(counts[$0])) }
                result[measure.name] = .object(Dictionary(uniqueKeysWithValues: fields))
            case .buckets(let counts): result[measure.name] = .array(counts.map { .unsigned($0) })
            case .limits(let limits):
                let fields = SendLimit.allCases.filter { limits[$0] > .zero }.map { ($0.rawValue, JSONLine.Value.number(limits[$0].inSeconds)) }
                result[measure.name] = .object(Dictionary(uniqueKeysWithValues: fields))
            case .unknown: result[measure.name] = .integer(-1)
            case .absent: break
            }
        }
        return result
    }

    private static func states(_ histogram: StatusHistogram, all: Bool) -> [String: JSONLine.Value] {
        var result: [String: JSONLine.Value] = [:]
        for state in ReceiverState.allCases where all || histogram.count(state) > 0 { result[state.identifier] = .unsigned(histogram.count(state)) }
        return result
    }
}

// MARK: For people to read

extension Measure {
    /// The value in its unit; empty where there is nothing to say.
    func words(_ source: Source) -> String {
        switch value(source) {
        case .count(let value): unit == .bytes ? Units.size(value) : "\(value)"
        case .number(let value): words(value)
        case .text(let value): value
        case .flag(let value): value ? "yes" : "no"
        case .states, .refusals, .buckets, .limits, .unknown, .absent: ""
        }
    }

    private func words(_ value: Double) -> String {
        switch unit {
        case .plain: Units.fixed(value, digits: 1)
        case .bytes: Units.size(UInt64(max(0, value)))
        case .ratio: Units.percent(value)
        case .bitsPerSecond: Units.rate(bitsPerSecond: value)
        case .seconds: Units.time(.seconds(value))
        }
    }

    /// The counters of `-v`: "NAKs 3, repairs 1.5 MiB".
    static func counters(_ table: [Measure], of source: Source) -> String {
        table.compactMap { measure in measure.label.map { "\($0) \(measure.words(source))" } }.joined(separator: ", ")
    }
}
