import ArgumentParser
import RMCPProtocol
import RMCPSimulator

/// Leaves out each rule of the search for a rate in turn, and tells what gets worse.
struct AblationCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ablation", abstract: "Leave out each rule of the search for a rate in turn; print a table of what gets worse, by how much.")

    @Argument(help: "Rules; each of them without a name.") var names: [String] = []
    @Option(help: "Seeds for each case.") var seeds: UInt64 = 4

    func run() throws {
        let rules =
            try names.isEmpty
            ? RateRules.named
            : names.map { name in
                guard let known = RateRules.named.first(where: { $0.name == name }) else {
                    throw ValidationError("no rule is called \(name); there are \(RateRules.named.map(\.name).joined(separator: ", "))")
                }
                return known
            }
        print("| without | " + Group.all.map(\.title).joined(separator: " | ") + " |")
        print("|---" + String(repeating: "|---:", count: Group.all.count) + "|")
        let all = Group.all.map { figures(of: $0, rules: .all) }
        print("| nothing | " + zip(Group.all, all).map { $0.text($1) }.joined(separator: " | ") + " |")
        for rule in rules {
            let columns = zip(Group.all, all).map { group, before in
                group.change(from: before, to: figures(of: group, rules: RateRules.all.subtracting(rule.rule)))
            }
            print("| \(rule.name) | " + columns.joined(separator: " | ") + " |")
        }
    }

    /// A figure of each case: the mean of its seconds over the ideal's or over nothing, or the smaller of the two shares, at the median; and
    /// how far the slowest is from the fastest.
    private func figures(of group: Group, rules: RateRules) -> [Double] {
        group.cases.map { name in
            guard var pace = PaceCase.named(name) else { return 0 }
            pace.rules = rules
            let results = (1...max(1, seeds)).map { pace.run(seed: $0) }
            if pace.rival != nil { return results.map { min($0.share ?? 0, $0.rivalShare ?? 0) }.reduce(0, +) / Double(results.count) }
            let seconds = results.map { $0.seconds ?? Self.never }
            return group.isSpread
                ? (seconds.max() ?? 1) / (seconds.min() ?? 1) : seconds.reduce(0, +) / Double(seconds.count) * (pace.ideal.map { 1 / $0 } ?? 1)
        }
    }

    /// Seconds that a run counts as that did not end.
    private static let never = 120.0

    /// Cases with one column.
    private struct Group {
        var title: String
        var cases: [String]
        var isSpread = false
        /// Shares: more is better.
        var isShare = false

        static let all = [
            Group(title: "links, time", cases: ["link-50", "link-100", "link-1000"]),
            Group(title: "with 1 % loss", cases: ["link-50-loss", "link-100-loss", "link-1000-loss"]),
            Group(title: "2, 10 and 20 Mb/s", cases: ["slow-2", "slow-10", "slow-20"]),
            Group(title: "queues of 5 and 200 ms, switches", cases: ["queue-5", "queue-200", "shallow", "switch"]),
            Group(title: "links that change, time", cases: ["wider", "narrower"]),
            Group(title: "shared processors, time", cases: ["hosts-1", "hosts-4", "hosts-16"]),
            Group(title: "64 receivers there, time", cases: ["hosts-64"]),
            Group(title: "small sockets there, time", cases: ["sockets"]),
            Group(title: "slowest / fastest there", cases: ["hosts-1", "hosts-4", "hosts-16"], isSpread: true),
            Group(title: "disks, time", cases: ["disk", "disk-stalls"]),
            Group(title: "beside CUBIC, smaller share", cases: ["cubic-50", "cubic-100", "cubic-1000"], isShare: true),
            Group(title: "after CUBIC, smaller share", cases: ["after-cubic-50", "after-cubic-100", "after-cubic-1000"], isShare: true),
            Group(title: "beside another, smaller share", cases: ["two-50", "two-100", "two-1000"], isShare: true),
        ]

        private func mean(_ figures: [Double]) -> Double { figures.reduce(0, +) / Double(max(1, figures.count)) }

        func text(_ figures: [Double]) -> String { PaceTable.text(mean(figures)) }

        /// Figure in per cent, and worse is more; nothing where it is within half a per cent.
        func change(from before: [Double], to after: [Double]) -> String {
            let ratio = zip(before, after).map { isShare ? $0 / max($1, 1e-3) : $1 / max($0, 1e-3) }
            let percent = (mean(ratio) - 1) * 100
            guard abs(percent) >= 0.5 else { return "" }
            return "\(percent > 0 ? "+" : "-")\(abs((percent * 10).rounded() / 10))"
        }
    }
}
