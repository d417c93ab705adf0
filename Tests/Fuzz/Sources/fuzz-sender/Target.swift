import FuzzSupport

@testable import RMCPProtocol

/// One input is what a sender hears: statuses and requests of receivers, forgeries under anybody's address, garbage, and
/// steps of time. The checks are in `Host`.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var input = unsafe Input(start, count)
    var host = Host()
    let beginning = input.byte()
    // Some receivers have joined, and the stream has begun.
    if beginning & 3 != 0 {
        for child in 1...(beginning & 3) { join(&host, child: child) }
        for _ in 0..<Int(beginning >> 2) { host.sleep(.milliseconds(2)) }
    }
    var steps = 0
    while !input.isAtEnd, steps < 300 {
        step(&host, &input)
        steps += 1
    }
    return 0
}

@_cdecl("LLVMFuzzerInitialize")
public func initialize(_: UnsafeMutableRawPointer?, _: UnsafeMutableRawPointer?) -> CInt {
    writeSeeds(seeds())
    return 0
}

/// The operations, by the low bits of their first byte.
enum Step: UInt8 {
    case sleep, status, deaf, request, forged, raw, fetched, stop
}

private let session = Bundle.announce(isStream: false).session

private func status(
    _ state: ReceiverState, child: UInt32, _ echo: TimestampEcho, isDeaf: Bool = false, wantsStream: Bool = false, cookie: UInt64 = 0,
    longest: UInt16 = 500, bucket: UInt8 = 0
) -> [UInt8] {
    let leaf = LeafStatus(state: state, progress: bucket % 11, network: .init(loss: bucket % 16, pressure: bucket >> 5, arrival: bucket))
    let label = bucket & 2 != 0 ? FailureLabel("child \(child)", state) : nil
    let report = StatusReport(
        echo: echo, longestDatagram: longest, isDeaf: isDeaf, wantsStream: wantsStream, cookie: cookie, histogram: StatusHistogram(leaf),
        labels: label.map { [$0] } ?? [])
    return write(.status(report), isUnicast: true, tag: session.tag, transmitter: child)
}

/// It proves its address, and is counted.
private func join(_ host: inout Host, child: UInt8) {
    let address = child - 1
    let attach = Packet.attach(AttachRequest(nonce: UInt64(child), wantsStream: false))
    host.take(write(attach, isUnicast: true, tag: session.tag, transmitter: UInt32(child)), from: address)
    host.take(status(.receiving, child: UInt32(child), .none, cookie: host.cookie(1, at: address)), from: address)
}

private func step(_ host: inout Host, _ input: inout Input) {
    let choice = input.byte()
    let argument = choice >> 3
    switch Step(rawValue: choice & 7) ?? .sleep {
    case .sleep: host.sleep(stepLength(argument))
    case .status:
        let state = ReceiverState.allCases[Int(input.byte()) % ReceiverState.allCases.count]
        let echo = TimestampEcho(timestamp: host.timestamp(0, at: 0), delay: 0)
        let address = argument % 8
        let cookie = host.cookie(1, at: address)
        let longest = UInt16(input.byte()) * 2
        host.take(status(state, child: UInt32(argument % 16), echo, cookie: cookie, longest: longest, bucket: input.byte()), from: address)
    case .deaf:
        let (child, choice) = (UInt32(argument % 16), input.byte())
        let address = choice % 8
        let echo = TimestampEcho(timestamp: host.timestamp(argument >> 4, at: address), delay: 0)
        let cookie = host.cookie(choice >> 3 & 7, at: address)
        host.take(status(.receiving, child: child, echo, isDeaf: true, wantsStream: choice & 64 != 0, cookie: cookie), from: address)
    case .request: host.take(request(child: argument, host, &input), from: argument % 8)
    case .forged: host.take(forged(kind: argument, host, &input), from: input.byte() % 8)
    case .raw: host.take(input.take(Int(input.word(bytes: 2)) % 1_500), from: argument % 8)
    case .fetched: host.finishFetch(Int(argument))
    case .stop:
        if argument == 31 { host.engine.stop(at: host.now) } else { attachment(&host, kind: argument >> 3, child: argument & 7, &input) }
    }
}

/// A child comes, or goes, or asks what there is.
private func attachment(_ host: inout Host, kind: UInt8, child: UInt8, _ input: inout Input) {
    let choice = input.byte()
    let address = choice % 8
    let packet: Packet
    switch kind {
    case 0, 1: packet = .attach(AttachRequest(nonce: UInt64(choice), wantsStream: kind == 1))
    case 2: packet = .detach(cookie: host.cookie(choice >> 3, at: address))
    default: packet = .solicitation
    }
    host.take(write(packet, isUnicast: true, tag: session.tag, transmitter: UInt32(child)), from: address)
}

private func request(child: UInt8, _ host: Host, _ input: inout Input) -> [UInt8] {
    var request = RepairRequest()
    let kinds = input.byte()
    let chunk = UInt32(input.byte() % 16)
    let first = input.byte() % 16
    let count = input.byte() % 16
    if kinds & 1 != 0 { request.needsEnd = true }
    if kinds & 2 != 0 { request.pages = [UInt32(first)..<UInt32(first) + UInt32(count) + 1] }
    if kinds & 4 != 0 { request.chunks = [chunk..<chunk + UInt32(count) + 1] }
    if kinds & 8 != 0 { request.packets = [.init(chunk: chunk, packets: PacketSet(Int(first)..<Int(first) + Int(count) + 1))] }
    if kinds & 16 != 0 {
        // Every other chunk, for tables that fragment.
        request.chunks += stride(from: chunk, to: 16, by: 2).map { $0..<$0 + 1 }
    }
    let echo = TimestampEcho(timestamp: host.timestamp(0, at: 0), delay: UInt32(kinds))
    let nak = Packet.nak(NegativeAcknowledgement(echo: echo, cookie: host.cookie(kinds >> 5, at: child % 8), request: request))
    return write(nak, isUnicast: true, tag: session.tag, transmitter: UInt32(child % 16))
}

/// A body out of the input behind a header that gets past the first look.
private func forged(kind: UInt8, _ host: Host, _ input: inout Input) -> [UInt8] {
    let any = input.kind()
    var writer = ByteWriter()
    PacketHeader(
        kind: kind & 16 != 0 ? any : kind & 1 == 0 ? .nak : .status, isUnicast: true, sessionTag: session.tag, transmitter: UInt32(input.byte() % 16),
        sequence: 1
    ).write(to: &writer)
    writer.writeArray(input.take(Int(input.byte()) * 2))
    return writer.bytes
}
