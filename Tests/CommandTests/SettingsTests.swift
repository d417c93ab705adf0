import Foundation
import RMCPHost
import Testing

@testable import rmcp

/// The option beats the environment, which beats the file.
@Suite struct SettingsTests {
    private func settings(_ file: String?, _ environment: [String: String] = [:]) throws -> Settings {
        guard let file else { return try Settings(command: "send", configurationPath: nil, environment: { environment[$0] }) }
        let path = NSTemporaryDirectory() + "rmcp-settings-\(UUID().uuidString).toml"
        try file.write(toFile: path, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try Settings(command: "send", configurationPath: path, environment: { environment[$0] })
    }

    @Test func precedence() throws {
        let all = try settings("rate = \"1M\"", ["RMCP_RATE": "2M"])
        #expect(all.string("rate", "3M") == "3M")
        #expect(all.string("rate", nil) == "2M")
        #expect(try settings("rate = \"1M\"").string("rate", nil) == "1M")
        #expect(try settings(nil).string("rate", nil) == nil)
    }

    @Test func whatAHookIsToldIsNoOption() throws {
        let told = ["RMCP_NAME": "image", "RMCP_KEY": "", "RMCP_RATE": "2M", "RMCP_HOOK": "RMCP_NAME RMCP_PATH RMCP_KEY"]
        let all = try settings(nil, told)
        #expect(all.string("name", nil) == nil && all.string("key", nil) == nil)
        #expect(all.string("name", "given") == "given")
        #expect(all.string("rate", nil) == "2M")
    }

    @Test func theCommandsOwnSectionBeatsTheTop() throws {
        let file = "wait-for = 1\n[send]\nwait-for = 7\n[recv]\nwait-for = 9\n"
        #expect(try settings(file).string("wait-for", nil) == "7")
    }

    @Test func numbersAndFlags() throws {
        let file = "level = 9\nunsigned = true\n"
        #expect(try settings(file).string("level", nil) == "9")
        #expect(try settings(file).flag("unsigned", false))
        #expect(try !settings(file, ["RMCP_UNSIGNED": "no"]).flag("unsigned", false))
        #expect(throws: HostError.self) { try settings(nil, ["RMCP_UNSIGNED": "perhaps"]).flag("unsigned", false) }
    }

    @Test func lists() throws {
        let file = "trust = [\"a\", \"b\"]"
        #expect(try settings(file).list("trust", []) == ["a", "b"])
        #expect(try settings(file).list("trust", ["c"]) == ["c"])
        #expect(try settings(file, ["RMCP_TRUST": "d"]).list("trust", []) == ["d"])
    }

    @Test func aMisspeltNameIsAnError() {
        #expect(throws: HostError.self) { try settings("wiat-for = 4") }
        #expect(throws: HostError.self) { try settings("this is not TOML") }
    }
}
