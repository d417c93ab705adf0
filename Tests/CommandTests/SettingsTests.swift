import RMCPHost
import RMCPProtocol
import Testing

@testable import rmcp

/// The option beats the environment, which beats the file.
@Suite struct SettingsTests {
    private func settings(_ file: String?, _ environment: [String: String] = [:], command: String = "send") throws -> Settings {
        try Settings(
            command: command, files: [file].compactMap { $0 }.map { try ConfigurationFile(path: "rmcp.toml", text: $0) }, environment: { environment[$0] })
    }

    private func rate(_ settings: Settings, _ given: String? = nil) throws -> Adaptive<UInt64>? { try settings.value(SendOptions.rate, given) }

    @Test func precedence() throws {
        let all = try settings("rate = \"1M\"", ["RMCP_RATE": "2M"])
        #expect(try rate(all, "3M") == .fixed(3_000_000))
        #expect(try rate(all) == .fixed(2_000_000))
        #expect(try rate(settings("rate = \"1M\"")) == .fixed(1_000_000))
        #expect(try rate(settings(nil)) == nil)
    }

    @Test func whatAHookIsToldIsNoOption() throws {
        let told = ["RMCP_NAME": "image", "RMCP_KEY": "", "RMCP_RATE": "2M", "RMCP_HOOK": "RMCP_NAME RMCP_PATH RMCP_KEY"]
        let all = try settings(nil, told)
        #expect(try all.value(SendOptions.name, nil) == nil && all.value(SendOptions.key, nil) == nil)
        #expect(try all.value(SendOptions.name, "given") == "given")
        #expect(try rate(all) == .fixed(2_000_000))
    }

    @Test("The user's file beats the host's, whichever has a section")
    func layers() throws {
        let texts = ["level = 3\nlinger = \"1s\"", "[send]\nlevel = 9\nttl = 4"]
        let files = try texts.map { try ConfigurationFile(path: "\($0.count).toml", text: $0) }
        let settings = Settings(command: "send", files: files, environment: { _ in nil })
        #expect(try settings.value(SendOptions.level, nil) == .fixed(3) && settings.value(SendOptions.ttl, nil) == 4)
        #expect(settings.record.values["level"]?.origin.text == "\(texts[0].count).toml:1")
        #expect(settings.record.values["ttl"]?.origin.text == "\(texts[1].count).toml:3")
    }

    @Test("What is in force is told with who said so, and can be read again")
    func report() throws {
        let settings = try settings("[recv]\naccept = [\"a\\\"b\", \"c\"]\nreserve = \"1G\"", ["RMCP_ONCE": "1", "RMCP_EXEC": "x"], command: "recv")
        _ = settings.list(ReceiveOptions.accept, [])
        _ = try (settings.value(ReceiveOptions.reserve, nil), settings.flag(ReceiveOptions.once, nil), settings.value(ReceiveOptions.exec, "date \u{7}"))
        let lines = SettingsReport.lines(settings.record.values, command: "recv")
        func line(_ beginning: String) -> String { lines.first { $0.hasPrefix(beginning) }?.split(separator: " ").joined(separator: " ") ?? "none" }
        #expect(line("accept") == "accept = [\"a\\\"b\", \"c\"] # rmcp.toml:2" && line("reserve") == "reserve = \"1G\" # rmcp.toml:3")
        #expect(line("once") == "once = true # RMCP_ONCE" && line("exec =") == "exec = \"date \\u0007\" # command line")
        #expect(line("#exec-timeout") == "#exec-timeout = \"10m\" # default" && line("#again") == "#again = false # default")
        #expect(lines.count == OptionTable.commands.first { $0.name == "recv" }?.configurable.count)
        let again = try ConfigurationFile(path: "again.toml", text: "[recv]\n" + lines.joined(separator: "\n"))
        #expect(again.values(of: "accept", for: "recv")?.texts == ["a\"b", "c"] && again.values(of: "exec", for: "recv")?.texts == ["date \u{7}"])
    }

    @Test("What is read anew is told: what is in force, and what waits for a restart until it is as before")
    func changes() throws {
        func read(_ text: String) throws -> Settings {
            let settings = try settings(text, command: "recv")
            _ = try (settings.value(ReceiveOptions.directory, nil), settings.flag(ReceiveOptions.again, nil), settings.list(ReceiveOptions.accept, []))
            return settings
        }
        let first = TrustPolicy(trustedKeys: [PublicKey(Bytes32(1, 2, 3, 4))], allowsUnsigned: false)
        let second = TrustPolicy(trustedKeys: [PublicKey(Bytes32(5, 6, 7, 8)), PublicKey(Bytes32(1, 1, 1, 1))], allowsUnsigned: false)
        let inForce = SettingsInForce(try read("directory = \"a\"\naccept = \"x\""), command: "recv", live: ["accept"], trust: first)
        let waits = "directory is to be \"b\" after a restart; until then it stays \"a\""
        let changed = try read("directory = \"b\"\naccept = [\"x\", \"y\"]")
        #expect(
            inForce.update(changed, trust: second)
                == [waits, "accept is [\"x\", \"y\"] now; it was [\"x\"]", "trusted keys: 2 more, 1 fewer; 2 in all"])
        #expect(inForce.update(changed, trust: second) == [waits])
        #expect(inForce.update(try read("directory = \"a\""), trust: second) == ["accept is at its default, all now; it was [\"x\", \"y\"]"])
        #expect(inForce.update(try read("directory = \"a\""), trust: second) == ["settings were read anew; nothing is different"])
    }

    @Test func theCommandsOwnSectionBeatsTheTop() throws {
        let file = "max-unicast-children = 1\n[send]\nmax-unicast-children = 7\n[repair]\nmax-unicast-children = 9\n"
        #expect(try settings(file).value(UnicastOptions.maximumChildren, nil) == 7)
        #expect(try settings(file, command: "repair").value(UnicastOptions.maximumChildren, nil) == 9)
        #expect(try settings("max-unicast-children = 1\n[repair]\n").value(UnicastOptions.maximumChildren, nil) == 1)
    }

    @Test func numbersAndFlags() throws {
        let file = "level = 9\nunsigned = true\nlinger = 1.5\n"
        #expect(try settings(file).value(SendOptions.level, nil) == .fixed(9))
        #expect(try settings(file).value(SendOptions.linger, nil) == .milliseconds(1_500))
        #expect(try settings(file).flag(SendOptions.unsigned, nil))
        #expect(try !settings(file, ["RMCP_UNSIGNED": "no"]).flag(SendOptions.unsigned, nil))
        #expect(try !settings(nil).flag(SendOptions.unsigned, nil))
    }

    @Test("A flag that the environment or a file has on is off when the command line says so")
    func flagsAreSwitchedOff() throws {
        for entry in OptionTable.sections.flatMap({ $0.configurable }) where entry.form == .flag {
            let section = try #require(OptionTable.commands(with: entry.name).first)
            let given = try settings("[\(section.name)]\n\(entry.name) = true", [entry.environmentName: "1"], command: section.name)
            let setting = Setting.flag(entry.name, "")
            #expect(try given.flag(setting, nil) && !given.flag(setting, false))
        }
        let options = try SendOptions.parse(["--unsigned", "--no-unsigned"])
        #expect(options.unsigned == false)
        #expect(try OutputOptions.parse(["-q"]).quiet == true && OutputOptions.parse([]).quiet == nil)
    }

    @Test func lists() throws {
        let file = "trust = [\"a\", \"b\"]"
        #expect(try settings(file, command: "recv").list(TrustOptions.trust, []) == ["a", "b"])
        #expect(try settings("trust = \"a\"", command: "recv").list(TrustOptions.trust, []) == ["a"])
        #expect(try settings(file, command: "recv").list(TrustOptions.trust, ["c"]) == ["c"])
        #expect(try settings(file, ["RMCP_TRUST": "d"], command: "recv").list(TrustOptions.trust, []) == ["d"])
        #expect(try settings(file, ["RMCP_TRUST": "d:/e"], command: "recv").list(TrustOptions.trust, []) == ["d", "/e"])
        #expect(try settings(file, ["RMCP_TRUST": "d:x\n/e\n"], command: "recv").list(TrustOptions.trust, []) == ["d:x", "/e"])
    }

    @Test(
        "Whoever gave a wrong value is named",
        arguments: [("quick", nil, "--rate quick: "), (nil, "fast", "RMCP_RATE=fast: ")] as [(String?, String?, String)])
    func wrongValues(given: String?, variable: String?, beginning: String) throws {
        let error = #expect(throws: HostError.self) { try rate(settings(nil, variable.map { ["RMCP_RATE": $0] } ?? [:]), given) }
        #expect(error?.kind == .usage && error?.description.hasPrefix(beginning + "expected auto, or bits per second") == true)
        #expect(throws: HostError.self) { try settings(nil, ["RMCP_UNSIGNED": "perhaps"]).flag(SendOptions.unsigned, nil) }
    }
}
