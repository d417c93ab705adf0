import FuzzSupport
import TestSupport

@testable import RMCPProtocol

/// One input is one datagram. What is understood must survive being written and read again, must not have grown, and
/// must be judged without a trap by a receiver that looks for sessions.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let datagram = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    judge(datagram)
    guard let (header, packet) = unsafe try? Packet.parse(datagram.span.bytes) else { return 0 }
    let again = encode(packet, header: header, payload: payload(of: packet, in: datagram))
    require(again.count <= datagram.count, "\(packet) grew from \(datagram.count) to \(again.count) bytes")
    guard let (secondHeader, second) = unsafe try? Packet.parse(again.span.bytes) else { fatalError("\(packet) does not parse when written") }
    require(secondHeader == header, "\(header) became \(secondHeader)")
    require(second == normal(packet), "\(packet) became \(second)")
    require(encode(second, header: header, payload: payload(of: second, in: again)) == again, "\(second) is not written the same twice")
    checkParts(of: packet)
    return 0
}

@_cdecl("LLVMFuzzerInitialize")
public func initialize(_: UnsafeMutableRawPointer?, _: UnsafeMutableRawPointer?) -> CInt {
    writeSeeds(seeds())
    return 0
}

private func encode(_ packet: Packet, header: PacketHeader, payload: ArraySlice<UInt8>) -> [UInt8] {
    var writer = ByteWriter()
    header.write(to: &writer)
    writer.write(packet)
    writer.writeArray(payload)
    return writer.bytes
}

private func payload(of packet: Packet, in datagram: [UInt8]) -> ArraySlice<UInt8> {
    guard case .data(_, let offset) = packet else { return [] }
    require(offset == DataHeader.length && offset < datagram.count, "payload at \(offset) of \(datagram.count) bytes")
    return datagram[offset...]
}

/// A request may name a chunk and none of its packets, which is not written.
private func normal(_ packet: Packet) -> Packet {
    switch packet {
    case .nak(var nak):
        nak.request.packets.removeAll { $0.packets.isEmpty }
        nak.request.outlines.removeAll { $0.packets.isEmpty }
        return .nak(nak)
    case .ncf(var request):
        request.packets.removeAll { $0.packets.isEmpty }
        request.outlines.removeAll { $0.packets.isEmpty }
        return .ncf(request)
    default: return packet
    }
}

private func checkParts(of packet: Packet) {
    switch packet {
    case .page(let page, _, _):
        // The sender makes the body again from the records.
        let body = page.body
        var reader = unsafe ByteReader(body.span.bytes)
        let again = try? TablePage(reading: &reader)
        require(again == page, "a page of \(page.records.count) records is not what its body says")
        require(page.chunkRange.upperBound <= Limits.maximumChunks, "chunks \(page.chunkRange)")
    case .nak(let nak): _ = nak.request.summary
    case .ncf(let request): _ = request.summary
    case .status(let report):
        let histogram = report.histogram
        _ = (histogram.population, histogram.failed, histogram.active, histogram.leaf, histogram.withoutRehomed)
        for counts in [histogram.states, histogram.progress, histogram.loss, histogram.pressure, histogram.arrival] {
            for quantile in [0, 0.1, 0.9, 1] {
                require(counts.indices.contains(StatusHistogram.quantile(quantile, of: counts)), "quantile of \(counts)")
                require(counts.indices.contains(StatusHistogram.upperQuantile(quantile, of: counts)), "upper quantile of \(counts)")
            }
        }
        var sum = histogram
        sum.add(histogram)
        sum.subtract(histogram)
        require(sum == histogram, "sums of \(histogram)")
    case .announce(let announce, _): require(!announce.signedMessage.isEmpty, "nothing to sign")
    case .heartbeat(let heartbeat): require(heartbeat.place.depth <= TreePlace.maximumDepth, "a path of \(heartbeat.place.depth)")
    case .advertisement(let advertisement, _): require(advertisement.region.isMulticast, "a region at \(advertisement.region)")
    case .report(let report):
        require(report.nodes.count <= WatchReport.maximumNodes && report.path.count <= TreePlace.maximumDepth, "\(report)")
        require(report.nodes.allSatisfy { !$0.address.isMulticast && $0.address.port > 0 }, "nodes at \(report.nodes)")
    case .place(let place, _): require((1...TreePlace.maximumDepth).contains(place.place.depth), "a path of \(place.place.depth)")
    case .data, .end, .acknowledgement, .solicitation, .attach, .attached, .detach, .query, .statement, .refusal, .outline: break
    }
}

private func judge(_ datagram: [UInt8]) {
    let policy = TrustPolicy(trustedKeys: [MarkSigner.key], allowsUnsigned: datagram.count % 2 == 0)
    var directory = SessionDirectory(
        policy: policy, verifier: GenuineVerifier(messages: []), sessionLimit: 1, silence: .seconds(1))
    for round in 0..<2 {
        let now = Instant.zero + .seconds(Double(round))
        if case .accept(let announce, _) = unsafe directory.judge(datagram.span.bytes, from: .ipv4(10, 0, 0, 1, port: 1), at: now, lastHeard: { _ in now }) {
            require(policy.allowsUnsigned && !announce.isSigned && round == 0, "took a session that nobody signed: \(announce)")
        }
    }
}
