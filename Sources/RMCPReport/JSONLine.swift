internal import FoundationEssentials

/// One event for programs: written as one line of JSON with its keys in order.
public struct JSONLine: Sendable {
    public enum Value: Sendable, Encodable {
        case string(String)
        case integer(Int64)
        case unsigned(UInt64)
        case number(Double)
        case boolean(Bool)
        case object([String: Value])

        public func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .string(let value): try container.encode(value)
            case .integer(let value): try container.encode(value)
            case .unsigned(let value): try container.encode(value)
            case .number(let value): try container.encode(value)
            case .boolean(let value): try container.encode(value)
            case .object(let value): try container.encode(value)
            }
        }
    }

    private let fields: [String: Value]
    /// One of many that say the same, newer: may be left out.
    public let isProgress: Bool

    public init(event: String, _ fields: [String: Value] = [:]) {
        self.fields = fields.merging(["event": .string(event)]) { $1 }
        isProgress = event == "progress" || event == "node"
    }

    /// Without a line break.
    public var text: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(fields)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}
