internal import FoundationEssentials
import RMCPProtocol

/// A line of `rmcp send --json`, as far as a report needs it. Fields that are not there, or are not what they should be, are nil:
/// other versions have more and fewer.
struct SendEvent: Decodable {
    let event: String
    /// Command that says it.
    let command: String?
    let name: String?
    let session: String?
    let group: String?
    let interface: String?
    let key: String?
    let version: String?
    let options: [String: String]?
    let bytes: Double?
    let files: TransferReport.Files?
    let time: String?
    let message: String?
    let path: String?
    /// Advice: what helps.
    let hint: String?
    let exitCode: Int?
    let outcome: String?
    let unaccounted: UInt64?
    let wanted: UInt64?
    let required: UInt64?
    /// Number that the line is about: receivers that it starts with, or lines that nobody read in time.
    let number: UInt64?
    let failedLabels: [String: String]?
    let nodes: [TransferReport.Node]?
    let sample: TransferReport.Sample?

    /// Whether nobody but a send says this.
    var isOfSend: Bool { ["ready", "started"].contains(event) || sample != nil }

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
        init(_ name: String) { stringValue = name }
    }

    /// A number that no sender writes, and that nothing can be reckoned with: the line is not one of a sender.
    private struct ImpossibleNumber: Error {}

    /// Seconds of thirty years.
    private static let longestTime = 1e9
    /// Receivers, nodes, datagrams or lines.
    private static let highestCount: UInt64 = 1 << 48
    private static let mostBytes: UInt64 = 1 << 60

    /// Fields of a line.
    private struct Fields {
        let container: KeyedDecodingContainer<Key>

        func value<Value: Decodable>(_ name: String, _ type: Value.Type = Value.self) -> Value? {
            try? container.decodeIfPresent(type, forKey: Key(name))
        }

        func count(_ name: String, upTo limit: UInt64 = highestCount) throws -> UInt64? { try Self.bounded(value(name), limit) }

        /// Receivers by a state or a reason.
        func counts(_ name: String) throws -> [String: UInt64] {
            let counts: [String: UInt64] = value(name) ?? [:]
            for count in counts.values { _ = try Self.bounded(count, highestCount) }
            return Dictionary(counts.map { (snake($0.key), $0.value) }) { $1 }
        }

        func time(_ name: String) throws -> Double? {
            let seconds: Double? = value(name)
            if let seconds, !(0...longestTime).contains(seconds) { throw ImpossibleNumber() }
            return seconds
        }

        private static func bounded(_ count: UInt64?, _ limit: UInt64) throws -> UInt64? {
            if let count, count > limit { throw ImpossibleNumber() }
            return count
        }

        func nodes() throws -> [TransferReport.Node]? {
            let nodes: [TransferReport.Node]? = value("nodes")
            for node in nodes ?? [] {
                for count in [node.receivers, node.complete, node.failed, node.repairNodes, node.completeRepairNodes, node.chunksHeld ?? 0] {
                    _ = try Self.bounded(count, highestCount)
                }
                _ = try Self.bounded(node.repairedBytes, mostBytes)
            }
            return nodes
        }

        /// - Returns: nil for a line that is about no time.
        func sample() throws -> TransferReport.Sample? {
            guard let seconds = try time("seconds"), let phase = value("phase", String.self) else { return nil }
            var sample = TransferReport.Sample(seconds: seconds, phase: phase)
            sample.streaming = try time("streaming_seconds")
            for (index, name) in TransferReport.Sample.counterNames.enumerated() { sample.counters[index] = try count(name, upTo: mostBytes) ?? 0 }
            sample.rate = value("rate") ?? 0
            sample.loss = [value("median_loss") ?? 0, value("loss_p90") ?? 0, value("loss_max") ?? 0]
            let states = try counts("receivers")
            sample.states = ReceiverState.allCases.map { states[$0.identifier] ?? 0 }
            if let progress: [UInt64] = value("by_progress"), progress.count == StatusHistogram.progressCount {
                sample.progress = try progress.compactMap { try Self.bounded($0, highestCount) }
            }
            let refused = try counts("refused")
            sample.refused = RefusalReason.allCases.map { refused[$0.identifier] ?? 0 }
            sample.repairNodes = try count("repair_nodes") ?? 0
            sample.completeRepairNodes = try count("complete_repair_nodes") ?? 0
            sample.level = value("level")
            sample.limits = value("limited_by") ?? [:]
            return sample
        }
    }

    /// - Throws: for a line that is none of a sender.
    init(from decoder: any Decoder) throws {
        let fields = Fields(container: try decoder.container(keyedBy: Key.self))
        event = Self.snake(try fields.container.decode(String.self, forKey: Key("event")))
        command = fields.value("command")
        name = fields.value("name")
        session = fields.value("session")
        group = fields.value("group")
        interface = fields.value("interface")
        key = fields.value("key")
        version = fields.value("version")
        options = fields.value("options")
        bytes = fields.value("bytes")
        let fileBytes = try fields.count("file_bytes", upTo: Self.mostBytes)
        files = try fields.count("files").map { TransferReport.Files(count: $0, bytes: fileBytes) }
        time = fields.value("time")
        message = fields.value("message")
        path = fields.value("path")
        hint = fields.value("hint")
        exitCode = fields.value("exit_code") ?? fields.value("code")
        outcome = fields.value("outcome").map(Self.snake)
        unaccounted = try fields.count("unaccounted")
        wanted = try fields.count("wanted")
        required = try fields.count("required")
        number = try fields.count("receivers") ?? fields.count("lines")
        failedLabels = fields.value("failed_labels")
        nodes = try fields.nodes()
        sample = try fields.sample()
    }

    /// `failed_disk_full` of `failedDiskFull`, `sent_once` of `sent-once`.
    static func snake(_ text: String) -> String {
        var result = ""
        for character in text {
            if character == "-" {
                result += "_"
            } else if character.isASCII, character.isUppercase {
                result += "_" + character.lowercased()
            } else {
                result.append(character)
            }
        }
        return result
    }
}
