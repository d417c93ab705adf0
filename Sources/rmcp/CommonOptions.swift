import ArgumentParser
import RMCPHost
import RMCPProtocol

/// What every command understands.
struct CommonOptions: ParsableArguments {
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("The multicast group and port: ADDR, ADDR:PORT or [V6]:PORT (default: 239.255.76.27:17627).", valueName: "addr"))
    var group: String?

    @Option(name: .shortAndLong, help: ArgumentHelp("The interface (default: the one that routes to the group).", valueName: "name"))
    var interface: String?

    @Option(help: ArgumentHelp("Read options from a TOML file: the same names, at the top or under [send], [recv], [repair] and [watch].", valueName: "file"))
    var config: String?

    @Flag(help: "Write one JSON object a line to standard output, for programs.")
    var json = false

    @Flag(name: .shortAndLong, help: "Say nothing but errors.")
    var quiet = false

    @Flag(name: .shortAndLong, help: "Say more: counters at the end, warnings as they come.")
    var verbose = false

    @Option(help: ArgumentHelp("Keep Prometheus metrics in this file, for node_exporter's textfile collector.", valueName: "file"))
    var metrics: String?
}

/// `CommonOptions` with the environment and the file taken into account.
struct CommonSettings {
    static let defaultPort: UInt16 = 17_627

    var group: SocketAddress
    var interfaceName: String?
    var output: OutputStyle
    var metricsPath: String?

    init(_ options: CommonOptions, _ settings: Settings) throws(HostError) {
        let group = try settings.parsed(
            "group", options.group, expecting: "a multicast address with or without a port, such as 239.255.76.27:17627 or [ff15::7627]:17627"
        ) { SocketAddress(parsing: $0, defaultPort: Self.defaultPort) }
        self.group = group ?? .ipv4(239, 255, 76, 27, port: Self.defaultPort)
        interfaceName = settings.string("interface", options.interface)
        output = OutputStyle(
            isJSON: try settings.flag("json", options.json), isQuiet: try settings.flag("quiet", options.quiet),
            isVerbose: try settings.flag("verbose", options.verbose))
        metricsPath = settings.string("metrics", options.metrics)
    }
}

struct OutputStyle {
    var isJSON: Bool
    var isQuiet: Bool
    var isVerbose: Bool
}
