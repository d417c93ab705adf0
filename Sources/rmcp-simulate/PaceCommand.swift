import ArgumentParser
import Glibc
import RMCPProtocol
import RMCPSimulator

/// Measures how a rate is found and kept.
struct PaceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pace", abstract: "Measure how the rate is found and kept, case by case; draw rate, arrival, queue and loss over time.")

    @Argument(help: "Cases (see --list); all of them without a name.") var names: [String] = []
    @Flag(help: "Name every case.") var list = false
    @Option(help: "Seeds for each.") var seeds: UInt64 = 3
    @Option(help: "The first seed.") var from: UInt64 = 1
    @Option(help: "A fixed rate in bits per second, in place of one that is found.") var rate: UInt64?
    @Option(help: "Fixed rates in bits per second, separated by commas: a row for each.") var rates: String?
    @Option(help: "Draw the first seed of each case into this directory, as NAME.svg.") var plot: String?
    @Option(help: "Milliseconds from one point of a plot to the next.") var step: Int64 = 10

    @Flag(help: "Print what happens in the first seed of each case, as it happens.") var trace = false

    func run() throws {
        if list {
            for pace in PaceCase.all { print("\(pace.name): \(pace.summary)") }
            return
        }
        print(PaceTable.head)
        for pace in try Self.cases(names) {
            let fixed: [UInt64?] = rates.map { $0.split(separator: ",").map { UInt64($0) } } ?? [rate]
            for rate in fixed {
                var pace = pace
                pace.fixedRate = rate
                try measure(pace)
            }
        }
    }

    private func measure(_ pace: PaceCase) throws {
        var results: [PaceResult] = []
        for seed in from..<from + max(1, seeds) {
            let isDrawn = plot != nil && seed == from
            let result = pace.run(seed: seed, samplingEvery: isDrawn ? .milliseconds(step) : nil, trace: trace && seed == from ? { print($0) } : nil)
            if isDrawn, let plot { try PacePlot(pace, result.samples).write(to: "\(plot)/\(pace.name).svg") }
            results.append(result)
        }
        print(PaceTable.row(pace, results))
    }

    static func cases(_ names: [String]) throws -> [PaceCase] {
        guard !names.isEmpty else { return PaceCase.all }
        return try names.map { name in
            guard let pace = PaceCase.named(name) else { throw ValidationError("no case is called \(name); 'rmcp-simulate pace --list' names them") }
            return pace
        }
    }
}

/// Results of some seeds in a row of a table in Markdown.
enum PaceTable {
    static let head = """
        | case | rate | seconds: median (range) | slowest / fastest | of the ideal | of its fair share | the other | copies |
        |---|---|---|---:|---:|---:|---:|---:|
        """

    static func row(_ pace: PaceCase, _ results: [PaceResult]) -> String {
        let seconds = results.compactMap(\.seconds)
        let missing = pace.rival == nil ? results.count - seconds.count : 0
        let time = seconds.isEmpty ? "-" : "\(text(median(seconds))) (\(text(seconds.min() ?? 0))-\(text(seconds.max() ?? 0)))"
        let spread = seconds.count > 1 ? text((seconds.max() ?? 0) / (seconds.min() ?? 1)) : "-"
        let columns = [
            pace.name, pace.fixedRate.map { "\($0 / 1_000_000) Mb/s" } ?? "auto", missing > 0 ? "\(time), \(missing) never" : time, spread,
            middle(results.compactMap(\.efficiency)), middle(results.compactMap(\.share)), middle(results.compactMap(\.rivalShare)),
            middle(results.map(\.copies)),
        ]
        return "| " + columns.joined(separator: " | ") + " |"
    }

    private static func middle(_ values: [Double]) -> String {
        guard let least = values.min(), let most = values.max() else { return "-" }
        return most - least < 0.005 ? text(median(values)) : "\(text(median(values))) (\(text(least))-\(text(most)))"
    }

    static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        guard !sorted.isEmpty else { return 0 }
        return (sorted[sorted.count / 2] + sorted[(sorted.count - 1) / 2]) / 2
    }

    /// Three decimals below 10, and less above.
    static func text(_ value: Double) -> String {
        let scale = value < 10 ? 1_000.0 : 10
        return "\((value * scale).rounded() / scale)"
    }
}
