/// Receivers that take no part, as they have told this parent themselves: each is counted once, and by its last reason.
struct RefusalTable: Sendable {
    private var reasons: [ChildName: RefusalReason] = [:]
    private let limit: Int

    /// - Parameter limit: names that are remembered; who comes later is not counted.
    init(limit: Int) { self.limit = limit }

    var count: Int { reasons.count }

    /// - Returns: the reason that it had before; nil where it is new.
    mutating func note(_ name: ChildName, _ reason: RefusalReason) -> (isCounted: Bool, former: RefusalReason?) {
        if let former = reasons.updateValue(reason, forKey: name) { return (true, former) }
        guard reasons.count <= limit else {
            reasons[name] = nil
            return (false, nil)
        }
        return (true, nil)
    }

    /// It takes part after all.
    mutating func remove(_ name: ChildName) -> RefusalReason? { reasons.isEmpty ? nil : reasons.removeValue(forKey: name) }
}
