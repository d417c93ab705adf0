public import RMCPContent
public import RMCPProtocol

/// One `rmcp send`, as the command line asks for it.
public struct SendRequest: Sendable {
    public enum Source: Sendable, Hashable {
        /// A file or device where it is one path that leads to one; else a tree.
        case paths(TreeSelection)
        case standardInput

        public static func path(_ path: String) -> Source { .paths(TreeSelection(paths: [path])) }
    }

    public var source: Source
    public var group: SocketAddress
    /// Nil takes the interface that routes to the group.
    public var interfaceName: String?
    /// Multicast time to live, 0...255.
    public var timeToLive: Int
    /// The bundle's name at the receivers; nil takes the path's last component.
    public var name: String?
    /// zstd level, 0...19, where 0 stores; nil adapts it.
    public var compressionLevel: Int?
    /// It is to take effect where a later stamp is known: a new epoch of the key begins.
    public var supersedes: Bool
    /// Seals the bundle for the holders of this key; nil sends it in the clear.
    public var groupKey: GroupKey?
    /// Whether somebody wants to know what repair nodes hold and have repaired: they are asked then.
    public var asksNodes = false
    /// Rates, waits and linger are in here.
    public var configuration: Configuration

    public init(
        source: Source, group: SocketAddress, interfaceName: String?, timeToLive: Int, name: String?,
        compressionLevel: Int?, supersedes: Bool = false, groupKey: GroupKey? = nil, configuration: Configuration
    ) {
        self.groupKey = groupKey
        self.source = source
        self.group = group
        self.interfaceName = interfaceName
        self.timeToLive = timeToLive
        self.name = name
        self.compressionLevel = compressionLevel
        self.supersedes = supersedes
        self.configuration = configuration
    }
}
