/// A NAK: what a child lacks, told to its parent by unicast.
public struct NegativeAcknowledgement: Hashable, Sendable {
    public var echo: TimestampEcho
    public var request: RepairRequest
    public init(echo: TimestampEcho, request: RepairRequest) {
        self.echo = echo
        self.request = request
    }
}

/// How a child and everything below it fares, told to its parent by unicast.
public struct StatusReport: Hashable, Sendable {
    public var echo: TimestampEcho
    /// Length of the longest datagram that came from the parent by multicast, bytes: it finds holes in the path MTU.
    public var longestDatagram: UInt16
    /// Nothing comes from the group: what the child needs must come by unicast.
    public var isDeaf: Bool
    public var histogram: StatusHistogram
    public init(echo: TimestampEcho, longestDatagram: UInt16, isDeaf: Bool = false, histogram: StatusHistogram) {
        self.echo = echo
        self.longestDatagram = longestDatagram
        self.isDeaf = isDeaf
        self.histogram = histogram
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
    case end(EndOfTable, Signature)
    case heartbeat(Heartbeat)
    case nak(NegativeAcknowledgement)
    case ncf(RepairRequest)
    case status(StatusReport)
    /// `sequence` is that of the acknowledged STATUS.
    case acknowledgement(sequence: UInt32)

    /// Reads one datagram, header included.
    public static func parse(_ datagram: RawSpan) throws(WireError) -> (PacketHeader, Packet) {
        var reader = ByteReader(datagram)
        let header = try PacketHeader(reading: &reader)
        return (header, try body(of: header.kind, from: &reader))
    }

    private static func body(of kind: PacketKind, from reader: inout ByteReader) throws(WireError) -> Packet {
        switch kind {
        case .announce: return .announce(try Announce(reading: &reader), try reader.readSignature())
        case .page:
            let start = reader.offset
            let page = try TablePage(reading: &reader)
            let body = reader.array(in: start..<reader.offset)
            return .page(page, body: body, try reader.readSignature())
        case .data:
            let header = try DataHeader(reading: &reader)
            guard reader.remaining > 0 else { throw .truncated }
            return .data(header, payloadOffset: reader.offset)
        case .end: return .end(try EndOfTable(reading: &reader), try reader.readSignature())
        case .heartbeat: return .heartbeat(try Heartbeat(reading: &reader))
        case .nak:
            return .nak(
                NegativeAcknowledgement(
                    echo: try TimestampEcho(reading: &reader), request: try RepairRequest(reading: &reader)))
        case .ncf: return .ncf(try RepairRequest(reading: &reader))
        case .status:
            return .status(
                StatusReport(
                    echo: try TimestampEcho(reading: &reader), longestDatagram: try reader.readUInt16(),
                    isDeaf: try reader.readUInt8() & 1 != 0, histogram: try StatusHistogram(reading: &reader)))
        case .acknowledgement: return .acknowledgement(sequence: try reader.readUInt32())
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
            nak.request.write(to: &self)
        case .ncf(let request): request.write(to: &self)
        case .status(let report):
            report.echo.write(to: &self)
            writeUInt16(report.longestDatagram)
            writeUInt8(report.isDeaf ? 1 : 0)
            report.histogram.write(to: &self)
        case .acknowledgement(let sequence): writeUInt32(sequence)
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
        }
    }
}
