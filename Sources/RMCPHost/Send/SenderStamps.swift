import RMCPContent
import RMCPProtocol
import RMCPReport

/// The last time that this user's sessions of each key were stamped with, so that none is older than the one before, however the clock is set
/// meanwhile: receivers refuse what is older. One line each in a text file: public key, milliseconds since 1970.
struct SenderStamps: Sendable {
    private let file: SharedFile?
    /// Keys that are remembered; beyond, those of the oldest stamp are forgotten.
    private static let limit = 1_000

    /// `$XDG_STATE_HOME/rmcp/stamps`, or `~/.local/state/rmcp/stamps`. Nothing is kept for a user without a home.
    static var ofUser: SenderStamps { SenderStamps(file: SharedFile.statePath("stamps").map { SharedFile(path: $0) }) }

    init(file: SharedFile?) { self.file = file }

    /// A stamp for a session of this key, that nobody else gets: the clock's time, or the last stamp's and a millisecond.
    /// - Returns: milliseconds since 1970, and lines for the user.
    func next(for key: PublicKey, at clock: HostClock = .now()) -> (time: UInt64, warnings: [String]) {
        var warnings: [String] = []
        var time = clock.milliseconds
        var last: UInt64?
        do {
            try file?.update { bytes in
                var stamps = Self.parse(bytes)
                last = stamps[key]
                if let last, last >= time { time = last == .max ? last : last + 1 }
                stamps[key] = time
                while stamps.count > Self.limit, let oldest = stamps.min(by: { $0.value < $1.value }) { stamps[oldest.key] = nil }
                return Self.text(stamps)
            }
        } catch {
            warnings.append("\(error); the next session may be taken for an older one if the clock is set back")
        }
        let state = clock.isSynchronised ? "" : ", and nothing keeps it right"
        if let last, last > clock.milliseconds {
            let seconds = Interval.seconds(Double(last - clock.milliseconds) / 1_000)
            warnings.append("this host's clock is \(Units.time(seconds)) behind the last session's stamp\(state); the session is stamped behind that one")
        } else if clock.isImplausible {
            warnings.append(
                "this host's clock says \(Units.date(milliseconds: clock.milliseconds))\(state); receivers that have a newer version will refuse the session")
        }
        return (time, warnings)
    }

    private static func parse(_ bytes: [UInt8]) -> [PublicKey: UInt64] {
        var result: [PublicKey: UInt64] = [:]
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            let fields = String(decoding: line, as: UTF8.self).split(separator: " ")
            guard fields.count == 3, let key = PublicKeyText.parse(line: "\(fields[0]) \(fields[1])"), let time = UInt64(fields[2]) else { continue }
            result[key] = max(result[key] ?? 0, time)
        }
        return result
    }

    private static func text(_ stamps: [PublicKey: UInt64]) -> [UInt8] {
        Array((stamps.map { "\(PublicKeyText.line(for: $0.key)) \($0.value)" }.sorted().joined(separator: "\n") + "\n").utf8)
    }
}
