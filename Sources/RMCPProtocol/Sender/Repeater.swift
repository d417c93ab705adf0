/// A repair node's lower half in place of a source: it passes on what the receiver in front of it got.
///
/// ```
///   nobody ──follow──▶ parent ──no parent any more, all is here──▶ gone
///                        └──no parent any more, something lacks──▶ retired ◀──retire── any
/// ```
struct Repeater: Sendable {
    enum Above: Sendable {
        /// Nobody has been heard yet. The node offers nothing, since it could not give it.
        case nobody
        /// A parent, which is told what the children say.
        /// - `phase`: as far as the parent has come; LEAVING does not count.
        /// - `rate`: bits per second of the stream.
        case parent(phase: SessionPhase, rate: Double)
        /// The last parent has gone, and everything is here.
        case gone
        /// The children are left to others.
        case retired
    }

    /// A relay passes the whole stream on; below another repair node children hear the sender's stream, and get from the node only
    /// what they lost of it.
    let isRelay: Bool
    private(set) var above = Above.nobody
    /// Ephemeral ids of the parents above, the sender's first, as last heard.
    private(set) var path: [UInt32] = []
    /// Routers between the sender and here, as last heard.
    private(set) var distance: UInt8 = 0

    /// Nil at a node without a key.
    var places: PlaceSigner?

    init(isRelay: Bool, places: PlaceSigner?) {
        self.isRelay = isRelay
        self.places = places
    }

    // MARK: What is above

    /// Whether anybody may have gone below this node: it has had a parent.
    var hasServed: Bool { if case .nobody = above { false } else { true } }
    var hasParent: Bool { if case .parent = above { true } else { false } }
    var isRetired: Bool { if case .retired = above { true } else { false } }

    /// How far the stream has come above.
    var upstreamPhase: SessionPhase {
        switch above {
        case .nobody, .retired: .waiting
        case .parent(let phase, _): phase
        case .gone: .lingering
        }
    }

    /// Bits per second of the stream that repairs keep pace with; 0 without one, and at a relay, whose own rate is the stream's.
    var followedRate: Double { if case .parent(_, let rate) = above, !isRelay { rate } else { 0 } }

    mutating func follow(phase: SessionPhase, rate: Double, path: [UInt32], distance: UInt8) {
        if isRetired { return }
        // A parent that leaves has come no further.
        let phase = phase == .leaving || phase == .aborted ? upstreamPhase : phase
        above = .parent(phase: phase, rate: rate)
        self.path = path
        self.distance = distance
    }

    /// The last parent has gone. A node that nobody has been offered anything by, and that has everything, waits for another.
    mutating func endUpstream(isComplete: Bool) {
        switch above {
        case .nobody where isComplete, .retired: break
        default: above = isComplete ? .gone : .retired
        }
    }

    mutating func retire() { above = .retired }
}
