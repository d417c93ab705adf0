import RMCPProtocol

/// Bounds of a tree, for whoever makes a catalog and for whoever reads one.
public enum CatalogLimits {
    /// 2^20 entries: what is kept of each beside its bytes is then 20 MiB.
    public static let entries = 1 << 20
    /// Bytes that are kept of an entry beside its own.
    public static let memoryOfEntry = 20
    /// 128 MiB. A catalog is in memory as a whole, at both ends.
    public static let catalogLength = 128 << 20
    /// Components of a path below the root: as many directories may be open at once.
    public static let depth = 256
    /// Bytes of a path below the root: PATH_MAX of Linux, less the zero that ends it.
    public static let pathLength = 4_095
    /// Bytes of one name: NAME_MAX of Linux.
    public static let nameLength = 255
    /// Bytes of a symbolic link's target, from 1 on.
    public static let targetLength = 4_095
    /// Bytes of all names and values of one set of attributes: XATTR_LIST_MAX and XATTR_SIZE_MAX of Linux.
    public static let attributesLength = 64 << 10
    /// Permission bits with setuid, setgid and sticky.
    public static let mode: UInt16 = 0o7777
    /// Mode of every symbolic link: Linux keeps no other.
    public static let linkMode: UInt16 = 0o777
    /// Bytes of all contents, at most: chunks of the longest kind, as many as a bundle may have.
    static let contentLength = UInt64(Limits.maximumChunks) * UInt64(Limits.maximumChunkLength)
    /// Bytes that a file's allocation is rounded up to: what most file systems allocate.
    static let blockLength: UInt64 = 4_096
}
