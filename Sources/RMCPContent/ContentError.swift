/// What can be wrong with a chunk or with the keys that vouch for it.
public enum ContentError: Error, Sendable, Hashable, CustomStringConvertible {
    /// libzstd refused; its own words.
    case compression(String)
    /// The encoded bytes are not those of the record.
    case encodedDigestMismatch
    /// The bytes decode to something else than the record says.
    case contentMismatch
    /// A buffer is shorter than what must go into it.
    case bufferTooSmall
    /// A chunk does not open: it was sealed with another key, as another chunk, or not at all.
    case sealMismatch
    /// A text has no key; words for its user.
    case invalidKey(String)

    public var description: String {
        switch self {
        case .compression(let reason): "zstd: \(reason)"
        case .encodedDigestMismatch: "encoded bytes do not match the signed table"
        case .contentMismatch: "content does not match the signed table"
        case .bufferTooSmall: "buffer too small for the chunk"
        case .sealMismatch: "the chunk is not what was sealed for this group"
        case .invalidKey(let reason): reason
        }
    }
}
