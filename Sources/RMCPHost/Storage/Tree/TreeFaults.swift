/// Things of a tree that were not as its sender has them, and are no reason to refuse it: counted, and told in a line each.
final class TreeFaults: Sendable {
    enum Kind: Int, CaseIterable, Sendable {
        case owner, mode, time, attribute, special
    }

    private struct Count {
        var entries = 0
        var first = ""
        var reason = ""
    }

    private let counts = LockedValue<[Kind: Count]>([:])

    /// - Parameter path: as people read it; only the first is asked for.
    func note(_ kind: Kind, at path: () -> String, reason: String) {
        counts.withLock { counts in
            counts[kind, default: Count()].entries += 1
            guard counts[kind]?.entries == 1 else { return }
            counts[kind]?.first = path()
            counts[kind]?.reason = reason
        }
    }

    /// Lines for the user, once.
    func take(path: String) -> [String] {
        let counts = counts.withLock { counts in
            defer { counts = [:] }
            return counts
        }
        return Kind.allCases.compactMap { kind in
            guard let count = counts[kind] else { return nil }
            let others = count.entries > 1 ? " and \(count.entries - 1) more" : ""
            return "\(path): \(Self.text(kind)): \(count.first)\(others) (\(count.reason))"
        }
    }

    private static func text(_ kind: Kind) -> String {
        switch kind {
        case .owner: "owners could not be set"
        case .mode: "modes could not be set"
        case .time: "modification times could not be set"
        case .attribute: "extended attributes could not be set"
        case .special: "set-user-ID, set-group-ID or capabilities were left out"
        }
    }
}
