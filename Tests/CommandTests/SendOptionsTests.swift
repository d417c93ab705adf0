import RMCPHost
import RMCPProtocol
import Testing

@testable import rmcp

/// Options of a send: what each of them makes of the engine's configuration.
@Suite struct SendOptionsTests {
    private func applied(_ arguments: [String], file: String? = nil) throws -> (configuration: Configuration, lines: [String]) {
        let command = try #require(try RMCP.parseAsRoot(["send", "f"] + arguments) as? SendCommand)
        let files = try [file].compactMap { $0 }.map { try ConfigurationFile(path: "rmcp.toml", text: $0) }
        let settings = Settings(command: "send", files: files, environment: { _ in nil })
        var configuration = Configuration()
        try command.options.apply(settings, to: &configuration)
        let lines = SettingsReport.lines(settings.record.values, command: "send").map { $0.split(separator: " ").joined(separator: " ") }
        return (configuration, lines)
    }

    @Test("A default gives way to the bound that was given, and what is in force is told")
    func defaultsGiveWay() throws {
        let late = try applied(["--min-wait", "60s"])
        #expect(late.configuration.joining.minimumWait == .seconds(60) && late.configuration.joining.maximumWait == .seconds(60))
        #expect(late.lines.contains("min-wait = \"60s\" # command line") && late.lines.contains("max-wait = \"60s\" # --min-wait"), "\(late.lines)")
        let soon = try applied([], file: "max-wait = \"1s\"")
        #expect(soon.configuration.joining.minimumWait == .seconds(1) && soon.configuration.joining.maximumWait == .seconds(1))
        #expect(soon.lines.contains("min-wait = \"1s\" # --max-wait"))
        let slow = try applied(["--max-rate", "800k"]).configuration.rate
        #expect(slow.minimumRate == 800_000 && slow.maximumRate == 800_000)
        let fast = try applied(["--min-rate", "200G"]).configuration.rate
        #expect(fast.minimumRate == 200_000_000_000 && fast.maximumRate == 200_000_000_000)
    }

    @Test("Bounds that leave room for the other's default change nothing of it")
    func defaultsStay() throws {
        let ordinary = try applied(["--min-wait", "10s", "--max-rate", "50M"])
        #expect(ordinary.configuration.joining.maximumWait == .seconds(30) && ordinary.configuration.rate.minimumRate == 1_000_000)
        #expect(ordinary.lines.contains("#max-wait = \"30s\" # default") && ordinary.lines.contains("#min-rate = \"1M\" # default"))
        let none = try applied([]).configuration.joining
        #expect(none.minimumWait == .seconds(2) && none.maximumWait == .seconds(30))
    }

    @Test("Bounds that somebody gave and that cross are an error, whoever gave them")
    func crossing() throws {
        #expect(throws: HostError.self) { try applied(["--min-wait", "6s"], file: "max-wait = \"3s\"") }
        #expect(throws: HostError.self) { try applied(["--min-rate", "2M", "--max-rate", "1M"]) }
    }
}
