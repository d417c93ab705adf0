import ArgumentParser
import Glibc
import RMCPProtocol
import RMCPSimulator

/// Runs one large tree, or several, and says what it cost and what the sender heard.
struct ScaleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scale", abstract: "Run one sender, many repair nodes and many more receivers; exit 1 if anybody is left out.")

    @Option(help: "Repair nodes that receivers are below, each in a subnet of its own; 0 for none.") var nodes = 1_000
    @Option(help: "Repair nodes above those, right below the sender; 0 for one level.") var top = 0
    @Option(help: "Repair nodes below another one; more make one more level, where there is a top.") var fanOut = 100
    @Option(help: "Receivers below a repair node in a sweep.") var leaves = 100
    @Option(help: "Receivers, spread evenly over the subnets.") var receivers = 100_000
    @Option(help: "Chunks of the bundle.") var chunks = 64
    @Option(help: "Bytes of a chunk.") var chunkLength: UInt32 = 8 << 10
    @Option(help: "Chance of loss on each link (0 to 1).") var loss = 0.01
    @Option(help: "Bits per second.") var rate: UInt64 = 2_000_000
    @Option(help: "What decides everything else.") var seed: UInt64 = 1
    @Option(help: "Numbers of receivers, separated by commas: a run of each, with 100 to a repair node, and a table of them.")
    var sweep: String?
    @Flag(help: "In a sweep, keep the number of repair nodes and not of receivers below each.") var nodesFixed = false
    @Flag(help: "Print JSON, a line for each run.") var json = false

    func run() throws {
        let counts = try sweep.map { try Self.numbers($0) } ?? [receivers]
        var failed = false
        if sweep != nil, !json { print(ScaleReport.tableHead) }
        for count in counts {
            let nodes = sweep == nil || nodesFixed ? nodes : max(1, count / leaves)
            let settings = Scale(
                repairNodes: nodes, topNodes: top, fanOut: fanOut, receivers: count, chunks: chunks, chunkLength: chunkLength, loss: loss, rate: rate,
                seed: seed)
            let clock = ContinuousClock()
            let begun = clock.now
            let result = settings.run()
            let report = ScaleReport(result: result, wall: (clock.now - begun) / .seconds(1), peakMemory: Self.peakMemory)
            print(json ? report.json : sweep == nil ? report.text : report.tableRow)
            for failure in result.failures.prefix(10) { print("  \(failure)") }
            failed = failed || !result.failures.isEmpty
        }
        if failed { throw ExitCode.failure }
    }

    /// Ascending: the peak of memory is the process's, and no later run's may be hidden by an earlier one's.
    private static func numbers(_ list: String) throws -> [Int] {
        try list.split(separator: ",").map {
            guard let number = Int($0), number > 0 else { throw ValidationError("'\($0)' is no number of receivers") }
            return number
        }.sorted()
    }

    /// Bytes that were resident at most, so far.
    private static var peakMemory: Int {
        var usage = rusage()
        _ = unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss << 10
    }
}

/// A run's result in words, as a row of a table, or for a program.
struct ScaleReport {
    let result: ScaleResult
    /// Seconds.
    let wall: Double
    /// Bytes.
    let peakMemory: Int

    private var eventsPerSecond: Int { Int(Double(result.events) / max(wall, 1e-9)) }
    private var bytesPerReceiver: Int { peakMemory / max(1, result.settings.receivers) }

    private static func decimals(_ value: Double, _ places: Int = 1) -> String {
        let scale = places == 1 ? 10.0 : places == 2 ? 100 : 1_000
        return "\((value * scale).rounded() / scale)"
    }

    var text: String {
        let seconds = { (value: Double) in Self.decimals(value, 3) + " s" }
        return """
            \(result.settings.levels.map { "\($0)" }.joined(separator: " over ")) repair nodes, \(result.settings.receivers) receivers, seed \(result.settings.seed), \
            trace \(String(result.traceHash, radix: 16))
            wall time             \(Self.decimals(wall)) s
            simulated time        \(seconds(result.simulated.inSeconds))
            events                \(result.events), \(eventsPerSecond) a second
            peak memory           \(peakMemory >> 20) MiB, \(bytesPerReceiver) bytes a receiver
            copies sent           \(Self.decimals(result.copies, 3))
            receivers done        p50 \(seconds(result.median.inSeconds)), p99 \(seconds(result.percentile99.inSeconds)), \
            last \(seconds(result.transfer.inSeconds)) after the start
            at the sender         \(Self.decimals(result.naksPerSecond)) NAKs a second, \
            \(Self.decimals(result.statusesPerSecond)) statuses a second, at most \(result.busiestSecond) of both in a second
            while joining         \(result.joinStatuses) statuses
            NAKs sent             \(result.naksOfReceivers) by receivers, \(result.naksOfRepairNodes) by repair nodes
            """
    }

    static let tableHead = """
        | receivers | repair nodes | wall s | simulated s | events | events/s | peak MiB | KiB/receiver | NAK/s at sender | STATUS/s at sender | both, busiest s | statuses while joining | copies | p50 s | p99 s | last s |
        |---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
        """

    var tableRow: String {
        let cells: [String] = [
            "\(result.settings.receivers)", result.settings.levels.map { "\($0)" }.joined(separator: " / "), Self.decimals(wall),
            Self.decimals(result.simulated.inSeconds), "\(result.events)", "\(eventsPerSecond)", "\(peakMemory >> 20)",
            Self.decimals(Double(bytesPerReceiver) / 1_024), Self.decimals(result.naksPerSecond),
            Self.decimals(result.statusesPerSecond), "\(result.busiestSecond)", "\(result.joinStatuses)",
            Self.decimals(result.copies, 2), Self.decimals(result.median.inSeconds, 2),
            Self.decimals(result.percentile99.inSeconds, 2), Self.decimals(result.transfer.inSeconds, 2),
        ]
        return "| " + cells.joined(separator: " | ") + " |"
    }

    var json: String {
        let fields: [(String, String)] = [
            ("receivers", "\(result.settings.receivers)"), ("repairNodes", "[\(result.settings.levels.map { "\($0)" }.joined(separator: ","))]"),
            ("seed", "\(result.settings.seed)"), ("trace", "\"\(String(result.traceHash, radix: 16))\""),
            ("ok", "\(result.failures.isEmpty)"), ("wallSeconds", "\(wall)"),
            ("simulatedSeconds", "\(result.simulated.inSeconds)"), ("events", "\(result.events)"),
            ("eventsPerSecond", "\(eventsPerSecond)"), ("peakMemoryBytes", "\(peakMemory)"),
            ("bytesPerReceiver", "\(bytesPerReceiver)"), ("naksPerSecond", "\(result.naksPerSecond)"),
            ("statusesPerSecond", "\(result.statusesPerSecond)"), ("busiestSecond", "\(result.busiestSecond)"),
            ("joinStatuses", "\(result.joinStatuses)"), ("naksOfReceivers", "\(result.naksOfReceivers)"),
            ("naksOfRepairNodes", "\(result.naksOfRepairNodes)"), ("copies", "\(result.copies)"),
            ("p50Seconds", "\(result.median.inSeconds)"), ("p99Seconds", "\(result.percentile99.inSeconds)"),
            ("lastSeconds", "\(result.transfer.inSeconds)"),
        ]
        return "{" + fields.map { "\"\($0)\":\($1)" }.joined(separator: ",") + "}"
    }
}
