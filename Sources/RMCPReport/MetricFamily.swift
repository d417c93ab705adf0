/// A metric as it is exposed: its name, what it is and what it says. All that there are stand here, and rmcp-metrics(5) has each of them.
public struct MetricFamily: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable {
        case counter
        case gauge
        /// Sum and count of what was observed.
        case summary
    }

    public let name: String
    public let kind: Kind
    /// Help: a sentence. The same in every role, since readers of several files take no two.
    public let help: String

    private init(_ name: String, _ kind: Kind, _ help: String) {
        self.name = name
        self.kind = kind
        self.help = help
    }
}

extension MetricFamily {
    static let buildInfo = MetricFamily("rmcp_build_info", .gauge, "Version of rmcp that runs in this role; always 1.")

    // MARK: Sessions

    static let sessions = MetricFamily("rmcp_sessions", .gauge, "Sessions by state.")
    static let progress = MetricFamily(
        "rmcp_session_progress_ratio", .gauge, "Share of the bundle that is done, of as many as 8 sessions under way.")
    static let receivers = MetricFamily("rmcp_receivers", .gauge, "Receivers of the sessions under way by state, each counted once.")
    static let refusing = MetricFamily("rmcp_refusing_receivers", .gauge, "Receivers that take no part in the session, by reason.")
    static let repairNodes = MetricFamily("rmcp_repair_nodes", .gauge, "Repair nodes by whether they hold the whole bundle.")
    static let children = MetricFamily("rmcp_children", .gauge, "Receivers and repair nodes right below, of all sessions.")

    // MARK: Traffic

    static let sentBytes = MetricFamily("rmcp_sent_bytes_total", .counter, "Bytes of datagrams handed to the network, by what they are for.")
    static let unsent = MetricFamily("rmcp_unsent_datagrams_total", .counter, "Datagrams among these that the network did not take.")
    static let receivedBytes = MetricFamily("rmcp_received_bytes_total", .counter, "Bytes of datagrams that came, whoever sent them.")
    static let receivedDatagrams = MetricFamily("rmcp_received_datagrams_total", .counter, "Datagrams that came, whoever sent them.")
    static let dropped = MetricFamily("rmcp_dropped_datagrams_total", .counter, "Datagrams that came and were not used, by reason.")
    static let naks = MetricFamily("rmcp_naks_total", .counter, "NAK datagrams by direction.")
    static let rejectedChunks = MetricFamily("rmcp_rejected_chunks_total", .counter, "Chunks that were not what their sender had signed.")
    static let rate = MetricFamily("rmcp_rate_bytes_per_second", .gauge, "Rate at which may be sent now, of all sessions.")
    static let loss = MetricFamily("rmcp_loss_ratio", .gauge, "Loss now: of the median receiver at a sender, of the worst session elsewhere.")
    static let roundTrip = MetricFamily("rmcp_round_trip_seconds", .gauge, "Longest round trip within the group that was measured.")
    static let rejoins = MetricFamily("rmcp_membership_rejoins_total", .counter, "Times that the groups were left and joined anew, by cause.")
    static let deaf = MetricFamily("rmcp_deaf", .gauge, "1 while multicast does not arrive and a session is served by unicast.")

    // MARK: Bundles

    static let bundles = MetricFamily("rmcp_bundles_total", .counter, "Bundles that came to an end, by result.")
    static let bundleBytes = MetricFamily("rmcp_bundle_bytes_total", .counter, "Verified content bytes of bundles, by where they came from.")
    static let lastComplete = MetricFamily(
        "rmcp_last_complete_timestamp_seconds", .gauge, "Time at which the last bundle was complete, since 1970; none before the first.")
    static let hookDuration = MetricFamily("rmcp_hook_duration_seconds", .summary, "Time that commands after bundles took.")

    // MARK: The cache of a repair node

    static let cacheBytes = MetricFamily("rmcp_cache_bytes", .gauge, "Bytes of the cache that are in use.")
    static let cacheLimit = MetricFamily("rmcp_cache_limit_bytes", .gauge, "Bytes that the cache may use.")
    static let cacheEvicted = MetricFamily("rmcp_cache_evicted_bytes_total", .counter, "Bytes of bundles that had to leave the cache.")
    static let cacheSessions = MetricFamily("rmcp_cache_sessions", .gauge, "Sessions that the cache holds something of.")

    // MARK: The process, over HTTP only

    public static let processCPU = MetricFamily("process_cpu_seconds_total", .counter, "Total user and system CPU time spent in seconds.")
    public static let processMemory = MetricFamily("process_resident_memory_bytes", .gauge, "Resident memory size in bytes.")
    public static let processDescriptors = MetricFamily("process_open_fds", .gauge, "Number of open file descriptors.")
    public static let processStart = MetricFamily("process_start_time_seconds", .gauge, "Start time of the process since unix epoch in seconds.")

    /// Every metric that there is.
    public static let all = [
        buildInfo, sessions, progress, receivers, refusing, repairNodes, children, sentBytes, unsent, receivedBytes, receivedDatagrams, dropped, naks,
        rejectedChunks, rate, loss, roundTrip, rejoins, deaf, bundles, bundleBytes, lastComplete, hookDuration, cacheBytes, cacheLimit, cacheEvicted,
        cacheSessions, processCPU, processMemory, processDescriptors, processStart,
    ]
}
