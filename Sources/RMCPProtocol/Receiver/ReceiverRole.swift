/// What a receiver engine is part of.
public enum ReceiverRole: Sendable, Hashable {
    case leaf
    /// The upper half of a repair node. `transmitter` is the ephemeral id of its lower half.
    case repairNode(transmitter: UInt32, Upstream)

    public enum Upstream: Sendable, Hashable {
        /// It hears the sender's group.
        case group
        /// It asks for everything at its own address.
        case unicast
    }
}
