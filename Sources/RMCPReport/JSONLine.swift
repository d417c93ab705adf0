internal import FoundationEssentials

/// One event for programs: written as one line of JSON with its keys in order.
public struct JSONLine: Sendable {
    /// Version of what lines mean. New events and fields leave it as it is; whatever is removed, or means something else, raises it.
    public static let schema: Int64 = 1

    public enum Value: Sendable, Encodable {
        case string(String)
        case integer(Int64)
        case unsigned(UInt64)
        case number(Double)
        case boolean(Bool)
        case object([String: Value])
        case array([Value])

        public func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .string(let value): try container.encode(value)
            case .integer(let value): try container.encode(value)
            case .unsigned(let value): try container.encode(value)
            // JSON has no infinity; as for other figures that are not known, -1.
            case .number(let value): try container.encode(value.isFinite ? value : -1)
            case .boolean(let value): try container.encode(value)
            case .object(let value): try container.encode(value)
            case .array(let value): try container.encode(value)
            }
        }
    }

    private let event: String
    private var fields: [String: Value]
    /// One of many that say the same, newer: may be left out.
    public var isProgress: Bool { event == "progress" || event == "node" }

    public init(event: String, _ fields: [String: Value] = [:]) {
        self.event = event
        self.fields = fields
    }

    /// The same with more fields.
    public func adding(_ more: [String: Value]) -> JSONLine {
        var line = self
        line.fields.merge(more) { $1 }
        return line
    }

    /// Without a line break.
    /// - Parameters:
    ///   - command: who says it: `send` and the like.
    ///   - time: when, in milliseconds since 1970.
    public func text(of command: String, at time: UInt64) -> String {
        let common: [String: Value] = [
            "schema": .integer(Self.schema), "command": .string(command), "event": .string(event), "time": .string(Units.timestamp(milliseconds: time)),
        ]
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(fields.merging(common) { $1 })).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}

extension JSONLine {
    /// The last line of a process that does not end with 0.
    /// - Parameters:
    ///   - message: what happened, to what.
    ///   - hint: what helps; empty where nothing is known to.
    public static func error(_ status: ExitStatus, message: String, hint: String) -> JSONLine {
        JSONLine(event: "error", ["code": .integer(Int64(status.rawValue)), "message": .string(message), "hint": .string(hint)])
    }

    /// The last line of a command that has nothing more to say than that all is well.
    /// - Parameter event: `finished`, or `checked` of what only looks.
    public static func end(_ event: String) -> JSONLine { JSONLine(event: event, ["exit_code": .integer(Int64(ExitStatus.done.rawValue))]) }

    /// A signing key that has been made.
    /// - Parameter key: its public line.
    public static func keyMade(_ key: String, path: String) -> JSONLine { JSONLine(event: "key_made", ["key": .string(key), "path": .string(path)]) }

    /// Lines that nobody read in time.
    public static func dropped(_ lines: Int) -> JSONLine { JSONLine(event: "dropped", ["lines": .integer(Int64(lines))]) }

    /// A file of a tree that cannot be read, or is not what it was.
    public static func fileFailed(_ path: String, message: String) -> JSONLine {
        JSONLine(event: "file_failed", ["path": .string(path), "message": .string(message)])
    }

    /// Something the user should know.
    public static func warning(_ text: String) -> JSONLine { JSONLine(event: "warning", ["message": .string(text)]) }
}
