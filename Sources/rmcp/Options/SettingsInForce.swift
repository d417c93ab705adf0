import RMCPHost
import RMCPProtocol

/// Settings that a daemon runs with, to tell by what is different once they are read anew: by the thread that reads them, after the one
/// that has made this.
final class SettingsInForce: Sendable {
    private struct State {
        var values: [String: SettingsRecord.Value]
        var trust: TrustPolicy
    }

    private let state: LockedValue<State>
    private let command: String
    private let live: Set<String>

    /// - Parameter live: options whose new values are in force at once; the others wait for a restart.
    init(_ settings: Settings, command: String, live: Set<String>, trust: TrustPolicy) {
        state = LockedValue(State(values: settings.record.values, trust: trust))
        self.command = command
        self.live = live
    }

    /// - Returns: lines for the user: what is different now, and what will be after a restart.
    func update(_ settings: Settings, trust: TrustPolicy) -> [String] {
        let new = settings.record.values
        return state.withLock { state in
            var notes = SettingsReport.changes(from: state.values, to: new, command: command, live: live)
            notes += Self.difference(state.trust.trustedKeys, trust.trustedKeys, "trusted keys")
            notes += Self.difference(state.trust.trustedNodes ?? [], trust.trustedNodes ?? [], "trusted repair nodes")
            for name in live { state.values[name] = new[name] }
            state.trust = trust
            return notes.isEmpty ? ["settings were read anew; nothing is different"] : notes
        }
    }

    private static func difference(_ old: Set<PublicKey>, _ new: Set<PublicKey>, _ what: String) -> [String] {
        guard old != new else { return [] }
        return ["\(what): \(new.subtracting(old).count) more, \(old.subtracting(new).count) fewer; \(new.count) in all"]
    }
}
