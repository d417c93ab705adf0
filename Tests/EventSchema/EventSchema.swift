import Foundation

/// docs/events.schema.json, and what is wrong with lines by it. Readers pass over events and fields that they do not know; here both are
/// faults, so that none is written that is not documented.
///
/// Keywords of JSON Schema are known as far as that file uses them. A keyword that it does not know is a fault, too: nothing is passed over in silence.
public struct EventSchema: Sendable {
    public static let path = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("docs/events.schema.json").path

    public static let shared = try? EventSchema()

    public let root: JSONValue
    public var definitions: [String: JSONValue] { root["$defs"]?.object ?? [:] }

    public init() throws { root = try JSONValue(parsing: String(contentsOfFile: Self.path, encoding: .utf8)) }

    /// Faults of a program's output: every line must be an event.
    /// - Parameter isMixed: whether other lines may be among them, since not only rmcp has written it.
    public static func faults(of output: String, isMixed: Bool = false) -> [String] {
        guard let shared else { return ["\(path) is no JSON"] }
        let lines = output.split(separator: "\n").map(String.init).filter { !isMixed || $0.hasPrefix("{\"") }
        return lines.flatMap { line in shared.faults(of: line).map { "\($0): \(line.prefix(400))" } }
    }

    /// Faults of one line.
    public func faults(of line: String) -> [String] {
        guard let value = try? JSONValue(parsing: line), value.object != nil else { return ["no object"] }
        guard let command = value["command"]?.string, let event = value["event"]?.string else { return ["neither command nor event"] }
        let known = definitions["any.\(event)"] != nil || definitions["\(command).\(event)"] != nil
        return (known ? [] : ["\(command) has no event \(event)"]) + check(value, root, "").faults
    }

    // MARK: Checking

    private struct Findings {
        var faults: [String] = []
        /// Members of the object that some schema knows.
        var known: Set<String> = []
        /// Whether a schema says of all members what they are.
        var knowsAll = false

        mutating func add(_ other: Findings) {
            faults += other.faults
            known.formUnion(other.known)
            knowsAll = knowsAll || other.knowsAll
        }
    }

    /// A value against a schema, and the members of the value against those that it knows.
    private func check(_ value: JSONValue, _ schema: JSONValue, _ place: String) -> Findings {
        var result = apply(schema, to: value, place)
        if let members = value.object, !result.knowsAll {
            result.faults += members.keys.sorted().filter { !result.known.contains($0) }.map { "\(place)/\($0) is not documented" }
        }
        return result
    }

    private func apply(_ schema: JSONValue, to value: JSONValue, _ place: String) -> Findings {
        var result = Findings()
        guard let schema = schema.object else {
            result.faults.append("\(place): a schema that is no object")
            return result
        }
        for (keyword, expected) in schema.sorted(by: { $0.key < $1.key }) {
            if let fault = fault(of: value, keyword, expected) {
                result.faults.append("\(place.isEmpty ? "line" : place) \(fault)")
            } else {
                result.add(applyParts(keyword, expected, schema, to: value, place))
            }
        }
        return result
    }

    /// Keywords that have schemas in them.
    private func applyParts(_ keyword: String, _ expected: JSONValue, _ schema: [String: JSONValue], to value: JSONValue, _ place: String) -> Findings {
        var result = Findings()
        switch keyword {
        case "$ref":
            let name = (expected.string ?? "").replacingOccurrences(of: "#/$defs/", with: "")
            guard let definition = definitions[name] else {
                result.faults.append("\(place): no definition \(name)")
                break
            }
            result.add(apply(definition, to: value, place))
        case "allOf": for part in expected.array ?? [] { result.add(apply(part, to: value, place)) }
        case "if": if apply(expected, to: value, place).faults.isEmpty, let then = schema["then"] { result.add(apply(then, to: value, place)) }
        case "properties":
            for (name, part) in expected.object ?? [:] {
                result.known.insert(name)
                if let member = value[name] { result.faults += check(member, part, "\(place)/\(name)").faults }
            }
        case "additionalProperties":
            guard expected.object != nil else { break }
            result.knowsAll = true
            for (name, member) in value.object ?? [:] { result.faults += check(member, expected, "\(place)/\(name)").faults }
        case "items": for element in value.array ?? [] { result.faults += check(element, expected, "\(place)[]").faults }
        case "$schema", "$id", "$defs", "title", "description", "then", "type", "const", "enum", "pattern", "minimum", "maximum", "required": break
        default: result.faults.append("the schema has a keyword that is not known here: \(keyword)")
        }
        return result
    }

    /// Keywords that say of a value alone what it may be; nil where it is that.
    private func fault(of value: JSONValue, _ keyword: String, _ expected: JSONValue) -> String? {
        switch keyword {
        case "type":
            let types = expected.array?.compactMap(\.string) ?? [expected.string ?? ""]
            return types.contains { Self.isOf($0, value) } ? nil : "is no \(types.joined(separator: " or "))"
        case "const": return value == expected ? nil : "is not \(expected)"
        case "enum": return expected.array?.contains(value) == true ? nil : "is \(value), which is not listed"
        case "pattern":
            guard let text = value.string, let pattern = expected.string else { return nil }
            return text.range(of: pattern, options: .regularExpression) != nil ? nil : "is not like \(pattern)"
        case "minimum": return value.double.map { $0 >= expected.double ?? 0 } == false ? "is too small" : nil
        case "maximum": return value.double.map { $0 <= expected.double ?? 0 } == false ? "is too large" : nil
        case "required":
            let missing = (expected.array ?? []).compactMap(\.string).filter { value.object != nil && value[$0] == nil }
            return missing.isEmpty ? nil : "lacks \(missing.joined(separator: ", "))"
        default: return nil
        }
    }

    private static func isOf(_ type: String, _ value: JSONValue) -> Bool {
        switch (type, value) {
        case ("object", .object), ("array", .array), ("string", .string), ("boolean", .boolean), ("integer", .integer), ("number", .integer),
            ("number", .number), ("null", .null):
            true
        default: false
        }
    }
}
