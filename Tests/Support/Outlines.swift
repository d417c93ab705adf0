public import RMCPProtocol

extension IndexRangeSet {
    /// Every subtree: what a host says that cannot tell which is wrong.
    public static func all(of shape: OutlineShape) -> IndexRangeSet { IndexRangeSet(0..<UInt32(shape.subtreeCount)) }
}
