/// Order of a bundle's versions: the sender's epoch, and within it the time.
///
/// An epoch is how a sender's user says that what is known is wrong, such as after a clock was ahead: it only grows, so that a recorded
/// session of an earlier one never becomes current again.
public struct BundleVersion: Hashable, Comparable, Sendable {
    /// Epoch, 0 at first. `rmcp send --supersede` begins one that is 1 above all that its user has used (docs/protocol.md, "Freshness").
    public var epoch: UInt32
    /// Milliseconds since 1970, by the sender's clock.
    public var time: UInt64

    public init(epoch: UInt32 = 0, time: UInt64) {
        self.epoch = epoch
        self.time = time
    }

    public static func < (left: BundleVersion, right: BundleVersion) -> Bool { (left.epoch, left.time) < (right.epoch, right.time) }
}
