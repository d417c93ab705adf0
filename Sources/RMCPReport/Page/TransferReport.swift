internal import FoundationEssentials
import RMCPProtocol

/// All that is known of one send when it is over: filled from the lines that `--json` writes, whether they were written to a file or
/// come from the send itself, so that a page says the same in both cases.
public struct TransferReport: Sendable {
    /// State of a send at one time.
    struct Sample: Sendable, Equatable {
        /// Names of the counters in lines, in the order of `counters`.
        static let counterNames = [
            "bytes_sent_once", "encoded_bytes", "wire_bytes", "first_bytes", "relayed_bytes", "repair_bytes", "catch_up_bytes", "naks",
        ]
        enum Counter: Int, CaseIterable {
            case content
            case encoded
            case wire
            case first
            case relayed
            case repair
            case catchUp
            case naks
        }

        /// Seconds since the session was made, and since its start; nil before.
        var seconds: Double
        var streaming: Double?
        var phase: String
        var counters = Array(repeating: UInt64(0), count: counterNames.count)
        /// Bits per second.
        var rate = 0.0
        /// Median, 90th percentile and largest (0...1).
        var loss = [0.0, 0.0, 0.0]
        /// Receivers by their state's raw value.
        var states = Array(repeating: UInt64(0), count: StatusHistogram.stateCount)
        /// Receivers by tenths, and all of it.
        var progress = Array(repeating: UInt64(0), count: StatusHistogram.progressCount)
        /// Receivers that refused, by their reason's raw value.
        var refused = Array(repeating: UInt64(0), count: RefusalReason.allCases.count)
        var repairNodes: UInt64 = 0
        var completeRepairNodes: UInt64 = 0
        var level: Int?
        /// Seconds under each limit, by its name.
        var limits: [String: Double] = [:]

        init(seconds: Double, phase: String) {
            self.seconds = seconds
            self.phase = phase
        }

        subscript(counter: Counter) -> UInt64 { counters[counter.rawValue] }
        func count(_ state: ReceiverState) -> UInt64 { states[Int(state.rawValue)] }
        var population: UInt64 { states.reduce(0, &+) }
        var failed: UInt64 { ReceiverState.allCases.filter(\.isFailure).reduce(0) { $0 &+ count($1) } }
    }

    /// Files of a tree; their bytes are nil in records of senders that did not say so.
    struct Files: Sendable, Equatable {
        var count: UInt64
        var bytes: UInt64?
    }

    /// A repair node right below the sender.
    struct Node: Sendable, Decodable {
        var address: String
        var receivers: UInt64
        var complete: UInt64
        var failed: UInt64
        var repairNodes: UInt64
        var completeRepairNodes: UInt64
        var loss: Double
        var isLost: Bool
        var repairedBytes: UInt64?
        var chunksHeld: UInt64?

        enum CodingKeys: String, CodingKey {
            case address
            case receivers
            case complete
            case failed
            case repairNodes = "repair_nodes"
            case completeRepairNodes = "complete_repair_nodes"
            case loss = "loss_p90"
            case isLost = "lost"
            case repairedBytes = "repaired_bytes"
            case chunksHeld = "chunks_held"
        }
    }

    /// Something that happened at one time.
    struct Mark: Sendable, Equatable {
        enum Kind: Sendable {
            case phase
            case receivers
            case level
            case warning
        }
        /// Seconds since the session was made.
        var seconds: Double
        var kind: Kind
        var text: String
        /// Receivers that joined, where it is about such: marks that stand together are added up.
        var joined: Joined?
    }

    /// Receivers or repair nodes that joined after the start.
    struct Joined: Sendable, Equatable {
        var noun: String
        var count: UInt64
        var text: String { "\(Units.count(count, noun)) joined" }
    }

    var name = ""
    var session = ""
    var group = ""
    var interface = ""
    /// Public line of the key; empty where the session is not signed, nil where nobody says.
    var key: String?
    var version: String?
    /// Options that somebody set, in order of their names.
    var options: [(name: String, value: String)] = []
    /// Nil for a stream.
    var contentLength: UInt64?
    /// Nil for what is no tree.
    var files: Files?
    /// Time when it began, as the lines say it.
    var began: String?
    var wanted: UInt64?
    var required: UInt64?
    var outcome: String?
    var exitCode: Int?
    var unaccounted: UInt64 = 0
    /// State, and labels of receivers that failed in it.
    var labels: [String: [String]] = [:]
    var nodes: [Node] = []
    /// Error that ended it, if that was an error.
    var error: String?
    var samples = SampleSeries()
    private(set) var marks: [Mark] = []
    /// Receivers that were there at the start, as it was said.
    private var startedWith: UInt64 = 0
    private var mostReceivers: UInt64 = 0
    private var markCounts: [Mark.Kind: Int] = [:]
    /// Marks of one kind, at most.
    private static let markLimit = 40
    /// Lines that were left out by who wrote them, or are no lines of this.
    public private(set) var skippedLines = 0

    public init() {}

    /// Session whose lines these are; empty while nobody has said.
    public var sessionID: String { session }

    // MARK: What comes

    /// Takes in a line. What it cannot read, and events of nobody here, it counts.
    public mutating func note(line: some StringProtocol) {
        guard let event = try? JSONDecoder().decode(SendEvent.self, from: Data(line.utf8)) else {
            noteSkipped()
            return
        }
        note(event)
    }

    /// Lines that have been read and are none of this session, or that were never written.
    mutating func noteSkipped(_ lines: Int = 1) {
        let (sum, overflows) = skippedLines.addingReportingOverflow(lines)
        skippedLines = overflows ? .max : sum
    }

    /// Cause that ended the session, if that was no end like others: those are told by their outcome.
    public mutating func note(error text: String, hint: String) {
        guard outcome == nil || outcome == "failed" else { return }
        error = hint.isEmpty ? text : "\(text); \(hint)"
    }

    mutating func note(_ event: SendEvent) {
        if let wanted = event.wanted { self.wanted = wanted }
        if let required = event.required { self.required = required }
        switch event.event {
        case "ready": begin(event)
        case "warning": mark(.warning, event.message ?? "", at: samples.last?.seconds ?? 0)
        case "started":
            startedWith = event.number ?? 0
            mark(.phase, "started with \(Units.count(startedWith, "receiver"))", at: samples.last?.seconds ?? 0)
        case "progress": if let sample = event.sample { take(sample) }
        case "dropped": noteSkipped(Int(clamping: event.number ?? 0))
        case "sent_once":
            guard let sample = event.sample else { return }
            take(sample, isMilestone: true)
            mark(.phase, "everything was sent once", at: sample.seconds)
            if let nodes = event.nodes { self.nodes = nodes }
        case "finished":
            if let sample = event.sample {
                take(sample, isMilestone: true)
                mark(.phase, "finished", at: sample.seconds)
            }
            outcome = event.outcome
            exitCode = event.exitCode
            unaccounted = event.unaccounted ?? 0
            if let nodes = event.nodes { self.nodes = nodes }
            labels = Dictionary(grouping: event.failedLabels ?? [:]) { SendEvent.snake($0.value) }.mapValues { $0.map(\.key).sorted() }
        case "error":
            note(error: event.message ?? "", hint: event.hint ?? "")
            exitCode = event.exitCode ?? exitCode
        case "file_failed": mark(.warning, [event.path, event.message].compactMap { $0 }.joined(separator: ": "), at: samples.last?.seconds ?? 0)
        // Others are not of the transfer, or of a later version.
        default: if event.command == nil { noteSkipped() }
        }
    }

    private mutating func begin(_ event: SendEvent) {
        name = event.name ?? ""
        session = event.session ?? ""
        group = event.group ?? ""
        interface = event.interface ?? ""
        key = event.key
        version = event.version
        began = event.time
        files = event.files
        contentLength = event.bytes.flatMap { $0 >= 0 && $0 < 1e18 ? UInt64($0) : nil }
        options = (event.options ?? [:]).map { (name: $0.key, value: $0.value) }.sorted { $0.name < $1.name }
    }

    private mutating func take(_ sample: Sample, isMilestone: Bool = false) {
        guard sample.seconds.isFinite, sample.seconds >= samples.last?.seconds ?? 0 else { return }
        if let streaming = sample.streaming, samples.last?.streaming == nil { begin(at: sample.seconds - streaming, phase: sample.phase) }
        if let last = samples.last {
            if last.streaming != nil, sample.population > mostReceivers {
                markJoined("receiver", sample.population - mostReceivers, at: sample.seconds)
            }
            if sample.repairNodes > last.repairNodes {
                markJoined("repair node", sample.repairNodes - last.repairNodes, at: sample.seconds)
            }
            if let level = sample.level, let before = last.level, level != before, sample.phase == "streaming", last.phase == "streaming" {
                mark(.level, "zstd level \(before) → \(level)", at: sample.seconds)
            }
        }
        // A receiver that changes parents is in no sum for a moment, and joins no second time.
        mostReceivers = max(mostReceivers, sample.population)
        samples.append(sample, isMilestone: isMilestone)
    }

    /// Lines do not say when it started; the first sample after it does. Nothing had been sent by then.
    private mutating func begin(at seconds: Double, phase: String) {
        guard seconds >= samples.last?.seconds ?? 0 else { return }
        var sample = samples.last ?? Sample(seconds: seconds, phase: phase)
        sample.seconds = seconds
        sample.streaming = 0
        sample.phase = phase
        // Newer than the last sample before it.
        let missing = startedWith > sample.population ? startedWith - sample.population : 0
        sample.states[Int(ReceiverState.joined.rawValue)] &+= missing
        sample.progress[0] &+= missing
        mostReceivers = max(mostReceivers, sample.population)
        samples.append(sample, isMilestone: true)
        if let index = marks.lastIndex(where: { $0.kind == .phase && $0.text.hasPrefix("started") }) { marks[index].seconds = seconds }
    }

    private mutating func mark(_ kind: Mark.Kind, _ text: String, at seconds: Double) {
        markCounts[kind, default: 0] += 1
        guard markCounts[kind, default: 0] <= Self.markLimit else { return }
        marks.append(Mark(seconds: seconds, kind: kind, text: text))
    }

    /// None of them is left out: beyond the limit the last mark stands for the rest.
    private mutating func markJoined(_ noun: String, _ count: UInt64, at seconds: Double) {
        let last = marks.lastIndex { $0.joined?.noun == noun }
        if let last, markCounts[.receivers, default: 0] >= Self.markLimit || seconds - marks[last].seconds < Self.together {
            marks[last].joined?.count &+= count
            marks[last].text = marks[last].joined?.text ?? ""
            return
        }
        let joined = Joined(noun: noun, count: count)
        mark(.receivers, joined.text, at: seconds)
        if let last = marks.indices.last, marks[last].text == joined.text { marks[last].joined = joined }
    }

    /// Seconds in which those who join, join together.
    private static let together = 2.0

    /// Marks that there was no room for.
    var omittedMarks: Int { markCounts.values.reduce(0) { $0 + max(0, $1 - Self.markLimit) } }

    // MARK: What follows from it

    var end: Sample? { samples.last }
    /// Seconds from the session's making to its start; nil if it never started.
    var start: Double? { samples.all.first { $0.streaming != nil }.map { $0.seconds - ($0.streaming ?? 0) } }
    /// Receivers that came, those that are in no repair node's sum among them.
    var came: UInt64 { (end?.population ?? 0) &+ unaccounted }
    var complete: UInt64 { end?.count(.complete) ?? 0 }

    /// Seconds since the start after which `share` (0...1) of all who came were complete; nil if that never was.
    func completion(of share: Double) -> Double? {
        guard let start, came > 0 else { return nil }
        let needed = UInt64((share * Double(came)).rounded(.up))
        return samples.all.first { $0.count(.complete) >= max(1, needed) }.map { max(0, $0.seconds - start) }
    }
}
