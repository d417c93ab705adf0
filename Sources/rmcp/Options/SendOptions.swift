import ArgumentParser
import RMCPHost
import RMCPProtocol

/// Options of `send` alone.
struct SendOptions: OptionGroupDeclaration {
    static let ttl = Setting(
        "ttl", .number(in: 0...255, expected: "a number from 0 to 255"), "n", default: "1", "The routers that packets may cross, plus one (default: 1).")
    static let rate = Setting(
        "rate", .adaptive(.rate), "rate", default: "auto", "Bits per second, such as 100M or 2.5G; or auto, which adapts (default: auto).")
    static let minimumRate = Setting("min-rate", .rate, "rate", default: "1M", "The lowest rate of auto (default: 1M).")
    static let maximumRate = Setting("max-rate", .rate, "rate", default: "100G", "The highest rate of auto (default: 100G).")
    static let level = Setting(
        "level", .adaptive(.number(in: 0...19, expected: "a zstd level from 0 to 19")), "n", default: "auto", completion: .list(["auto", "0", "3", "9", "19"]),
        "The zstd level, 1 to 19; 0 does not compress; auto takes what network and cores leave time for (default: auto).")
    static let waitFor = Setting(
        "wait-for", .number(in: 1...Int.max, expected: "a number of receivers, 1 or more"), "n", "Start as soon as this many receivers have joined.")
    static let require = Setting(
        "require", .number(in: 1...Int.max, expected: "a number of receivers, 1 or more"), "n",
        "End with exit code 3 when fewer receivers than this are complete.")
    static let minimumWait = Setting("min-wait", .time, "time", default: "2s", "The earliest start (default: 2s).")
    static let maximumWait = Setting(
        "max-wait", .time, "time", default: "30s", "The latest start, with those who have come; exit code 4 if nobody has (default: 30s).")
    static let linger = Setting(
        "linger", .time, "time", default: "0s", "Stay this long for latecomers after the last known receiver is complete (default: 0s).")
    static let until = Setting(
        "until", .until, "who", default: "receivers", completion: .list(["receivers", "repair"]),
        "Stay until all known receivers are complete ('receivers', default), or until the repair nodes hold everything and serve on ('repair').")
    static let key = Setting(
        "key", .file, "file", completion: .file(), namesFile: true, "The signing key (default: ~/.config/rmcp/id_ed25519, made on first use).")
    static let unsigned = Setting.flag("unsigned", "Do not sign: only receivers with --allow-unsigned take the bundle.")
    static let supersede = Setting.flag(
        "supersede", "Take effect where receivers know a later version, such as after a clock was ahead: begins a new epoch of the key.")
    static let name = Setting("name", .text, "name", "The bundle's name at the receivers (default: the path's last component).")
    static let report = Setting(
        "report", .file, "file", completion: .file(extensions: ["html"]),
        "Write a page of what happened at the end, also when the transfer fails: one HTML file that needs nothing else.")
    static let view = Setting.flag(
        "view", "On a terminal, draw on all of it: rate, progress of all receivers, loss; elsewhere there are the lines as ever. Keys: q, space, ?.")

    static let declared = [
        ttl.entry, rate.entry, minimumRate.entry, maximumRate.entry, level.entry, waitFor.entry, require.entry, minimumWait.entry, maximumWait.entry,
        linger.entry,
        until.entry, key.entry, unsigned.entry, supersede.entry, name.entry, report.entry, view.entry,
    ]

    @Option(Self.ttl) var ttl: String?
    @Option(Self.rate) var rate: String?
    @Option(Self.minimumRate) var minimumRate: String?
    @Option(Self.maximumRate) var maximumRate: String?
    @Option(Self.level) var level: String?
    @Option(Self.waitFor) var waitFor: String?
    @Option(Self.require) var require: String?
    @Option(Self.minimumWait) var minimumWait: String?
    @Option(Self.maximumWait) var maximumWait: String?
    @Option(Self.linger) var linger: String?
    @Option(Self.until) var until: String?
    @Option(Self.key) var key: String?
    @Flag(Self.unsigned) var unsigned: Bool?
    @Flag(Self.supersede) var supersede: Bool?
    @Option(Self.name) var name: String?
    @Option(Self.report) var report: String?
    @Flag(Self.view) var view: Bool?

    func timeToLive(_ settings: Settings) throws(HostError) -> Int { try settings.inForce(Self.ttl, ttl) }

    /// Nil where no page is wanted.
    func reportFile(_ settings: Settings, apartFrom operands: [String]) throws(HostError) -> ReportFile? {
        guard let path = try settings.value(Self.report, report) else { return nil }
        try settings.requireApart(Self.report, path, from: operands)
        return try ReportFile(path: path)
    }

    /// Nil for auto.
    func compressionLevel(_ settings: Settings) throws(HostError) -> Int? {
        guard case .fixed(let level) = try settings.value(Self.level, level) else { return nil }
        return level
    }

    func apply(_ settings: Settings, to configuration: inout Configuration) throws(HostError) {
        if case .fixed(let rate) = try settings.value(Self.rate, rate) { configuration.rate.fixedRate = rate }
        let rates = try settings.bounds((Self.minimumRate, minimumRate), (Self.maximumRate, maximumRate))
        (configuration.rate.minimumRate, configuration.rate.maximumRate) = (rates.lowerBound, rates.upperBound)
        configuration.joining.waitForReceivers = try settings.value(Self.waitFor, waitFor)
        configuration.joining.requiredReceivers = try settings.value(Self.require, require)
        let waits = try settings.bounds((Self.minimumWait, minimumWait), (Self.maximumWait, maximumWait))
        (configuration.joining.minimumWait, configuration.joining.maximumWait) = (waits.lowerBound, waits.upperBound)
        configuration.joining.linger = try settings.inForce(Self.linger, linger)
        configuration.joining.until = try settings.inForce(Self.until, until)
    }
}
