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
    /// Receivers can tell whose it is: the signer has a key.
    public var isSigned: Bool
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
        compressionLevel: Int?, isSigned: Bool = true, supersedes: Bool = false, groupKey: GroupKey? = nil, configuration: Configuration
    ) {
        self.groupKey = groupKey
        self.source = source
        self.group = group
        self.interfaceName = interfaceName
        self.timeToLive = timeToLive
        self.name = name
        self.compressionLevel = compressionLevel
        self.isSigned = isSigned
        self.supersedes = supersedes
        self.configuration = configuration
    }
}

// MARK: What is sent

extension SendRequest {
    /// Faults of the request itself, whatever the host is like.
    func validate() throws(HostError) {
        try group.requireMulticast()
        if supersedes, !isSigned {
            throw HostError("receivers keep no versions of unsigned bundles, so that there is nothing to --supersede", kind: .usage)
        }
        // A name is judged before a walk that takes its time.
        if case .paths(let selection) = source { _ = try bundleName(selection.defaultName) }
    }

    /// Faults of the request, and those that a look at the host's interfaces and at the paths shows. Nothing of a tree is walked.
    public func check() throws(HostError) {
        try validate()
        if let interfaceName { _ = try NetworkInterface.forGroup(group, named: interfaceName) }
        if case .paths(let selection) = source { try selection.check() }
    }

    func openSource() throws(HostError) -> any BundleSource {
        guard case .paths(let selection) = source else { return try StreamSource() }
        if let path = selection.file { return try FileSource(path: path) }
        return try TreeSource(selection, chunkLength: configuration.packets.chunkLength)
    }

    /// - Parameter ordinary: the name of the source where the user gives none.
    func bundleName(_ ordinary: String?) throws(HostError) -> String {
        guard let given = name ?? ordinary else {
            throw HostError("several paths are sent as one bundle, which needs a name: give it with --name", kind: .usage)
        }
        guard let name = SystemText.validated(given) else {
            throw HostError("the bundle's name \(given) is no UTF-8, as receivers need it; give another with --name", kind: .usage)
        }
        if let objection = BundleName.objection(to: name) {
            throw HostError("the bundle's name \"\(BundleName.printable(name))\" will not do: \(objection); give another with --name", kind: .usage)
        }
        return name
    }
}
