import FuzzSupport
import TestSupport

@testable import RMCPProtocol

/// One input is what a repair node lives through: the session from above, damaged and forged, children below, a cache
/// that is late, damaged or gone, and restarts. The checks are in `Host`.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var input = unsafe Input(start, count)
    let beginning = input.byte()
    let fixture = fixtures[Int(beginning & 1)]
    var host = Host(fixture, mode: beginning & 2 == 0 ? .repair : .relay)
    for datagram in fixture.datagrams.prefix(Int(beginning >> 2) * 3) { host.hear(datagram) }
    var steps = 0
    while !input.isAtEnd, steps < 300 {
        step(&host, &input, fixture)
        steps += 1
    }
    return 0
}

@_cdecl("LLVMFuzzerInitialize")
public func initialize(_: UnsafeMutableRawPointer?, _: UnsafeMutableRawPointer?) -> CInt {
    writeSeeds(seeds())
    return 0
}

let fixtures = [Recording(isSigned: true, isStream: false), Recording(isSigned: false, isStream: false)]

/// The operations, by the low bits of their first byte.
enum Step: UInt8 {
    case sleep, run, damaged, forged, child, request, work, trouble
}

private let session = Bundle.announce(isStream: false).session

private func step(_ host: inout Host, _ input: inout Input, _ fixture: Recording) {
    let choice = input.byte()
    let argument = choice >> 3
    switch Step(rawValue: choice & 7) ?? .sleep {
    case .sleep: host.sleep(stepLength(argument))
    case .run:
        // A stretch of the genuine session.
        let first = Int(input.byte())
        for index in 0..<Int(argument) { host.hear(fixture.datagrams[(first + index) % fixture.datagrams.count]) }
    case .damaged:
        let datagram = fixture.datagrams[Int(input.byte()) % fixture.datagrams.count]
        host.hear(input.damage(datagram, bytes: Int(argument % 16) + 1))
    case .forged:
        let kind = input.kind()
        let transmitter = input.byte() % 4
        let body = input.take(Int(input.byte()) * 2)
        let parent = transmitter == 0 ? fixture.transmitter : UInt32(transmitter)
        // From another parent, from a child, or from the node itself.
        let datagram = forged(kind, transmitter: parent, body)
        if argument & 16 == 0 { host.hear(datagram) } else { host.hearChild(datagram, from: transmitter) }
    case .child: child(&host, argument, &input)
    case .request: request(&host, argument, &input)
    case .work: if argument == 31 { host.finishAllWork() } else { host.finishWork(Int(argument)) }
    case .trouble:
        switch argument % 8 {
        case 0: host.retire()
        case 1: host.restart(fixture, without: input.byte())
        case 2: host.giveUp([.failedDiskFull, .failedStorage, .interrupted][Int(input.byte() % 3)])
        case 3, 4: host.loseBuffer(Int(input.byte()))
        default: host.finishAllWork()
        }
    }
}

private func forged(_ kind: PacketKind, transmitter: UInt32, _ body: [UInt8]) -> [UInt8] {
    var writer = ByteWriter()
    PacketHeader(kind: kind, sessionTag: session.tag, transmitter: transmitter, sequence: 1).write(to: &writer)
    writer.writeArray(body)
    return writer.bytes
}

private func child(_ host: inout Host, _ argument: UInt8, _ input: inout Input) {
    let choice = input.byte()
    let address = choice & 7
    let cookie = choice & 8 == 0 ? host.cookie(address) : UInt64(choice)
    let packet: Packet
    switch argument >> 3 {
    case 0: packet = .attach(AttachRequest(nonce: UInt64(choice), wantsStream: choice & 16 != 0))
    case 1: packet = .detach(cookie: cookie)
    default:
        let state = ReceiverState.allCases[Int(input.byte()) % ReceiverState.allCases.count]
        var histogram = StatusHistogram(LeafStatus(state: state, progress: choice >> 4, network: nil, isRehomed: argument & 8 != 0))
        if choice & 128 != 0 { histogram.tree.repairNodes = .max }
        packet = .status(
            StatusReport(
                echo: .none, longestDatagram: 500, isDeaf: choice & 32 != 0, wantsStream: choice & 64 != 0, cookie: cookie, histogram: histogram,
                labels: [FailureLabel("child \(argument & 7)", state)].compactMap { $0 }))
    }
    host.hearChild(write(packet, isUnicast: true, tag: session.tag, transmitter: 100 + UInt32(argument & 7)), from: address)
}

private func request(_ host: inout Host, _ argument: UInt8, _ input: inout Input) {
    var request = RepairRequest()
    let (kinds, chunk, packets) = (input.byte(), UInt32(input.byte() % 16), input.byte())
    let (first, count) = (packets & 15, packets >> 4)
    if kinds & 1 != 0 { request.needsEnd = true }
    if kinds & 2 != 0 { request.pages = [UInt32(first)..<UInt32(first) + UInt32(count) + 1] }
    if kinds & 4 != 0 { request.chunks = [chunk..<chunk + UInt32(count) + 1] }
    if kinds & 8 != 0 { request.packets = [.init(chunk: chunk, packets: PacketSet(Int(first)..<Int(first) + Int(count) + 1))] }
    // Some prove that they are a child, and are answered alone.
    let cookie = kinds & 16 == 0 ? 0 : host.cookie(argument & 7)
    let nak = Packet.nak(NegativeAcknowledgement(echo: .none, cookie: cookie, request: request))
    host.hearChild(write(nak, isUnicast: true, tag: session.tag, transmitter: 100 + UInt32(argument & 7)), from: argument & 7)
}
