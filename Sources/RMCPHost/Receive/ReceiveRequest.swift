public import RMCPContent
public import RMCPProtocol
public import RMCPReport

/// One `rmcp recv`, as the command line asks for it.
public struct ReceiveRequest: Sendable {
    public enum Output: Sendable, Hashable {
        /// Under its announced name in `directory`.
        case directory
        /// Exactly there: a file, or a block device.
        case path(String)
        /// A block device that was there when the program started. If it goes away, no file takes its place.
        case device(String)
        case standardOutput
    }

    public var group: SocketAddress
    /// Nil takes the interface that routes to the group.
    public var interfaceName: String?
    public var directory: String
    public var output: Output
    /// Stop after the first bundle that is complete, or that fails.
    public var once: Bool
    public var trust: TrustPolicy
    /// Names of the bundles that are taken; nil takes all. Others are passed over.
    public var names: NamePatterns?
    /// Where versions are remembered; nil takes older ones, too.
    public var versions: VersionRecords?
    /// Sessions are taken that this receiver has completed before, too.
    public var takesAgain: Bool
    /// The file that a bundle replaces may be removed before, where there is no room for two.
    public var replacesFirst: Bool
    /// Options of trees on the disk.
    public var tree: TreeOptions
    /// Bytes of the file system of a directory that stay free.
    public var reserve: UInt64 = 0
    /// Directory in which a file is left for each bundle that is complete.
    public var spool: SpoolDirectory?
    /// Run by /bin/sh after each bundle, with RMCP_* in its environment.
    public var hook: String?
    /// How long that may take before it is ended.
    public var hookTimeout: Interval
    /// With `once`: give up after this long without progress.
    public var timeout: Interval?
    /// Takes what is sealed for this group, and nothing else; nil takes what is not sealed.
    public var groupKey: GroupKey?
    public var configuration: Configuration

    public init(
        group: SocketAddress, interfaceName: String?, directory: String, output: Output, once: Bool,
        trust: TrustPolicy, names: NamePatterns? = nil, versions: VersionRecords? = nil, takesAgain: Bool = false, replacesFirst: Bool = false,
        tree: TreeOptions = TreeOptions(), hook: String?,
        hookTimeout: Interval = .seconds(600),
        timeout: Interval?, groupKey: GroupKey? = nil, configuration: Configuration
    ) {
        self.groupKey = groupKey
        self.group = group
        self.interfaceName = interfaceName
        self.directory = directory
        self.output = output
        self.once = once
        self.trust = trust
        self.names = names
        self.versions = versions
        self.takesAgain = takesAgain
        self.replacesFirst = replacesFirst
        self.tree = tree
        self.hook = hook
        self.hookTimeout = hookTimeout
        self.timeout = timeout
        self.configuration = configuration
    }
}

/// Why `recv` stopped.
public enum ReceiveOutcome: Sendable, Hashable {
    /// `once`, and the bundle is complete.
    case complete
    /// `once`, and the bundle is complete, but no file could be left that says so.
    case untold
    /// `once`, and the bundle failed.
    case failed(ReceiverState)
    /// `once`, and nothing came in time.
    case timedOut
    /// `once`, and the only session was refused.
    case refused
    /// A daemon was asked to end by SIGTERM, as service managers do.
    case terminated
    /// Any other signal; or what the command was run for is not there.
    case interrupted

    /// Exit code of a command that ends so.
    public var exitStatus: ExitStatus {
        switch self {
        case .complete, .terminated: .done
        case .untold: .failure
        case .failed: .partial
        case .timedOut: .nobody
        case .refused: .refused
        case .interrupted: .interrupted
        }
    }
}
