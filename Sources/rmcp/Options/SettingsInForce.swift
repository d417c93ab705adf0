import RMCPHost
import RMCPProtocol

/// Settings that a daemon runs with, to tell by what is different once they are read anew: by the thread that reads them, after the one
/// that has made this.
final class SettingsInForce: @unchecked Sendable {
    private var values: [String: SettingsRecord.Value]
    private var trust: TrustPolicy
    private let command: String
    private let live: Set<String>

    /// - Parameter live: options whose new values are in force at once; the others wait for a restart.
    init(_ settings: Settings, command: String, live: Set<String>, trust: TrustPolicy) {
        values = settings.record.values
        self.trust = trust
        self.command = command
        self.live = live
    }

    /// - Returns: lines for the user: what is different now, and what will be after a restart.
    func update(_ settings: Settings, trust: TrustPolicy) -> [String] {
        let new = settings.record.values
        var notes = SettingsReport.changes(from: values, to: new, command: command, live: live)
        notes += Self.difference(self.trust.trustedKeys, trust.trustedKeys, "trusted keys")
        notes += Self.difference(self.trust.trustedNodes ?? [], trust.trustedNodes ?? [], "trusted repair nodes")
        for name in live { values[name] = new[name] }
        self.trust = trust
        return notes.isEmpty ? ["settings were read anew; nothing is different"] : notes
    }

    private static func difference(_ old: Set<PublicKey>, _ new: Set<PublicKey>, _ what: String) -> [String] {
        guard old != new else { return [] }
        return ["\(what): \(new.subtracting(old).count) more, \(old.subtracting(new).count) fewer; \(new.count) in all"]
    }
}
