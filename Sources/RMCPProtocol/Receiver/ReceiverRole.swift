/// What a receiver engine is part of.
public enum ReceiverRole: Sendable, Hashable {
    /// A receiver for itself, with no nodes below it.
    case leaf
    /// The upper half of a repair node. `transmitter` is the ephemeral id of its lower half.
    case repairNode(transmitter: UInt32, Upstream)

    /// Ways by which the stream comes to a repair node.
    public enum Upstream: Sendable, Hashable {
        /// It hears the sender's group.
        case group
        /// It asks for everything at its own address.
        case unicast
    }

    /// Whether the stream is asked for by unicast.
    var wantsStream: Bool { if case .repairNode(_, .unicast) = self { true } else { false } }
    /// The id of a repair node's other half, which is a parent itself.
    var downstreamTransmitter: UInt32? { if case .repairNode(let id, _) = self { id } else { nil } }
    var isRepairNode: Bool { downstreamTransmitter != nil }
}
