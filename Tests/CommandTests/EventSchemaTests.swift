import EventSchema
import Foundation
import Testing

@testable import rmcp

/// The definition of all lines of `--json`: it is what `rmcp help json` prints and what rmcp-events(5) tells, and a line that is not by it is found.
@Suite struct EventSchemaTests {
    private let schema: EventSchema

    init() throws { schema = try EventSchema() }

    private static let start = #""command":"send","event":"started","schema":1,"time":"2026-11-29T15:27:56.101Z""#

    @Test(
        "A line that is wrong is found",
        arguments: [
            (#"{"receivers":1,\#(start)}"#, ""), (#"{"receivers":1,"wanted":2,\#(start)}"#, ""),
            (#"{\#(start)}"#, "lacks receivers"), (#"{"receivers":"1",\#(start)}"#, "is no integer"), (#"{"receivers":1.5,\#(start)}"#, "is no integer"),
            (#"{"receivers":true,\#(start)}"#, "is no integer"), (#"{"receivers":-1,\#(start)}"#, "too small"),
            (#"{"receivers":1,"weather":"fine",\#(start)}"#, "/weather is not documented"),
            (#"{"receivers":1,\#(start.replacing(":1,", with: ":2,"))}"#, "/schema"),
            (#"{"receivers":1,\#(start.replacing("started", with: "begun"))}"#, "no event begun"),
            (#"{"receivers":1,\#(start.replacing("send", with: "watch"))}"#, "no event started"),
            (#"{"receivers":1,\#(start.replacing("Z", with: ""))}"#, "/time"), (#"{"receivers":1,\#(start.replacing("T15", with: " 15"))}"#, "/time"),
            (#"{"receivers":1,\#(start.replacing(#""schema":1,"#, with: ""))}"#, "lacks schema"),
            (#"{"receivers":1}"#, "neither command"), ("[1]", "no object"), (#"{"receivers":1,"#, "no object"), ("started", "no object"),
            (#"{"code":0,"hint":"","message":"m",\#(start.replacing("started", with: "error"))}"#, "not listed"),
            (#"{"name":"n","reason":"badSignature","message":"m","session":"0123456789abcdef0123456789abcdef",\#(refused)}"#, "badSignature"),
            (#"{"name":"n","reason":"bad_signature","message":"m","session":"0123456789abcdef0123456789abcdef",\#(refused)}"#, ""),
            (#"{"name":"n","reason":"bad_signature","message":"m","session":"0123",\#(refused)}"#, "/session"),
        ])
    func wrongLines(line: String, says: String) {
        let faults = EventSchema.faults(of: line)
        #expect(says.isEmpty ? faults.isEmpty : faults.contains { $0.contains(says) }, "\(faults)")
    }

    private static let refused = start.replacing("send", with: "recv").replacing("started", with: "refused")

    @Test("Members of members are looked at, and lines of others are passed over where they may be")
    func insides() throws {
        let line = #"{"command":"send","event":"finished","exit_code":0,"schema":1,"failed_labels":{"lab-07":"failedDiskFull"},"receivers":{"sleeping":1}}"#
        let faults = EventSchema.faults(of: line)
        #expect(
            faults.contains { $0.contains("/failed_labels/lab-07") } && faults.contains { $0.contains("/receivers/sleeping is not documented") }, "\(faults)")
        #expect(EventSchema.faults(of: "hello\n", isMixed: true).isEmpty && !EventSchema.faults(of: "hello\n").isEmpty)
    }

    @Test("rmcp help json prints the file that is published")
    func help() throws { #expect(EventHelp.text + "\n" == (try String(contentsOfFile: EventSchema.path, encoding: .utf8))) }

    @Test("The manual page has every event and every field, and no other")
    func manualPage() throws {
        let page = try String(
            contentsOfFile: URL(fileURLWithPath: EventSchema.path).deletingLastPathComponent().path + "/../man/rmcp-events.5", encoding: .utf8)
        let sections = ["Every line": "", "Events of any command": "any"]
        var (section, event, found) = ("", "", Set<String>())
        for line in page.split(separator: "\n") {
            if line.hasPrefix(".Ss ") {
                let title = String(line.dropFirst(4))
                section =
                    sections[title] ?? (title.hasPrefix("Events of ") ? String(title.dropFirst(10)) : title.replacing("Figures of ", with: "measures_of_"))
                event = ""
            } else if line.hasPrefix(".It Cm ") {
                event = String(line.dropFirst(7))
                found.insert("\(section).\(event)")
            } else if line.hasPrefix(".It Va ") {
                found.insert("\(section).\(event).\(line.dropFirst(7))")
            }
        }
        var expected = Set((schema.root["properties"]?.object ?? [:]).keys.map { "..\($0)" })
        for (name, definition) in schema.definitions {
            let fields = Self.fields(of: definition)
            switch name {
            case "state": break
            case "receivers", "refusals": expected.formUnion(fields.map { "Values..\($0)" })
            case let name where name.hasPrefix("measures_of_"): expected.formUnion(fields.map { "\(name)..\($0)" })
            default: expected.formUnion(fields.map { "\(name).\($0)" } + [name])
            }
        }
        #expect(found == expected, "\(found.symmetricDifference(expected).sorted())")
    }

    /// Names of an object's fields, and of those that they have themselves.
    private static func fields(of definition: JSONValue) -> [String] {
        (definition["properties"]?.object ?? [:]).flatMap { name, field in
            [name] + (field["$ref"] == nil ? fields(of: field["items"] ?? field).map { "\(name).\($0)" } : [])
        }
    }

    @Test("Every definition is used, every event has its place, and everything is described")
    func definitions() throws {
        let text = try String(contentsOfFile: EventSchema.path, encoding: .utf8)
        for (name, definition) in schema.definitions {
            #expect(text.contains("\"$ref\": \"#/$defs/\(name)\""), "\(name) is used nowhere")
            #expect(definition["description"]?.string?.hasSuffix(".") == true, "\(name) is not described")
            for (field, part) in definition["properties"]?.object ?? [:] {
                #expect(part["description"]?.string?.hasSuffix(".") == true, "\(name): \(field) is not described")
                #expect(field.wholeMatch(of: #/[a-z][a-z0-9_]*/#) != nil, "\(name): \(field)")
            }
        }
        for part in schema.root["allOf"]?.array ?? [] {
            let (event, command) = (part["if"]?["properties"]?["event"]?["const"]?.string, part["if"]?["properties"]?["command"]?["const"]?.string)
            #expect(part["then"]?["$ref"]?.string == "#/$defs/\(command ?? "any").\(event ?? "")")
        }
    }
}
