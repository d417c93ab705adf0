public import RMCPProtocol

/// Facts that a sender knows of a repair node right below it: what the node says of itself and of those below.
public struct RepairNodeStatus: Sendable {
    public var address: SocketAddress
    /// Everybody below it, and the node itself among the repair nodes.
    public var histogram: StatusHistogram
    /// Silence: nothing has been heard of it for long.
    public var isLost: Bool
    /// Figures that it said when it was asked: bytes that it has sent to those below, and chunks that it holds. Nil where it said nothing.
    public var repairedBytes: UInt64?
    public var chunksHeld: UInt32?

    public init(address: SocketAddress, histogram: StatusHistogram, isLost: Bool) {
        self.address = address
        self.histogram = histogram
        self.isLost = isLost
    }

    var fields: JSONLine.Value {
        let loss = LossBucket.fraction(of: StatusHistogram.quantile(0.9, of: histogram.loss))
        var fields: [String: JSONLine.Value] = [
            "address": .string(address.text), "receivers": .unsigned(histogram.population), "complete": .unsigned(histogram.count(.complete)),
            "failed": .unsigned(histogram.failed), "repair_nodes": .unsigned(histogram.tree.repairNodes),
            "complete_repair_nodes": .unsigned(histogram.tree.completeRepairNodes), "loss_p90": .number(loss), "lost": .boolean(isLost),
        ]
        fields["repaired_bytes"] = repairedBytes.map { .unsigned($0) }
        fields["chunks_held"] = chunksHeld.map { .unsigned(UInt64($0)) }
        return .object(fields)
    }
}

extension SendSnapshot {
    /// The repair nodes right below, where there are any.
    var nodeFields: [String: JSONLine.Value] { nodes.isEmpty ? [:] : ["nodes": .array(nodes.map(\.fields))] }

    /// Loss (0...1) of the receiver at quantile `q`.
    func loss(_ q: Double) -> Double { LossBucket.fraction(of: StatusHistogram.quantile(q, of: receivers.loss)) }
}
