import FuzzSupport
import TestSupport

@testable import RMCPProtocol

/// One input is what a receiver lives through in a session that is open already: datagrams of the session, damaged and
/// forged ones, steps of time, and a host that answers late or fails. The checks are in `Host`.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var input = unsafe Input(start, count)
    let mode = input.byte()
    let fixture = fixtures[Int(mode & 3)]
    var host = opened(mode: mode & 7, fixture, datagrams: Int(input.byte()) % fixture.recording.datagrams.count)
    var steps = 0
    while !input.isAtEnd, steps < 400 {
        step(&host, &input, fixture)
        steps += 1
    }
    if mode & 8 != 0 { recover(&host, fixture) }
    return 0
}

@_cdecl("LLVMFuzzerInitialize")
public func initialize(_: UnsafeMutableRawPointer?, _: UnsafeMutableRawPointer?) -> CInt {
    writeSeeds(seeds())
    return 0
}

struct Fixture: Sendable {
    let recording: Recording
    /// What an input can name by its number.
    let known: [[UInt8]]

    init(isSigned: Bool, isStream: Bool) {
        var recording = Recording(isSigned: isSigned, isStream: isStream)
        let lowered = recording.lowered(to: 400)
        self.recording = recording
        known = recording.byKind + [lowered]
    }
}

let fixtures = [
    Fixture(isSigned: true, isStream: false), Fixture(isSigned: false, isStream: false), Fixture(isSigned: true, isStream: true),
    Fixture(isSigned: false, isStream: true),
]

/// Hosts that are deep in the session already: engines are values, so that each beginning is played once only.
nonisolated(unsafe) private var beginnings: [Int: Host] = [:]

private func opened(mode: UInt8, _ fixture: Fixture, datagrams count: Int) -> Host {
    let key = count << 3 | Int(mode)
    if let known = unsafe beginnings[key] { return known }
    var host = Host(recording: fixture.recording, isResumable: mode & 4 != 0)
    for datagram in fixture.recording.datagrams.prefix(count) { host.take(datagram) }
    unsafe beginnings[key] = host
    return host
}

/// The operations, by the low bits of their first byte.
enum Step: UInt8 {
    case sleep, known, damaged, forged, raw, finishWork, trouble, run
}

private func step(_ host: inout Host, _ input: inout Input, _ fixture: Fixture) {
    let choice = input.byte()
    let argument = choice >> 3
    switch Step(rawValue: choice & 7) ?? .sleep {
    case .sleep: host.sleep(stepLength(argument))
    case .known: host.take(fixture.known[Int(input.byte()) % fixture.known.count])
    case .damaged: host.take(damaged(fixture.known[Int(input.byte()) % fixture.known.count], count: argument, &input))
    case .forged: host.take(forged(&input, fixture))
    case .raw: host.take(input.take(Int(input.word(bytes: 2)) % 1_500))
    case .finishWork: host.finishWork(Int(argument))
    case .trouble: trouble(&host, argument, &input)
    case .run:
        // A stretch of the genuine session.
        let first = Int(input.byte())
        for index in 0..<Int(argument) { host.take(fixture.recording.datagrams[(first + index) % fixture.recording.datagrams.count]) }
    }
}

private func damaged(_ datagram: [UInt8], count: UInt8, _ input: inout Input) -> [UInt8] {
    var result = input.damage(datagram, bytes: Int(count % 16) + 1)
    if count & 16 != 0 { result.removeLast(min(Int(input.byte()), result.count - 1)) }
    return result
}

/// A body out of the input behind a header that gets past the first look.
private func forged(_ input: inout Input, _ fixture: Fixture) -> [UInt8] {
    var writer = ByteWriter()
    PacketHeader(
        kind: input.kind(), isUnicast: input.byte() & 1 != 0, sessionTag: fixture.recording.announce.session.tag,
        transmitter: fixture.recording.transmitter, sequence: UInt32(truncatingIfNeeded: input.word(bytes: 4))
    ).write(to: &writer)
    writer.writeArray(input.take(Int(input.byte()) * 2))
    return writer.bytes
}

private func trouble(_ host: inout Host, _ kind: UInt8, _ input: inout Input) {
    switch kind % 8 {
    case 0: host.overflow(input.byte())
    case 1, 2, 3: host.loseBuffer(Int(input.byte()))
    case 4:
        let failures: [ReceiverState] = [.failedDiskFull, .failedStorage, .failedVerification, .interrupted]
        host.giveUp(failures[Int(input.byte()) % failures.count])
    default: host.finishAllWork()
    }
}

/// Whatever came before, the genuine session makes a signed bundle whole, unless the receiver believes itself out of it:
/// heartbeats are not signed.
private func recover(_ host: inout Host, _ fixture: Fixture) {
    guard fixture.recording.announce.isSigned, host.engine.announce == fixture.recording.announce else { return }
    var rounds = 0
    while host.outcome == nil {
        switch host.engine.phase {
        case .receiving, .committing: break
        case .final, .finished: return
        case .serving: fatalError("a leaf serves nobody")
        }
        for datagram in fixture.recording.datagrams where datagram[3] != PacketKind.heartbeat.rawValue {
            host.take(datagram)
            host.finishAllWork()
        }
        host.sleep(.milliseconds(10))
        rounds += 1
        require(rounds < 40, "the genuine session does not help: \(host.engine.diagnosis)")
    }
}
