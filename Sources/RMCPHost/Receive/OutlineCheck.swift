import RMCPContent
import RMCPProtocol

/// Outline of a rejected chunk, which tells its wrong bytes, and payloads that may be right in their place.
struct OutlineCheck: Sendable {
    var shape: OutlineShape
    /// Of all subtrees, in order.
    var values: [Digest]
    var alternates: [ChunkOutline.Alternate]

    /// - Returns: subtrees of the chunk in `buffer` that are wrong still.
    func mend(_ buffer: ChunkBuffer) -> IndexRangeSet {
        var bytes = buffer.mutableSpan(shape.encodedLength)
        return ChunkOutline.mend(&bytes, values: values, shape, with: alternates)
    }
}
