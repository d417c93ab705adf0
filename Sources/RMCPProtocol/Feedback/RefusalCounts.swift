/// Why a receiver takes no part in a session that it has heard of: all that it tells the sender.
public enum RefusalReason: UInt8, Sendable, Hashable, CaseIterable {
    /// The session is not signed, or not by a key that is trusted there.
    case untrusted = 0
    /// A newer version of the bundle is there, by a clock or by an epoch.
    case outdated = 1
    /// Other sessions have all places there, or the one output, for now.
    case busy = 2
    /// A kind of bundle that is not taken there.
    case unsupported = 3

    /// For the summary: "2 receivers refused: a newer version is there".
    public var text: String {
        switch self {
        case .untrusted: "the sender is not trusted there"
        case .outdated: "a newer version is there"
        case .busy: "no room for another session there"
        case .unsupported: "bundles of this kind are not taken there"
        }
    }

    /// Whether the receiver believes the sender, so that the bundle is missing there. Others were never meant.
    public var isOfTrusting: Bool { self != .untrusted }
}

/// Numbers of receivers that take no part, by reason.
public struct RefusalCounts: Hashable, Sendable {
    /// Counts by raw value of the reason. An array would be memory of its own for each STATUS that is read.
    private var counts = SIMD4<UInt64>()

    public init() {}

    /// Receivers that have this reason.
    public subscript(reason: RefusalReason) -> UInt64 {
        get { counts[Int(reason.rawValue)] }
        set { counts[Int(reason.rawValue)] = newValue }
    }

    /// Receivers that take no part, whatever their reason; up to where 64 bits end.
    public var total: UInt64 { counts.indices.reduce(into: 0) { $0.increase(by: counts[$1]) } }
    /// Those who believe the sender.
    public var ofTrusting: UInt64 { RefusalReason.allCases.reduce(into: 0) { if $1.isOfTrusting { $0.increase(by: self[$1]) } } }

    mutating func add(_ other: RefusalCounts) { for index in counts.indices { counts[index].increase(by: other.counts[index]) } }
    mutating func subtract(_ other: RefusalCounts) { for index in counts.indices { counts[index].decrease(by: other.counts[index]) } }

    // MARK: On the wire

    /// Reasons that somebody has: each is an entry.
    private var reasons: [RefusalReason] { RefusalReason.allCases.filter { self[$0] > 0 } }
    var entryCount: Int { reasons.count }

    func writeEntries(to writer: inout ByteWriter) {
        for reason in reasons {
            writer.writeUInt8(reason.rawValue)
            writer.writeUInt32(UInt32(min(self[reason], StatusHistogram.maximumCount)))
        }
    }

    init(readingEntries count: Int, from reader: inout ByteReader) throws(WireError) {
        var last = -1
        for _ in 0..<count {
            guard let reason = RefusalReason(rawValue: try reader.readUInt8()), Int(reason.rawValue) > last else { throw .invalidField("refusal") }
            last = Int(reason.rawValue)
            self[reason] = UInt64(try reader.readUInt32())
            guard (1...StatusHistogram.maximumCount).contains(self[reason]) else { throw .invalidField("refusals") }
        }
    }
}
