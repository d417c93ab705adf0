import FuzzSupport
import TestSupport

@testable import RMCPProtocol

/// One input is what somebody without a key does on the network of an honest session: any datagram, from any address, to anybody,
/// at any time. What must hold is with `World`.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var input = unsafe Input(start, count)
    let mode = Mode(byte: input.byte())
    var world = World(hasNode: mode.hasNode)
    var stranger = Stranger()
    world.diskDelay = stepLength(mode.disk)
    world.run(for: stepLength(mode.beginning))
    var isEarly = false
    var steps = 0
    while !input.isAtEnd, steps < 200, world.now < .milliseconds(20_000), world.outcome == nil {
        let joined = world.receivers.count { $0.engine != nil }
        step(&world, &stranger, &input, mode)
        // Who joined by an ANNOUNCE that a stranger has repeated looks for its parent there.
        isEarly = isEarly || joined < world.receivers.count
        steps += 1
    }
    world.end(isGentle: !isEarly && world.now < .milliseconds(4_000))
    return 0
}

@_cdecl("LLVMFuzzerInitialize")
public func initialize(_: UnsafeMutableRawPointer?, _: UnsafeMutableRawPointer?) -> CInt {
    writeSeeds(seeds())
    return 0
}

/// What the first byte says.
struct Mode {
    var hasNode: Bool
    /// A stranger may answer those who ask it to be their parent: these believe it from then on.
    var mayBeParent: Bool
    /// How far the session has come; a choice of `stepLength`.
    var beginning: UInt8
    var disk: UInt8

    init(byte: UInt8) {
        hasNode = byte & 1 != 0
        mayBeParent = byte & 2 != 0
        beginning = [0, 7, 8, 9, 10, 10, 11, 12][Int(byte >> 2 & 7)]
        disk = [0, 6, 9, 10][Int(byte >> 5 & 3)]
    }
}

/// The operations, by the low bits of their first byte.
enum Step: UInt8 {
    case sleep, packet, laterPacket, replay, damaged, data, raw, other
}

private func step(_ world: inout World, _ stranger: inout Stranger, _ input: inout Input, _ mode: Mode) {
    let choice = input.byte()
    let argument = choice >> 3
    stranger.listen(world)
    let step = Step(rawValue: choice & 7) ?? .sleep
    switch step {
    case .sleep: world.run(for: stepLength(argument % 14))
    case .packet, .laterPacket:
        let (who, way) = (input.byte(), input.byte())
        let source = source(way, world)
        let packet =
            step == .packet ? stranger.packet(argument, &input, world, from: source) : stranger.laterPacket(argument, &input, world, from: source)
        let bytes = write(
            packet, isUnicast: way & 128 != 0, tag: world.sender.session.tag, transmitter: stranger.transmitter(who, world),
            sequence: sequence(who, world))
        say(bytes, to: argument & 16 == 0 ? natural(packet, way) : way, from: source, &world, mode)
    case .replay:
        guard !world.heard.isEmpty else { return }
        let way = input.byte()
        say(world.heard[Int(input.byte()) % world.heard.count], to: argument & 7, from: source(way, world), &world, mode)
    case .damaged:
        guard !world.heard.isEmpty else { return }
        let way = input.byte()
        var bytes = world.heard[Int(input.byte()) % world.heard.count]
        let place = Int(input.byte()) % bytes.count
        for (index, byte) in input.take(Int(argument >> 3) * 2 + 1).enumerated() where place + index < bytes.count { bytes[place + index] ^= byte }
        if argument & 1 != 0 { bytes.removeLast(min(Int(input.byte()), bytes.count - 1)) }
        say(bytes, to: argument & 7, from: source(way, world), &world, mode)
    case .data: data(&world, &stranger, &input, argument, mode)
    case .raw:
        let way = input.byte()
        say(input.take(Int(input.byte()) * 2), to: argument & 7, from: source(way, world), &world, mode)
    case .other: other(&world, stranger, &input, argument, mode)
    }
}

private func other(_ world: inout World, _ stranger: Stranger, _ input: inout Input, _ argument: UInt8, _ mode: Mode) {
    switch argument & 3 {
    case 0:
        // Not for longer than honest nodes tell apart from the death of one of them, where nothing else speaks for it.
        let longest = mode.hasNode ? 9 : 13
        world.lose(input.byte(), for: stepLength(UInt8(min(longest, Int(argument >> 2) + 6))), seed: input.byte())
    case 1: world.diskDelay = stepLength(argument >> 2 + 4)
    case 2:
        guard mode.mayBeParent, let (bytes, from, to) = stranger.answer(world, as: stranger.transmitter(input.byte(), world)) else { return }
        world.believesAStranger = true
        guard let index = world.receivers.firstIndex(where: { $0.address == to }) else { return }
        world.inject(bytes, to: .receiver(index), from: world.address(.stranger(from)), timeToLive: 8)
    default:
        // Long trains of whatever comes next.
        let way = input.byte()
        let bytes = input.take(Int(argument) * 8)
        for _ in 0..<40 { say(bytes, to: way & 7, from: source(way, world), &world, mode) }
    }
}

/// DATA that nobody sent, of a chunk that somebody may be waiting for.
private func data(_ world: inout World, _ stranger: inout Stranger, _ input: inout Input, _ argument: UInt8, _ mode: Mode) {
    let (who, way, chunk, packet) = (input.byte(), input.byte(), input.byte(), input.byte())
    let header = DataHeader(chunk: UInt32(chunk % 14), packet: UInt16(packet % 6), isRepair: packet & 8 != 0)
    let length = packet & 16 == 0 ? 476 : Int(packet) * 2
    let bytes =
        write(
            .data(header, payloadOffset: DataHeader.length), tag: world.sender.session.tag, transmitter: stranger.transmitter(who, world),
            sequence: sequence(who, world)) + Array(repeating: chunk, count: length)
    say(bytes, to: argument & 7, from: source(way, world), &world, mode)
}

/// Near what the sender's next datagram has, or anything.
private func sequence(_ choice: UInt8, _ world: World) -> UInt32 {
    choice & 128 == 0 ? world.sender.nextSequence &+ UInt32(choice >> 4) : UInt32(choice) << 24
}

private func source(_ way: UInt8, _ world: World) -> SocketAddress {
    switch way >> 3 & 15 {
    case 0: world.address(.sender)
    case 1: world.address(.receiver(0))
    case 2: world.address(.receiver(1))
    case 3: world.address(.nodeBelow)
    case 4: world.address(.nodeAbove)
    case let other: world.address(.stranger(Int(other) % Stranger.count))
    }
}

/// Where packets of a kind have an effect.
private func natural(_ packet: Packet, _ way: UInt8) -> UInt8 {
    switch packet {
    case .status, .nak, .attach, .detach, .solicitation, .query, .refusal: way & 1 == 0 ? 0 : 4
    default: way & 1 == 0 ? 6 : 7
    }
}

private func say(_ bytes: [UInt8], to choice: UInt8, from source: SocketAddress, _ world: inout World, _ mode: Mode) {
    guard !isBeyondKnowing(bytes, from: source, world) else { return }
    let targets: [(World.Target, UInt8)] =
        switch choice & 7 {
        case 0: [(.sender, 8)]
        case 1: [(.receiver(0), 8)]
        case 2: [(.receiver(1), 8)]
        case 3: [(.nodeAbove, 8)]
        case 4: [(.nodeBelow, 8)]
        case 5: world.audience(isRegion: true)
        case 6: world.audience(isRegion: false)
        default: world.audience(isRegion: false) + [(.sender, 8), (.nodeBelow, 8)]
        }
    for (target, timeToLive) in targets { world.inject(bytes, to: target, from: source, timeToLive: timeToLive) }
}

/// Whether it shows what only somebody else was told: 64 bits that nobody guesses, but that libFuzzer reads where they are compared.
private func isBeyondKnowing(_ bytes: [UInt8], from source: SocketAddress, _ world: World) -> Bool {
    guard let packet = unsafe try? Packet.parse(bytes.span.bytes).1 else { return false }
    let isOwn = source.port == 9
    func isOthers(_ cookie: UInt64) -> Bool {
        guard !isOwn, cookie != 0 else { return false }
        return cookie == world.sender.cookie(for: source) || cookie == world.node?.engine?.downstream.cookie(for: source)
    }
    switch packet {
    case .status(let report): return isOthers(report.cookie)
    case .nak(let nak): return isOthers(nak.cookie)
    case .detach(let cookie): return isOthers(cookie)
    case .refusal(let notice): return isOthers(notice.cookie)
    case .attached(let answer):
        return world.receivers.contains { $0.isSecret(nonce: answer.nonce) } || world.node?.isSecret(nonce: answer.nonce) ?? false
    default: return false
    }
}
