import FoundationEssentials

/// One event for programs: written as one line of JSON with its keys in order.
struct JSONLine: Encodable {
    enum Value: Encodable {
        case string(String)
        case integer(Int64)
        case unsigned(UInt64)
        case number(Double)
        case boolean(Bool)
        case object([String: Value])

        func encode(to encoder: any Encoder) throws {
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

    private var fields: [String: Value]
    /// One of many that say the same, newer: may be left out.
    private let isProgress: Bool

    init(event: String, _ fields: [String: Value]) {
        self.fields = fields
        self.fields["event"] = .string(event)
        isProgress = event == "progress" || event == "node"
    }

    func encode(to encoder: any Encoder) throws { try fields.encode(to: encoder) }

    /// Without a line break.
    var text: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    func write() { Console.event(text, isProgress: isProgress) }
}
