/// A NAK: what a child lacks, told to its parent by unicast.
public struct NegativeAcknowledgement: Hashable, Sendable {
    /// Echo of the parent's last HEARTBEAT, by which the parent measures the round trip.
    public var echo: TimestampEcho
    /// As in a STATUS.
    public var cookie: UInt64
    /// Needs, as many as fit one datagram of the session's datagram length: a longer NAK is malformed.
    public var request: RepairRequest
    public init(echo: TimestampEcho, cookie: UInt64 = 0, request: RepairRequest) {
        self.echo = echo
        self.cookie = cookie
        self.request = request
    }

    /// Bytes before the entries, the packet's header not included.
    static let prefixLength = 20

    /// A NAK without its entries, which are not read.
    init(readingPrefix reader: inout ByteReader) throws(WireError) {
        self.init(echo: try TimestampEcho(reading: &reader), cookie: try reader.readUInt64(), request: RepairRequest())
    }
}

/// How a child and everything below it fares, told to its parent by unicast.
public struct StatusReport: Hashable, Sendable {
    /// Echo of the parent's last HEARTBEAT, as in a NAK.
    public var echo: TimestampEcho
    /// Length of the longest datagram that came by multicast (at a stream child: of any), bytes: it finds holes in the path MTU.
    public var longestDatagram: UInt16
    /// Nothing comes from the group: what the child needs must come by unicast.
    public var isDeaf: Bool
    /// Everything is wanted by unicast, first transmissions too.
    public var wantsStream: Bool
    /// What the parent answered an ATTACH with. Who shows none, or another address's, is not counted.
    public var cookie: UInt64
    /// Counts of one receiver, or of everybody below a repair node, itself counted among the nodes. One without repair nodes is of exactly one
    /// receiver: a parent counts any other as malformed.
    public var histogram: StatusHistogram
    /// Receivers that failed and want to be named: the child itself, or those below it.
    public var labels: [FailureLabel]
    public init(
        echo: TimestampEcho, longestDatagram: UInt16, isDeaf: Bool = false, wantsStream: Bool = false, cookie: UInt64 = 0,
        histogram: StatusHistogram, labels: [FailureLabel] = []
    ) {
        self.labels = labels
        self.echo = echo
        self.longestDatagram = longestDatagram
        self.isDeaf = isDeaf
        self.wantsStream = wantsStream
        self.cookie = cookie
        self.histogram = histogram
    }

    private static let labelsFlag: UInt8 = 4
    /// Bytes before the cookie: echo, length and flags.
    private static let bytesBeforeCookie = 15

    /// Cookie of a report of which nothing else is read yet.
    static func cookie(readingAhead reader: ByteReader) throws(WireError) -> UInt64 {
        var ahead = reader
        try ahead.skip(bytesBeforeCookie)
        return try ahead.readUInt64()
    }

    func write(to writer: inout ByteWriter) {
        echo.write(to: &writer)
        writer.writeUInt16(longestDatagram)
        writer.writeUInt8((isDeaf ? 1 : 0) | (wantsStream ? 2 : 0) | (labels.isEmpty ? 0 : Self.labelsFlag))
        writer.writeUInt64(cookie)
        histogram.write(to: &writer)
        if !labels.isEmpty { FailureLabel.write(labels, room: Self.lengthWithLabels - writer.count, to: &writer) }
    }

    /// Bytes of a datagram up to which there is room for labels. Every path that takes datagrams of ordinary length takes such a STATUS, and
    /// one that is longer for its lists alone is so by a few bytes.
    private static let lengthWithLabels = 1_400

    init(reading reader: inout ByteReader) throws(WireError) {
        echo = try TimestampEcho(reading: &reader)
        longestDatagram = try reader.readUInt16()
        let flags = try reader.readUInt8()
        isDeaf = flags & 1 != 0
        wantsStream = flags & 2 != 0
        cookie = try reader.readUInt64()
        histogram = try StatusHistogram(reading: &reader)
        // Bytes behind the end that no flag speaks of are for those who come later.
        labels = flags & Self.labelsFlag != 0 ? try FailureLabel.read(from: &reader) : []
    }
}

/// Everything that can be in a datagram. What parses is well formed; whether it is authentic is checked where it is
/// used, since that needs the session's key.
public enum Packet: Hashable, Sendable {
    /// The signature covers `Announce.signedMessage`.
    case announce(Announce, Signature)
    /// `body` is what the signature covers behind the domain and session id.
    case page(TablePage, body: [UInt8], Signature)
    /// The payload starts at `payloadOffset` of the datagram and runs to its end.
    case data(DataHeader, payloadOffset: Int)
    /// Totals of the table. The signature covers domain, session id and body (docs/protocol.md, "Signatures").
    case end(EndOfTable, Signature)
    /// A parent's word of where the session stands, to its group or to a unicast child. Not signed.
    case heartbeat(Heartbeat)
    /// A child's needs, to its parent by unicast. Not signed.
    case nak(NegativeAcknowledgement)
    /// A parent's confirmation of needs, to its group: who has them too need not ask. Not signed.
    case ncf(RepairRequest)
    /// A child's report, to its parent by unicast. Not signed.
    case status(StatusReport)
    /// `sequence` is that of the acknowledged STATUS or DETACH.
    case acknowledgement(sequence: UInt32)
    /// Asks a host for the ANNOUNCEs of what it sends; of no session, and as long as the answer.
    case solicitation
    /// A child's request to a parent to be taken, by unicast. Not signed.
    case attach(AttachRequest)
    /// The answer to an ATTACH, by unicast; also to a STATUS or a PLACE that does not count.
    case attached(AttachAnswer)
    /// The child has found another parent; `cookie` as in its STATUS.
    case detach(cookie: UInt64)
    /// Of no session. The signature covers `Advertisement.signedMessage`.
    case advertisement(Advertisement, Signature)
    /// A watcher's question to a parent.
    case query(WatchQuery)
    /// A parent's answer to a QUERY, by unicast.
    case report(WatchReport)
    /// The signature covers `Statement.signedMessage`.
    case statement(Statement, Signature)
    /// A part of a chunk's outline, from a parent. It vouches for itself: see `OutlinePart.isTrue`.
    case outline(OutlinePart)
    /// A word of a receiver that takes no part, to a parent by unicast.
    case refusal(RefusalNotice)
    /// The signature covers `NodePlace.signedMessage`.
    case place(NodePlace, Signature)

    /// Bytes of a SOLICITATION, header included: as many as the longest ANNOUNCE without padding.
    static let solicitationLength = PacketHeader.length + Announce.fixedLength + SealedDetails.length + 32 + 64

    /// A datagram of no session, or one that stands for itself on a disk.
    public func datagram(sessionTag: UInt32, transmitter: UInt32, sequence: UInt32 = 0, isUnicast: Bool = true) -> [UInt8] {
        var writer = ByteWriter()
        PacketHeader(
            kind: PacketKind(of: self), isUnicast: isUnicast, sessionTag: sessionTag, transmitter: transmitter, sequence: sequence
        ).write(to: &writer)
        writer.write(self)
        return writer.bytes
    }

    /// Reads one datagram, header included.
    public static func parse(_ datagram: RawSpan) throws(WireError) -> (PacketHeader, Packet) {
        var reader = ByteReader(datagram)
        let header = try PacketHeader(reading: &reader)
        return (header, try body(of: header.kind, from: &reader))
    }

    /// What follows the header.
    static func body(of kind: PacketKind, from reader: inout ByteReader) throws(WireError) -> Packet {
        switch kind {
        case .announce: return .announce(try Announce(reading: &reader), try reader.readSignature())
        case .page:
            let start = reader.offset
            let page = try TablePage(reading: &reader)
            let body = reader.array(in: start..<reader.offset)
            return .page(page, body: body, try reader.readSignature())
        case .data:
            let header = try DataHeader(reading: &reader)
            return .data(header, payloadOffset: reader.offset)
        case .end: return .end(try EndOfTable(reading: &reader), try reader.readSignature())
        case .heartbeat: return .heartbeat(try Heartbeat(reading: &reader))
        case .nak:
            var nak = try NegativeAcknowledgement(readingPrefix: &reader)
            nak.request = try RepairRequest(reading: &reader)
            return .nak(nak)
        case .ncf: return .ncf(try RepairRequest(reading: &reader))
        case .status:
            return .status(try StatusReport(reading: &reader))
        case .acknowledgement: return .acknowledgement(sequence: try reader.readUInt32())
        case .solicitation:
            guard reader.offset + reader.remaining >= Self.solicitationLength else { throw .truncated }
            return .solicitation
        case .attach:
            guard reader.remaining >= AttachAnswer.length else { throw .truncated }
            return .attach(try AttachRequest(reading: &reader))
        case .attached: return .attached(try AttachAnswer(reading: &reader))
        case .detach: return .detach(cookie: try reader.readUInt64())
        case .advertisement: return .advertisement(try Advertisement(reading: &reader), try reader.readSignature())
        case .query: return .query(try WatchQuery(reading: &reader))
        case .report: return .report(try WatchReport(reading: &reader))
        case .statement: return .statement(try Statement(reading: &reader), try reader.readSignature())
        case .outline: return .outline(try OutlinePart(reading: &reader))
        case .refusal: return .refusal(try RefusalNotice(reading: &reader))
        case .place: return .place(try NodePlace(reading: &reader), try reader.readSignature())
        }
    }
}

extension ByteWriter {
    /// Writes the body of a control packet behind its header.
    mutating func write(_ packet: Packet) {
        switch packet {
        case .announce(let announce, let signature): announce.write(signature: signature, to: &self)
        case .page(_, let body, let signature):
            writeArray(body)
            writeSignature(signature)
        case .data(let header, _):
            writeUInt32(header.chunk)
            writeUInt16(header.packet)
            writeUInt16(header.isRepair ? DataHeader.repairFlag : 0)
        case .end(let end, let signature): end.write(signature: signature, to: &self)
        case .heartbeat(let heartbeat): heartbeat.write(to: &self)
        case .nak(let nak):
            nak.echo.write(to: &self)
            writeUInt64(nak.cookie)
            nak.request.write(to: &self)
        case .ncf(let request): request.write(to: &self)
        case .status(let report): report.write(to: &self)
        case .acknowledgement(let sequence): writeUInt32(sequence)
        case .solicitation: pad(to: Packet.solicitationLength)
        case .attach(let request): request.write(to: &self)
        case .attached(let answer): answer.write(to: &self)
        case .detach(let cookie): writeUInt64(cookie)
        case .advertisement(let advertisement, let signature): advertisement.write(signature: signature, to: &self)
        case .query(let query): query.write(to: &self)
        case .report(let report): report.write(to: &self)
        case .statement(let statement, let signature): statement.write(signature: signature, to: &self)
        case .outline(let part): part.write(to: &self)
        case .refusal(let notice): notice.write(to: &self)
        case .place(let place, let signature): place.write(signature: signature, to: &self)
        }
    }
}

extension PacketKind {
    /// The kind under which `packet` travels.
    init(of packet: Packet) {
        switch packet {
        case .announce: self = .announce
        case .page: self = .page
        case .data: self = .data
        case .end: self = .end
        case .heartbeat: self = .heartbeat
        case .nak: self = .nak
        case .ncf: self = .ncf
        case .status: self = .status
        case .acknowledgement: self = .acknowledgement
        case .solicitation: self = .solicitation
        case .attach: self = .attach
        case .attached: self = .attached
        case .detach: self = .detach
        case .advertisement: self = .advertisement
        case .query: self = .query
        case .report: self = .report
        case .statement: self = .statement
        case .outline: self = .outline
        case .refusal: self = .refusal
        case .place: self = .place
        }
    }
}
