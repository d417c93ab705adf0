/// Labels that a parent's children have told it last.
struct FailureLabels: Sendable {
    private var labels: [ChildName: [FailureLabel]] = [:]
    private var count = 0
    /// Labels of all children together. Beyond it receivers that fail are counted, and not named.
    static let limit = 1_024

    /// Labels in their order, each once: who went to another parent may be among the labels of two children.
    private(set) var all: [FailureLabel] = []

    /// Takes all that a child says now.
    mutating func set(_ new: [FailureLabel], of name: ChildName) {
        if new.isEmpty, labels.isEmpty { return }
        let old = labels[name] ?? []
        let taken = Array(new.prefix(Self.limit - count + old.count))
        // A final STATUS is repeated.
        guard old != taken else { return }
        labels[name] = taken.isEmpty ? nil : taken
        count += taken.count - old.count
        all = Set(labels.values.joined()).sorted(by: <)
    }
}
