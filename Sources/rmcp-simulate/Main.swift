import ArgumentParser
import RMCPProtocol
import RMCPSimulator

/// Runs scenarios of the simulator by name and seed.
@main
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rmcp-simulate", abstract: "Run the protocol engines in a simulated network.",
        subcommands: [List.self, Run.self, Sweep.self, ScaleCommand.self, PaceCommand.self, AblationCommand.self])
}

struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Name every scenario.")

    func run() {
        for scenario in Scenario.all { print("\(scenario.name): \(scenario.summary)") }
    }
}

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Run one scenario with one seed; exit 1 if it fails.")

    @Argument(help: "The scenario's name (see 'list').") var name: String
    @Option(help: "What decides everything that the scenario leaves open.") var seed: UInt64 = 1
    @Flag(help: "Print what happens, as it happens.") var trace = false

    func run() throws {
        guard let scenario = Scenario.named(name) else {
            throw ValidationError("no scenario is called \(name); 'rmcp-simulate list' names them")
        }
        let result = scenario.run(seed: seed, trace: trace ? { print($0) } : nil)
        print(Report.line(result))
        for failure in result.failures { print("  \(failure)") }
        if !result.failures.isEmpty { throw ExitCode.failure }
    }
}

struct Sweep: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Run scenarios with many seeds; exit 1 if any run fails.")

    @Argument(help: "Scenarios; all of them without a name.") var names: [String] = []
    @Option(help: "Seeds for each.") var seeds: UInt64 = 20
    @Option(help: "The first seed.") var from: UInt64 = 1

    func run() throws {
        let scenarios =
            try names.isEmpty
            ? Scenario.all
            : names.map { name in
                guard let scenario = Scenario.named(name) else { throw ValidationError("no scenario is called \(name)") }
                return scenario
            }
        var failed = 0
        for scenario in scenarios {
            var failures = 0
            for seed in from..<from + seeds {
                let result = scenario.run(seed: seed)
                guard !result.failures.isEmpty else { continue }
                failures += 1
                if failures <= 3 {
                    print(Report.line(result))
                    for failure in result.failures.prefix(3) { print("  \(failure)") }
                    print("  \(result.replayCommand)")
                }
            }
            print("\(failures == 0 ? "ok  " : "FAIL") \(scenario.name): \(seeds - UInt64(failures)) of \(seeds) seeds")
            failed += failures
        }
        if failed > 0 { throw ExitCode.failure }
    }
}

enum Report {
    static func line(_ result: ScenarioResult) -> String {
        let milliseconds = result.simulated.nanoseconds / 1_000_000
        return "\(result.failures.isEmpty ? "ok" : "FAIL") \(result.scenario) seed \(result.seed): "
            + "\(milliseconds) ms simulated, \(result.events) events, trace \(String(result.traceHash, radix: 16))"
    }
}
