/// Every option of every command. The tests hold it equal to what the argument parser knows.
enum OptionTable {
    struct Command: Sendable {
        let name: String
        let options: [OptionEntry]

        /// Options that configuration files may set, in a section of the command's name or at the top.
        var configurable: [OptionEntry] { options.filter(\.isConfigurable) }

        func configurable(_ name: String) -> OptionEntry? { configurable.first { $0.name == name } }
    }

    static let commands = [
        Command(
            name: "send",
            options: GroupOptions.declared + SendOptions.declared + SentTreeOptions.declared + GroupKeyOptions.declared + UnicastOptions.declared
                + NodeTrustOptions.declared
                + ConfigurationOptions.declared + CheckOptions.declared + OutputOptions.declared + MetricsOptions.declared + ColorOptions.declared),
        Command(
            name: "recv",
            options: GroupOptions.declared + ReceiveOptions.declared + ReceivedTreeOptions.declared + TrustOptions.declared + GroupKeyOptions.declared
                + NodeTrustOptions.declared + ConfigurationOptions.declared + CheckOptions.declared + OutputOptions.declared + MetricsOptions.declared),
        Command(
            name: "repair",
            options: GroupOptions.declared + RepairOptions.declared + UnicastOptions.declared + TrustOptions.declared + GroupKeyOptions.declared
                + NodeTrustOptions.declared
                + ConfigurationOptions.declared + CheckOptions.declared + OutputOptions.declared + MetricsOptions.declared),
        Command(
            name: "watch",
            options: GroupOptions.declared + WatchOptions.declared + GroupKeyOptions.declared + ConfigurationOptions.declared + OutputOptions.declared
                + ColorOptions.declared),
        Command(name: "keygen", options: KeygenOptions.declared),
        Command(name: "report", options: ReportOptions.declared),
    ]

    /// Commands that configuration files have a section for.
    static let sections = commands.filter { !$0.configurable.isEmpty }

    /// Commands that have the option and may be configured with it.
    static func commands(with option: String) -> [Command] { sections.filter { $0.configurable(option) != nil } }
}
