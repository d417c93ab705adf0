import RMCPContent
import RMCPProtocol
import RMCPReport

/// The last version that this user's sessions of each key were stamped with, so that none is older than the one before, however the clock is
/// set meanwhile: receivers refuse what is older. One line each in a text file: public key, version (`VersionText`).
struct SenderStamps: Sendable {
    private let file: SharedFile?
    /// Keys that are remembered; beyond, those of the oldest stamp are forgotten.
    private static let limit = 1_000
    /// Milliseconds that a stamp may be ahead of a clock that is right: sessions that begin together have read it before one another, and
    /// each takes a stamp of its own.
    private static let tolerance: UInt64 = 2_000

    /// `$XDG_STATE_HOME/rmcp/stamps`, or `~/.local/state/rmcp/stamps`. Nothing is kept for a user without a home.
    static var ofUser: SenderStamps { SenderStamps(file: SharedFile.statePath("stamps").map { SharedFile(path: $0) }) }

    init(file: SharedFile?) { self.file = file }

    /// A stamp for a session of this key, that nobody else gets: the clock's time, or the last stamp's and a millisecond.
    /// - Parameter supersedes: it is the first of an epoch that is above all that this user has used, with any key.
    /// - Returns: the stamp, and lines for the user.
    func next(for key: PublicKey, supersedes: Bool = false, at clock: HostClock = .now()) -> (version: BundleVersion, warnings: [String]) {
        var warnings: [String] = []
        var stamps: [PublicKey: BundleVersion] = [:]
        var next = Self.successor(of: stamps, for: key, supersedes: supersedes, at: clock)
        do {
            try file?.update { bytes in
                stamps = Self.parse(bytes)
                next = Self.successor(of: stamps, for: key, supersedes: supersedes, at: clock)
                var noted = stamps
                noted[key] = next
                while noted.count > Self.limit, let oldest = noted.min(by: { $0.value < $1.value }) { noted[oldest.key] = nil }
                return Self.text(noted)
            }
        } catch {
            // What cannot be noted may be read all the same.
            let bytes = try? file?.read()
            stamps = Self.parse(bytes ?? [])
            next = Self.successor(of: stamps, for: key, supersedes: supersedes, at: clock)
            let consequence =
                if supersedes { "later sessions need --supersede, too" } else if bytes == nil {
                    "receivers that have a newer version may refuse this session"
                } else { "the next session may be taken for an older one if the clock is set back" }
            warnings.append("\(error); \(consequence)")
        }
        let last = stamps[key]
        if supersedes, file == nil { warnings.append("this user has no home to note the epoch in; later sessions need --supersede, too") }
        let state = clock.isSynchronised ? "" : ", and nothing keeps it right"
        if let last, !supersedes, last.time > clock.milliseconds + Self.tolerance {
            let seconds = Interval.seconds(Double(last.time - clock.milliseconds) / 1_000)
            warnings.append("this host's clock is \(Units.time(seconds)) behind the last session's stamp\(state); the session is stamped behind that one")
        } else if clock.isImplausible {
            warnings.append(
                "this host's clock says \(Units.date(milliseconds: clock.milliseconds))\(state); receivers that have a newer version will refuse the session")
        }
        return (next, warnings)
    }

    private static func successor(
        of stamps: [PublicKey: BundleVersion], for key: PublicKey, supersedes: Bool, at clock: HostClock
    ) -> BundleVersion {
        // What one key has outdated, the one that takes its place must outdate, too.
        if supersedes { return BundleVersion(epoch: increased(stamps.values.map(\.epoch).max() ?? 0), time: clock.milliseconds) }
        guard let last = stamps[key] else { return BundleVersion(epoch: 0, time: clock.milliseconds) }
        let next = BundleVersion(epoch: last.epoch, time: clock.milliseconds)
        if last < next { return next }
        return BundleVersion(epoch: last.epoch, time: last.time == .max ? last.time : last.time + 1)
    }

    private static func increased(_ epoch: UInt32) -> UInt32 { epoch == .max ? epoch : epoch + 1 }

    private static func parse(_ bytes: [UInt8]) -> [PublicKey: BundleVersion] {
        var result: [PublicKey: BundleVersion] = [:]
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            let fields = String(decoding: line, as: UTF8.self).split(separator: " ")
            guard fields.count == 3, let key = PublicKeyText.parse(line: "\(fields[0]) \(fields[1])"), let version = VersionText.parse(fields[2]) else {
                continue
            }
            result[key] = max(result[key] ?? version, version)
        }
        return result
    }

    private static func text(_ stamps: [PublicKey: BundleVersion]) -> [UInt8] {
        Array((stamps.map { "\(PublicKeyText.line(for: $0.key)) \(VersionText.text($0.value))" }.sorted().joined(separator: "\n") + "\n").utf8)
    }
}
