import RMCPProtocol

/// Prometheus text: what a role's measures are of all its sessions together. Every reader gets this text, whether from a file
/// or over the network.
public struct PrometheusText {
    public private(set) var text = ""
    /// In front of every name: `rmcp_send_`.
    private let prefix: String

    init(role: String) { prefix = "rmcp_\(role)_" }

    mutating func add<Source>(_ table: [Measure<Source>], of sources: [Source]) {
        for measure in table {
            guard let metric = measure.metric else { continue }
            let name = prefix + metric.name
            text += "# HELP \(name) \(measure.help)\n# TYPE \(name) gauge\n"
            let values = sources.map(measure.value)
            switch values.first {
            case .states(let histogram, _)?:
                for state in ReceiverState.allCases { text += "\(name){state=\"\(state.identifier)\"} \(histogram.count(state))\n" }
            case .refusals(let counts)?:
                for reason in RefusalReason.allCases { text += "\(name){reason=\"\(reason.identifier)\"} \(counts[reason])\n" }
            default:
                let numbers = values.map(Self.number)
                text += "\(name) \(metric.total == .sum ? numbers.reduce(0, +) : numbers.max() ?? 0)\n"
            }
        }
    }

    private static func number<Source>(_ value: Measure<Source>.Value) -> Double {
        switch value {
        case .count(let value): Double(value)
        case .number(let value): value
        case .flag(let value): value ? 1 : 0
        case .text, .states, .refusals, .buckets, .limits, .unknown, .absent: 0
        }
    }
}
