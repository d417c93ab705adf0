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
    /// Number in the line that says that it starts.
    let startedWith: UInt64?
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

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        func value<Value: Decodable>(_ name: String, _ type: Value.Type = Value.self) -> Value? { try? fields.decodeIfPresent(type, forKey: Key(name)) }
        func counts(_ name: String) -> [String: UInt64] {
            Dictionary((value(name, [String: UInt64].self) ?? [:]).map { (Self.snake($0.key), $0.value) }) { $1 }
        }
        event = Self.snake(try fields.decode(String.self, forKey: Key("event")))
        command = value("command")
        name = value("name")
        session = value("session")
        group = value("group")
        interface = value("interface")
        key = value("key")
        version = value("version")
        options = value("options")
        bytes = value("bytes")
        files = value("files").map { TransferReport.Files(count: $0, bytes: value("file_bytes")) }
        time = value("time")
        message = value("message")
        path = value("path")
        hint = value("hint")
        exitCode = value("exit_code") ?? value("code")
        outcome = value("outcome").map(Self.snake)
        unaccounted = value("unaccounted")
        wanted = value("wanted")
        required = value("required")
        startedWith = value("receivers")
        failedLabels = value("failed_labels")
        nodes = value("nodes")
        guard let seconds = value("seconds", Double.self), let phase = value("phase", String.self) else {
            sample = nil
            return
        }
        var sample = TransferReport.Sample(seconds: seconds, phase: phase)
        sample.streaming = value("streaming_seconds")
        for (index, name) in TransferReport.Sample.counterNames.enumerated() { sample.counters[index] = value(name) ?? 0 }
        sample.rate = value("rate") ?? 0
        sample.loss = [value("median_loss") ?? 0, value("loss_p90") ?? 0, value("loss_max") ?? 0]
        let states = counts("receivers")
        sample.states = ReceiverState.allCases.map { states[$0.identifier] ?? 0 }
        if let progress: [UInt64] = value("by_progress"), progress.count == StatusHistogram.progressCount { sample.progress = progress }
        let refused = counts("refused")
        sample.refused = RefusalReason.allCases.map { refused[$0.identifier] ?? 0 }
        sample.repairNodes = value("repair_nodes") ?? 0
        sample.completeRepairNodes = value("complete_repair_nodes") ?? 0
        sample.level = value("level")
        sample.limits = value("limited_by") ?? [:]
        self.sample = sample
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
