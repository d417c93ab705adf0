import ArgumentParser
import Glibc
import RMCPContent
import RMCPHost
import RMCPProtocol
import RMCPReport

/// Options that belong together and that several commands have.
protocol OptionGroupDeclaration: ParsableArguments {
    /// In the order of the help.
    static var declared: [OptionEntry] { get }
}

/// Where the transfer takes place.
struct GroupOptions: OptionGroupDeclaration {
    static let defaultPort: UInt16 = 17_627

    static let group = Setting(
        "group", short: "g", .group, "addr", default: "239.255.76.27:17627",
        "The multicast group and port: ADDR, ADDR:PORT or [V6]:PORT (default: 239.255.76.27:17627).")
    static let interface = Setting(
        "interface", short: "i", .interface, "name", completion: .shellCommand("ls /sys/class/net"),
        "The network interface (default: the one that routes to the group).")
    static let declared = [group.entry, interface.entry]

    @Option(Self.group) var group: String?
    @Option(Self.interface) var interface: String?

    func address(_ settings: Settings) throws(HostError) -> SocketAddress {
        try settings.inForce(Self.group, group)
    }

    func interfaceName(_ settings: Settings) throws(HostError) -> String? { try settings.value(Self.interface, interface) }
}

/// Where options come from beside the command line.
struct ConfigurationOptions: OptionGroupDeclaration {
    static let config = Setting(
        "config", .text, "file", completion: .file(extensions: ["toml"]), isConfigurable: false,
        "A TOML file with options, in place of /etc/rmcp/config.toml and ~/.config/rmcp/config.toml: the same names, for one command under [recv] and the like."
    )
    static let declared = [config.entry]

    @Option(Self.config) var config: String?
}

/// Reading everything, and doing nothing.
struct CheckOptions: OptionGroupDeclaration {
    static let check = Setting.flag(
        "check", isConfigurable: false, "Read keys and configuration, print the values in force and who gave them, and exit: with 2 when something is wrong.")
    static let declared = [check.entry]

    @Flag(Self.check) var check: Bool?

    /// Says what is in force, or what is wrong; nothing but the latter where that is enough.
    /// - Parameter look: reads all that a start would; lines for the user.
    func report(
        command: String, configurationPath: String?, output: OutputOptions, _ look: (Settings) throws(HostError) -> [String]
    ) throws(HostError) -> ExitStatus {
        let (settings, lines, style): (Settings, [String], OutputStyle)
        do throws(HostError) {
            settings = try Settings(command: command, configurationPath: configurationPath)
            lines = try look(settings)
            style = try output.style(settings)
        } catch { throw HostError(error.description, kind: .usage) }
        if style.isJSON {
            SettingsReport.events(settings.record.values, command: command).forEach(Console.event)
            for line in lines { Console.event(JSONLine(event: "notice", ["message": .string(line)])) }
            Console.event(.end("checked"))
            return .done
        }
        if style.isQuiet { return .done }
        for line in SettingsReport.lines(settings.record.values, command: command) { try Console.result(line) }
        for line in lines { try Console.result("# " + line) }
        return .done
    }
}

/// Options of the output.
struct OutputOptions: OptionGroupDeclaration {
    static let json = Setting.flag("json", "Write one JSON object a line to standard output, for programs.")
    static let quiet = Setting.flag("quiet", short: "q", "Print errors only.")
    static let verbose = Setting.flag("verbose", short: "v", "Print more: counters at the end, and what happens in between.")
    static let declared = [json.entry, quiet.entry, verbose.entry]

    @Flag(Self.json) var json: Bool?
    @Flag(Self.quiet) var quiet: Bool?
    @Flag(Self.verbose) var verbose: Bool?

    /// Style of a command that begins: programs are told of a signal from here on.
    func begin(_ settings: Settings) throws(HostError) -> OutputStyle {
        let style = try style(settings)
        if style.isJSON { AskedLines.tellOfSignals() }
        return style
    }

    func style(_ settings: Settings) throws(HostError) -> OutputStyle {
        let isJSON = try settings.flag(Self.json, json)
        if isJSON { try ProcessStart.requireOpen(STDOUT_FILENO, "standard output", for: "--json writes there") }
        return OutputStyle(
            isJSON: isJSON, isQuiet: try settings.flag(Self.quiet, quiet),
            isVerbose: try settings.flag(Self.verbose, verbose))
    }
}

/// Where counters are kept for monitoring.
struct MetricsOptions: OptionGroupDeclaration {
    static let metrics = Setting(
        "metrics", .file, "file", completion: .file(), "Keep Prometheus metrics in this file, for node_exporter's textfile collector.")
    static let metricsListen = Setting(
        "metrics-listen", .listener, "addr:port",
        "Serve Prometheus metrics by HTTP at this address, such as 127.0.0.1:9464, [::1]:9464, or :9464 for all of the host's; port 0 takes a free one.")
    static let declared = [metrics.entry, metricsListen.entry]

    @Option(Self.metrics) var metrics: String?
    @Option(Self.metricsListen) var metricsListen: String?

    /// - Parameter operands: paths that are no option's, none of which may be the file's.
    func path(_ settings: Settings, apartFrom operands: [String] = []) throws(HostError) -> String? {
        let path = try settings.value(Self.metrics, metrics)
        try settings.requireApart(Self.metrics, path, from: operands)
        return path
    }
    func address(_ settings: Settings) throws(HostError) -> SocketAddress? { try settings.value(Self.metricsListen, metricsListen) }

    /// Throws for what is wrong with what is given, an address where nobody could listen among it.
    /// - Parameter operands: as of `path`.
    func check(_ settings: Settings, apartFrom operands: [String] = []) throws(HostError) {
        _ = try path(settings, apartFrom: operands)
        if let address = try address(settings) { try MetricsListener.check(address) }
    }

    /// Listens, if that is asked for; the file waits until the command is sure to run.
    /// - Parameters:
    ///   - operands: paths that are no option's, none of which may be the file's.
    ///   - render: the text of the beginning.
    func output(
        _ settings: Settings, role: String, apartFrom operands: [String] = [], _ style: OutputStyle, _ render: @escaping @Sendable () -> String
    ) throws(HostError) -> MetricsOutput {
        try MetricsOutput(path: path(settings, apartFrom: operands), address: address(settings), role: role, isQuiet: style.isQuiet, render)
    }
}

/// Options of trust: whose bundles are taken.
struct TrustOptions: OptionGroupDeclaration {
    static let trust = Setting.list(
        "trust", "key|file", completion: .file(), namesFile: true,
        "A public key whose bundles are taken, or a file with one key a line (repeatable; default: ~/.config/rmcp/trusted_keys).")
    static let allowUnsigned = Setting.flag("allow-unsigned", "Take any bundle on the group, signed or not: refused by default.")
    static let declared = [trust.entry, allowUnsigned.entry]

    @Option(Self.trust) var trust: [String]
    @Flag(Self.allowUnsigned) var allowUnsigned: Bool?

    func policy(_ settings: Settings, trustedNodes: Set<PublicKey>?) throws(HostError) -> TrustPolicy {
        TrustPolicy(
            trustedKeys: try KeyFiles.trustedKeys(settings.list(Self.trust, trust)), allowsUnsigned: try settings.flag(Self.allowUnsigned, allowUnsigned),
            trustedNodes: trustedNodes)
    }

    /// Record for `--check`.
    static func describe(_ policy: TrustPolicy) -> [String] {
        var lines = ["trusted keys: \(policy.trustedKeys.count)"] + policy.trustedKeys.map { "  " + $0.text }.sorted()
        if let nodes = policy.trustedNodes { lines += ["trusted repair nodes: \(nodes.count)"] + nodes.map { "  " + $0.text }.sorted() }
        if policy.trustedKeys.isEmpty, !policy.allowsUnsigned { lines.append("everything will be refused: use --trust KEY, or --allow-unsigned") }
        return lines
    }

    /// Nobody should wait for bundles that will all be refused.
    static func warn(_ policy: TrustPolicy, _ style: OutputStyle) {
        guard policy.trustedKeys.isEmpty, !policy.allowsUnsigned else { return }
        style.warn("no key is trusted, so everything will be refused; use --trust KEY, or --allow-unsigned")
    }
}

/// The group that a node is of.
struct GroupKeyOptions: OptionGroupDeclaration {
    static let groupKey = Setting(
        "group-key", .file, "file", completion: .file(), namesFile: true,
        "The group's key: bundles are sealed for its holders, and nothing else is taken (made by rmcp keygen --group).")
    static let declared = [groupKey.entry]

    @Option(Self.groupKey) var groupKey: String?

    /// Nil where none is given.
    func file(_ settings: Settings) throws(HostError) -> GroupKeyFile? {
        guard let path = try settings.value(Self.groupKey, groupKey) else { return nil }
        return try KeyFiles.groupKey(path: path)
    }

    /// The key of whoever reads bundles or makes them.
    func key(_ settings: Settings) throws(HostError) -> GroupKey? {
        guard let path = try settings.value(Self.groupKey, groupKey) else { return nil }
        guard let key = try KeyFiles.groupKey(path: path).group else {
            throw HostError("\(path) is a control key, which is for rmcp repair and cannot open bundles; use the group key itself", kind: .usage)
        }
        return key
    }
}

/// Repair nodes that are used.
struct NodeTrustOptions: OptionGroupDeclaration {
    static let trustRepair = Setting.list(
        "trust-repair", "key|file", completion: .file(), namesFile: true,
        "A public key of a repair node, or a file with one key a line (repeatable): no others are used (default: all are).")
    static let declared = [trustRepair.entry]

    @Option(Self.trustRepair) var trustRepair: [String]

    func keys(_ settings: Settings) throws(HostError) -> Set<PublicKey>? {
        try KeyFiles.trustedNodes(settings.list(Self.trustRepair, trustRepair))
    }
}

/// Children that multicast does not reach.
struct UnicastOptions: OptionGroupDeclaration {
    static let maximumChildren = Setting(
        "max-unicast-children", .number(in: 0...1_000_000, expected: "a number, 0 or more"), "n", default: "8",
        "The most relays, and receivers without multicast, that are served by unicast (default: 8).")
    static let declared = [maximumChildren.entry]

    @Option(Self.maximumChildren) var maximumChildren: String?

    func apply(_ settings: Settings, to configuration: inout Configuration) throws(HostError) {
        configuration.unicast.maximumUnicastChildren = try settings.inForce(Self.maximumChildren, maximumChildren)
    }
}
