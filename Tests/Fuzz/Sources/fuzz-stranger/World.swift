import FuzzSupport
import TestSupport

@testable import RMCPProtocol

/// An honest sender, two honest receivers and, in some worlds, a repair node; a network that takes a millisecond; and a clock that
/// jumps from one event to the next. Somebody without a key is on it, too.
///
/// Whatever that one does:
/// - a receiver is complete only with exactly the sender's bytes,
/// - the sender says that the session is complete only when every receiver is that was ever on its books,
/// - tables and queues stay within their limits,
/// - and when it has had its say, the session comes to an end.
struct World {
    enum Target: Hashable {
        case sender
        case receiver(Int)
        case nodeAbove
        case nodeBelow
        case stranger(Int)
    }

    /// The engines' times are made short, so that a session that comes to nothing is over soon, too.
    static let configuration: Configuration = {
        var configuration = smallConfiguration()
        configuration.rate.fixedRate = 1_000_000
        configuration.joining.maximumWait = .seconds(2)
        configuration.feedback.minimumStatusInterval = .milliseconds(40)
        configuration.feedback.finding.statusInterval = .milliseconds(20)
        configuration.presence.minimumHeartbeatInterval = .milliseconds(40)
        configuration.presence.childTimeout = .seconds(2)
        configuration.presence.senderTimeout = .seconds(6)
        configuration.presence.stalledTimeout = .seconds(10)
        // A round trip that is forged puts off what is asked for next by four times this.
        configuration.feedback.maximumGroupRoundTrip = .milliseconds(200)
        configuration.joining.timeToLive = 8
        return configuration
    }()
    static let notary = Notary()
    static let group = SocketAddress.ipv4(239, 0, 0, 1, port: 4_000)
    static let region = SocketAddress.ipv4(239, 0, 0, 2, port: 4_000)
    static let senderAddress = SocketAddress.ipv4(10, 0, 0, 1, port: 4_000)
    private static let start = Instant.milliseconds(1)
    private static let delay = Interval.milliseconds(1)
    /// Datagrams under way at one time.
    private static let networkLimit = 20_000

    struct Datagram {
        var due: Instant
        var target: Target
        var source: SocketAddress
        var timeToLive: UInt8
        var bytes: [UInt8]
        /// Receivers that a repair node speaks for with this.
        var speaksFor: Set<Int> = []
    }

    private(set) var now = start
    private(set) var sender = SenderEngine(
        configuration: configuration, announce: Bundle.announce(isStream: false), signer: notary, digest: LaneDigest(), seed: 7, at: start)
    private(set) var receivers = [Receiver(index: 0), Receiver(index: 1)]
    private(set) var node: Node?
    private var network: [Datagram] = []
    private var networkHead = 0
    private var fetches: [UInt32] = []
    private(set) var outcome: SenderOutcome?
    /// Receivers that have been on the sender's books, or in a sum that was.
    private(set) var joined: Set<Int> = []

    /// Datagrams of the honest are lost until then.
    private var lossyUntil = start
    private var lossRate: UInt8 = 0
    private var lossState: UInt32 = 1
    private(set) var hasLost = false
    var diskDelay = Interval.zero

    /// What anybody on the group has heard, the latest last; and what came to a stranger's own addresses.
    private(set) var heard: [[UInt8]] = []
    private(set) var toStrangers: [(bytes: [UInt8], source: SocketAddress, stranger: Int)] = []
    private static let memory = 64

    init(hasNode: Bool) {
        if hasNode { node = Node() }
        settle()
    }

    // MARK: The network

    func address(_ target: Target) -> SocketAddress {
        switch target {
        case .sender: Self.senderAddress
        case .receiver(let index): receivers[index].address
        case .nodeAbove: Node.above
        case .nodeBelow: Node.below
        case .stranger(let index): .ipv4(10, 9, 0, UInt8(index), port: 9)
        }
    }

    private func target(at address: SocketAddress) -> Target? {
        if address == Self.senderAddress { return .sender }
        if address == Node.above { return .nodeAbove }
        if address == Node.below { return .nodeBelow }
        if let index = receivers.firstIndex(where: { $0.address == address }) { return .receiver(index) }
        if address.low >> 8 == 10 << 16 | 9 << 8, address.port == 9 { return .stranger(Int(address.low & 3)) }
        return nil
    }

    /// Everybody who hears the sender's group, or the node's region, and what is left of the time to live there.
    func audience(isRegion: Bool) -> [(Target, UInt8)] {
        let all = receivers.indices.map { (Target.receiver($0), isRegion ? UInt8(8) : 6) }
        return isRegion || node == nil ? all : all + [(.nodeAbove, 7)]
    }

    /// Of anybody, in anybody's name.
    mutating func inject(_ bytes: [UInt8], to target: Target, from source: SocketAddress, timeToLive: UInt8) {
        put(Datagram(due: now + Self.delay, target: target, source: source, timeToLive: timeToLive, bytes: bytes))
    }

    private mutating func put(_ datagram: Datagram) {
        guard network.count - networkHead < Self.networkLimit else { return }
        network.append(datagram)
    }

    private mutating func transmit(_ bytes: [UInt8], from source: SocketAddress, to destination: Destination, isRegion: Bool, speaksFor: Set<Int> = []) {
        var datagram = Datagram(due: now + Self.delay, target: .sender, source: source, timeToLive: 8, bytes: bytes, speaksFor: speaksFor)
        switch destination {
        case .group:
            heard.append(bytes)
            if heard.count > Self.memory * 2 { heard.removeFirst(Self.memory) }
            for (target, timeToLive) in audience(isRegion: isRegion) where !isLost() {
                (datagram.target, datagram.timeToLive) = (target, timeToLive)
                put(datagram)
            }
        case .peer(let address):
            guard let target = target(at: address), !isLost() else { return }
            datagram.target = target
            put(datagram)
        }
    }

    /// Datagrams of the honest are lost for a while, so many of 256.
    mutating func lose(_ rate: UInt8, for interval: Interval, seed: UInt8) {
        (lossRate, lossyUntil, lossState) = (rate, now + interval, UInt32(seed) + 1)
    }

    private mutating func isLost() -> Bool {
        guard now < lossyUntil else { return false }
        lossState = lossState &* 1_664_525 &+ 1_013_904_223
        let isLost = UInt8(lossState >> 24) < lossRate
        hasLost = hasLost || isLost
        return isLost
    }

    private mutating func deliver(_ datagram: Datagram) {
        trace(Self.line(datagram, at: now))
        switch datagram.target {
        case .sender:
            unsafe sender.handle(datagram: datagram.bytes.span.bytes, from: datagram.source, at: now)
            noteJoined(datagram)
            judgeSender()
        case .receiver(let index): receivers[index].take(datagram.bytes, Arrival(source: datagram.source, timeToLive: datagram.timeToLive, at: now), at: now)
        case .nodeAbove: node?.hear(datagram.bytes, Arrival(source: datagram.source, timeToLive: datagram.timeToLive, at: now), at: now)
        case .nodeBelow: node?.hearChild(datagram.bytes, from: datagram.source, at: now)
        case .stranger(let index):
            toStrangers.append((datagram.bytes, datagram.source, index))
            if toStrangers.count > Self.memory * 2 { toStrangers.removeFirst(Self.memory) }
        }
    }

    private static func line(_ datagram: Datagram, at now: Instant) -> String {
        let packet = unsafe (try? Packet.parse(datagram.bytes.span.bytes)).map { "\($0.0.transmitter) \($0.1)".prefix(900) } ?? "\(datagram.bytes.count) bytes"
        return "\(now.nanoseconds / 1_000) us, to \(datagram.target) from \(datagram.source.addressBytes):\(datagram.source.port): \(packet)"
    }

    // MARK: Time

    mutating func run(for interval: Interval) {
        let end = now + interval
        var spins = 0
        while let due = nextDue(), due <= end {
            spins = due <= now ? spins + 1 : 0
            require(spins < 200, "somebody wants to be called over and over at \(now)")
            now = max(now, due)
            while networkHead < network.count, network[networkHead].due <= now {
                let datagram = network[networkHead]
                networkHead += 1
                deliver(datagram)
            }
            if networkHead > 1_000 {
                network.removeFirst(networkHead)
                networkHead = 0
            }
            settle()
        }
        now = max(now, end)
    }

    private mutating func nextDue() -> Instant? {
        var next = networkHead < network.count ? network[networkHead].due : Instant.distantFuture
        if let due = sender.pollTimeout(at: now) { next = min(next, due) }
        for index in receivers.indices { if let due = receivers[index].due() { next = min(next, due) } }
        if let due = node?.due(at: now) { next = min(next, due) }
        return next == .distantFuture ? nil : next
    }

    /// Everybody does what is due, and what they say goes on its way.
    private mutating func settle() {
        driveSender()
        for index in receivers.indices {
            receivers[index].act(at: now, diskDelay: diskDelay)
            while let (bytes, destination) = receivers[index].pollTransmit(at: now) {
                transmit(bytes, from: receivers[index].address, to: .peer(destination), isRegion: false)
            }
        }
        node?.act(at: now)
        while let (bytes, destination) = node?.pollUpstream(at: now) {
            let spokenFor = Set(receivers.indices.filter { node?.counts(receivers[$0]) ?? false })
            transmit(bytes, from: Node.above, to: .peer(destination), isRegion: false, speaksFor: spokenFor)
        }
        var said = 0
        while let transmit = node?.pollDownstream(at: now) {
            said += 1
            require(said < 4_000, "no end of datagrams of the repair node")
            for bytes in Bundle.datagrams(transmit) { self.transmit(bytes, from: Node.below, to: transmit.destination, isRegion: true) }
        }
        node?.act(at: now)
    }

    private mutating func driveSender() {
        sender.encode(Bundle.records, at: now)
        if let due = sender.pollTimeout(at: now), due <= now { sender.handleTimeout(at: now) }
        judgeSender()
        var said = 0
        repeat {
            answerSender()
            guard let transmit = sender.pollTransmit(at: now) else { break }
            said += 1
            require(said < 4_000, "no end of datagrams of the sender")
            for bytes in Bundle.datagrams(transmit) { self.transmit(bytes, from: Self.senderAddress, to: transmit.destination, isRegion: false) }
        } while true
        answerSender()
        checkBounds()
    }

    private mutating func answerSender() {
        while let event = sender.pollEvent() {
            switch event {
            case .outline(let chunk, let shape):
                guard let record = sender.record(of: chunk) else { break }
                sender.handle(.outlined(chunk: chunk, LaneDigest.outline(of: record, chunk: chunk, shape)), at: now)
            case .fetch(let chunk): sender.handle(.fetched(chunk: chunk), at: now)
            case .finished(let outcome): self.outcome = outcome
            case .started, .release, .sentOnce, .unicastFallback, .rateChanged: break
            }
            trace("\(now.nanoseconds / 1_000) us, the sender: \(event)")
        }
    }

    // MARK: Checks

    private mutating func noteJoined(_ datagram: Datagram) {
        // Who comes when it has ended comes too late.
        switch sender.phase {
        case .leaving, .finished: return
        case .waiting, .streaming, .draining, .lingering: break
        }
        for index in receivers.indices where sender.counts(receivers[index].identity, at: receivers[index].address) { joined.insert(index) }
        guard !datagram.speaksFor.isEmpty, let node, datagram.source == Node.above, sender.counts(node.identity, at: Node.above),
            case .status? = unsafe try? Packet.parse(datagram.bytes.span.bytes).1
        else { return }
        joined.formUnion(datagram.speaksFor)
    }

    /// Receivers that have gone below somebody who says that it is a repair node believe that one, and are its to speak for.
    var believesAStranger = false

    private func judgeSender() {
        guard case .leaving(let outcome, _) = sender.phase, outcome.kind == .complete, !believesAStranger else { return }
        for index in joined {
            require(
                receivers[index].isComplete, "the sender says complete, and receiver \(index) is not: \(receivers[index].engine?.diagnosis ?? "no session")")
        }
    }

    private func checkBounds() {
        let limits = Self.configuration
        require(sender.control.isEmpty && sender.events.isEmpty, "drained and not empty")
        require(sender.acknowledgements.count <= limits.memory.maximumControlQueue, "\(sender.acknowledgements.count) acknowledgements")
        require(sender.children.childCount <= limits.memory.maximumChildren, "\(sender.children.childCount) children")
        require(sender.unicastChildren.count <= limits.unicast.maximumUnicastChildren, "\(sender.unicastChildren.count) unicast children")
        require(sender.window.resident.count <= limits.memory.maximumResidentChunks + limits.memory.encodeAhead, "\(sender.window.resident.count) chunks held")
        require(sender.pending.pages.ranges.count <= Bundle.chunkCount, "\(sender.pending.pages.ranges.count) ranges of pages")
        require(sender.reports.count <= limits.feedback.maximumReportsPerSecond, "\(sender.reports.count) reports in a second")
    }

    /// Nobody disturbs any more: it comes to an end, and where nothing was lost, to a good one.
    mutating func end(isGentle: Bool) {
        lossyUntil = now
        diskDelay = min(diskDelay, .milliseconds(20))
        var rounds = 0
        while outcome == nil || receivers.contains(where: { $0.engine != nil }) {
            run(for: .seconds(1))
            rounds += 1
            let state = receivers.map { "\($0.engine.map { "\($0.state), \($0.diagnosis)" } ?? "no session")" }
            require(rounds < 90, "no end: the sender is \(sender.sessionPhase) with \(sender.receivers.states), the receivers \(state)")
        }
        guard isGentle, !hasLost, !believesAStranger else { return }
        for index in joined {
            require(
                receivers[index].isComplete,
                "nothing was lost, and receiver \(index) is not complete, but \(receivers[index].lastState.map { "\($0)" } ?? "never there"); the sender: \(outcome.map { "\($0.kind) \($0.receivers.states)" } ?? "")"
            )
        }
    }
}
