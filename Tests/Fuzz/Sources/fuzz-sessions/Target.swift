import FuzzSupport
import Glibc
import RMCPContent

@testable import RMCPHost
@testable import RMCPProtocol

/// One input is what the part of a receiver hears that deals with sessions: trains of datagrams of several sessions, whole and cut
/// anywhere, damaged and made up; time; and a disk that is slow, fails, and answers in any order. What must hold is with `World`.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    live(unsafe Input(start, count))
    return 0
}

/// - Returns: calls of the disk that failed.
@discardableResult
private func live(_ bytes: Input) -> Int {
    var input = bytes
    let mode = input.byte()
    if mode & 0xF0 == 0xF0 {
        checkRegions(&input)
        return 0
    }
    if mode == 0xEE {
        checkRepairDaemon(&input, folder: folder)
        return 0
    }
    defer { for name in ["versions", "versions.lock", "completed", "completed.lock"] { _ = unsafe unlink("\(folder)/\(name)") } }
    guard
        let world = try? World(
            isOnce: mode & 1 != 0, hasOneOutput: mode & 2 != 0, allowsUnsigned: mode & 4 != 0, keepsVersions: mode & 8 == 0, folder: folder)
    else { fatalError("no world in \(folder)") }
    var steps = 0
    while !input.isAtEnd, steps < 300 {
        step(world, &input)
        steps += 1
    }
    world.end()
    return world.disk.failed
}

@_cdecl("LLVMFuzzerInitialize")
public func initialize(_: UnsafeMutableRawPointer?, _: UnsafeMutableRawPointer?) -> CInt {
    // A machine without multicast on its loopback interface is told so before anything else.
    _ = listen(to: ownGroup(1))
    let seeds = seeds()
    for seed in seeds where seed.name.hasPrefix("failure-") { require(live(Input(seed.bytes)) > 0, "nothing fails in \(seed.name)") }
    writeSeeds(seeds)
    return 0
}

/// One for the process, in memory where `scripts/fuzz` says so.
private let folder: String = {
    let base = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp"
    let path = "\(base)/rmcp-sessions-\(getpid())"
    guard unsafe mkdir(path, 0o700) == 0 || errno == EEXIST else { fatalError("cannot make \(path)") }
    return path
}()

/// The operations, by the low bits of their first byte.
enum Step: UInt8 {
    case sleep, run, train, damaged, made, work, disk, raw
}

private func step(_ world: World, _ input: inout Input) {
    let choice = input.byte()
    let argument = choice >> 3
    switch Step(rawValue: choice & 7) ?? .sleep {
    case .sleep: world.sleep(stepLength(argument))
    case .run:
        // A stretch of one session, datagram by datagram.
        let (fixture, first) = (fixture(input.byte()), Int(input.byte()))
        for index in 0..<Int(argument) + 1 { say(fixture.datagrams[(first + index) % fixture.datagrams.count], world) }
    case .train: train(world, &input, argument)
    case .damaged:
        let fixture = fixture(input.byte())
        let datagram = fixture.datagrams[Int(input.byte()) % fixture.datagrams.count]
        say(input.damage(datagram, bytes: Int(argument) + 1), world)
    case .made: say(announce(argument, &input), world)
    case .work:
        switch argument {
        case 31: world.workAll()
        case 30: for _ in 0..<8 { world.work(0) }
        default: world.work(Int(argument))
        }
    case .disk:
        switch argument {
        case 31: world.sessions.stop(at: world.now)
        case 30: world.sessions.abort()
        case 29: world.overflow(input.byte())
        default: world.disk.failures = input.byte() & 63
        }
    case .raw:
        let segment = Int(input.byte())
        world.hear(input.take(Int(argument) * 16), segment: segment, from: Fixture.address)
    }
}

private func fixture(_ choice: UInt8) -> Fixture { fixtures[Int(choice) % fixtures.count] }

private func say(_ datagram: [UInt8], _ world: World) { world.hear(datagram, segment: 0, from: Fixture.address) }

/// Several datagrams in one buffer, cut where they end or anywhere.
private func train(_ world: World, _ input: inout Input, _ argument: UInt8) {
    var bytes: [UInt8] = []
    var segment = Int(input.word(bytes: 2)) % 1_000
    for _ in 0..<Int(argument) + 1 where bytes.count < 60_000 {
        let fixture = fixture(input.byte())
        let datagram = fixture.datagrams[Int(input.byte()) % fixture.datagrams.count]
        if segment == 0 { segment = datagram.count }
        bytes += segment < 800 ? datagram : Array(datagram.prefix(segment - 800))
    }
    world.hear(bytes, segment: segment < 800 ? segment : segment - 800, from: Fixture.address)
}

/// An ANNOUNCE that nobody signed, of any session, name and shape, or one in another one's name.
private func announce(_ argument: UInt8, _ input: inout Input) -> [UInt8] {
    var announce = fixture(input.byte()).announce
    if argument & 1 != 0 { announce.key = .none }
    if argument & 2 != 0 { announce.session = SessionID(high: UInt64(input.byte()) + 1 << 32, low: UInt64(input.byte())) }
    if argument & 4 != 0 { announce.name = ["a", "b", "..", "x/y", "e\u{301}", ".rmcp-partial", "z", "a"][Int(input.byte() % 8)] }
    if argument & 8 != 0 {
        announce.chunkLength = [1, 400, 1_500, 65_536, 1 << 20, 8 << 20][Int(input.byte() % 6)]
        announce.contentLength = input.byte() & 1 == 0 ? nil : UInt64(input.byte())
        announce.allocatedLength = 0
        announce.kind = announce.contentLength == nil ? .stream : .file
    }
    if argument & 16 != 0 { announce.creationTime = input.word(bytes: 2) }
    return Packet.announce(announce, .none).datagram(sessionTag: announce.session.tag, transmitter: UInt32(input.byte()) + 1, isUnicast: false)
}
