import RMCPHost
import Testing

@testable import rmcp

/// Nothing in a configuration file is silently without effect.
@Suite struct ConfigurationFileTests {
    private struct Case: CustomTestStringConvertible, Sendable {
        var text: String
        var message: String
        var testDescription: String { text }
        init(_ text: String, _ message: String) {
            self.text = text
            self.message = message
        }
    }

    private static let cases = [
        // Names.
        Case("wiat-for = 4", "1: no option is called wiat-for; did you mean wait-for?"),
        Case("# wiat_for\n\nlevel = 3\nwiat_for = 4\n", "4: no option is called wiat_for; did you mean wait-for?"),
        Case("wait_for = 4\nwait-for = 5\n", "1: wait-for is here twice, with an underscore and with a hyphen"),
        Case("[recv]\ncache_size = \"1G\"", "2: [recv] has no option called cache_size; it belongs under [repair]"),
        Case("[sned]\nlevel = 3", "1: no section is called sned; did you mean send?"),
        Case("[send]\nlevle = 3", "2: [send] has no option called levle; did you mean level?"),
        Case("send.levle = 3", "1: [send] has no option called levle; did you mean level?"),
        Case("send = { level = 3, levle = 3 }", "1: [send] has no option called levle; did you mean level?"),
        Case("[send]\n\"fo\\u006F\" = 3", ": [send] has no option called foo"),
        Case("[send]\nconfig = \"x\"", "2: [send] has no option called config"),
        Case("[keygen]\noutput = \"x\"", "1: no section is called keygen"),
        Case("completely-unknown = 4", "1: no option is called completely-unknown"),
        // Options of other commands.
        Case("[send]\nlevel = 3\ncache-size = \"1G\"", "3: [send] has no option called cache-size; it belongs under [repair]"),
        Case("[watch]\nmetrics = \"m\"", "2: [watch] has no option called metrics; it belongs under [send] or [recv] or [repair]"),
        Case("\n[recv]\n# ttl\nttl = 3\n[send]\nttl = 3", "4: [recv] has no option called ttl; it belongs under [send]"),
        // Types and values.
        Case("rate = true", "1: rate is true; expected auto, or bits per second above 0, such as 800k, 100M or 2.5G"),
        Case("[recv]\ntimeout = \"soon\"", "2: timeout is \"soon\"; expected a time such as 500ms, 10s or 5m"),
        Case("[recv]\ntimeout = 2026-11-28", "2: timeout is a date; expected a time such as 500ms, 10s or 5m"),
        Case("[recv]\nonce = \"yes\"", "2: once is \"yes\"; expected true or false"),
        Case("once = 1", "1: once is 1; expected true or false"),
        Case("name = 5", "1: name is 5; expected a string"),
        Case("level = 20", "1: level is 20; expected auto, or a zstd level from 0 to 19"),
        Case("level = 2.5", "1: level is 2.5; expected auto, or a zstd level from 0 to 19"),
        Case("[repair]\ncache-size = \"1M\"", "2: cache-size is \"1M\"; expected a size of 64M or more, such as 500M or 50G"),
        Case("[recv]\ntrust = [\"a\",\n  2]", "2: trust is an array; expected a string, or an array of strings"),
        Case("group = [\n  \"239.1.1.1\"\n]", "1: group is an array; expected a multicast address"),
        Case("send = 3", "1: send is 3; expected a section, [send], with options of that command"),
        Case("level = 3\n[[send]]\nlevel = 3", "2: send is an array; expected a section, [send]"),
        Case("[send]\n[send.rate]\nmaximum = 3", "2: rate is a section; expected auto"),
        Case("level = 3\r\nlevle = 3\r\n", "2: no option is called levle; did you mean level?"),
        // What is no TOML.
        Case("level = 3\nthis is not TOML", "2: "),
    ]

    @Test("What is wrong is told with its line, whichever command runs", arguments: cases)
    private func errors(example: Case) throws {
        let error = #expect(throws: HostError.self) { try ConfigurationFile(path: "rmcp.toml", text: example.text) }
        let place = example.message.hasPrefix(":") ? "rmcp.toml" : "rmcp.toml:"
        #expect(error?.kind == .usage && error?.description.hasPrefix(place + example.message) == true, "\(error?.description ?? "")")
    }

    @Test("A file may have every option of every command")
    func everything() throws {
        var text = ""
        for command in OptionTable.sections {
            text += "[\(command.name)]\n"
            for entry in command.configurable {
                let values = ["true", "\"x\"", "\"10\"", "\"100M\"", "\"239.255.1.1\"", "\"repair\"", "\"exchange\"", "\"never\"", "\"[::1]:9464\""]
                let value = try #require(values.first { ($0 == "true") == (entry.form == .flag) && entry.accepts($0.filter { $0 != "\"" }) }, "\(entry.name)")
                text += "\(entry.name) = \(value)\n"
            }
        }
        let file = try ConfigurationFile(path: "rmcp.toml", text: text)
        for command in OptionTable.sections {
            for entry in command.configurable { #expect(file.values(of: entry.name, for: command.name)?.texts.count == 1, "\(entry.name)") }
        }
    }

    @Test("The help is a file that can be read, and has every option where it belongs")
    func help() throws {
        #expect(try ConfigurationFile(path: "help.toml", text: ConfigurationHelp.lines.joined(separator: "\n")).values(of: "group", for: "recv") == nil)
        for section in OptionTable.sections {
            let own = ConfigurationHelp.lines.drop { $0 != "[\(section.name)]" }.dropFirst().prefix { !$0.hasPrefix("[") }
            for entry in section.configurable {
                #expect(own.contains { $0.hasPrefix("#\(entry.name) = ") } && own.contains("# \(entry.help)"), "\(section.name): \(entry.name)")
            }
        }
    }

    @Test func anUnderscoreIsAsGoodAsAHyphen() throws {
        let file = try ConfigurationFile(path: "rmcp.toml", text: "max_unicast_children = 1\n[send]\nwait_for = 4")
        #expect(file.values(of: "wait-for", for: "send")?.texts == ["4"] && file.values(of: "max-unicast-children", for: "repair")?.texts == ["1"])
    }

    @Test("An error far down a long file is found in no time")
    func longFiles() throws {
        let text = String(repeating: "# levle is no option, levle, levle\n", count: 300) + "levle = 3\n"
        let error = #expect(throws: HostError.self) { try ConfigurationFile(path: "rmcp.toml", text: text) }
        #expect(error?.description.hasPrefix("rmcp.toml:301: ") == true)
    }

    @Test func nearestNames() {
        #expect(NearestName.distance("wait_for", "wait-for") == 0)
        #expect(NearestName.distance("level", "levle") == 1)
        #expect(NearestName.distance("kitten", "sitting") == 3)
        #expect(NearestName.distance("", "abc") == 3)
        #expect(NearestName.of("ttx", in: ["ttl", "key"]) == "ttl")
        #expect(NearestName.of("abc", in: ["ttl", "key"]) == nil)
        #expect(NearestName.of("", in: ["ttl"]) == nil)
    }
}
