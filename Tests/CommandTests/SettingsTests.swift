import RMCPHost
import RMCPProtocol
import Testing

@testable import rmcp

/// The option beats the environment, which beats the file.
@Suite struct SettingsTests {
    private func settings(_ file: String?, _ environment: [String: String] = [:], command: String = "send") throws -> Settings {
        try Settings(command: command, file: file.map { try ConfigurationFile(path: "rmcp.toml", text: $0) }, environment: { environment[$0] })
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
