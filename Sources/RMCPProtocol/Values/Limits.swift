/// Bounds that both ends agree on; what lies outside is refused when it is parsed.
public enum Limits {
    /// 8 MiB. Chunks are assembled in memory.
    public static let maximumChunkLength: UInt32 = 8 << 20
    /// 2^20 chunks: the table of the largest bundle (1 TiB in chunks of 1 MiB, 8 TiB in chunks of 8 MiB) is then at
    /// most 104 MiB in memory.
    public static let maximumChunks: UInt32 = 1 << 20
    /// The smallest that fits the IPv4 minimum reassembly size of 576 (RFC 791) with room for tunnels.
    public static let minimumPayloadLength = 400
    /// 9000-byte frames less the headers.
    public static let maximumPayloadLength = 8_948
    /// A packet index has 16 bits, and a bitmap of this many bits is 4 KiB.
    public static let maximumPacketsPerChunk = 32_768
}
