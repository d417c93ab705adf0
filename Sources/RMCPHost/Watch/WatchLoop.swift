public import RMCPContent
public import RMCPProtocol
public import RMCPReport

/// One `rmcp watch`, as the command line asks for it.
public struct WatchRequest: Sendable {
    public var group: SocketAddress
    public var interfaceName: String?
    public var trustedKeys: Set<PublicKey>
    /// One picture after this long, and then the end; nil for a picture at each `refresh` until a signal comes.
    public var once: Interval?
    public var refresh: Interval
    /// Watches what is sealed for this group; nil what is not sealed.
    public var groupKey: GroupKeyFile?

    public init(
        group: SocketAddress, interfaceName: String?, trustedKeys: Set<PublicKey>, once: Interval?, refresh: Interval, groupKey: GroupKeyFile? = nil
    ) {
        self.groupKey = groupKey
        self.group = group
        self.interfaceName = interfaceName
        self.trustedKeys = trustedKeys
        self.once = once
        self.refresh = refresh
    }
}

public enum WatchOutcome: Sendable {
    case shown
    /// No session was heard of.
    case nothing
    case interrupted

    /// Exit code of a command that ends so.
    public var exitStatus: ExitStatus {
        switch self {
        case .shown: .done
        case .nothing: .nobody
        case .interrupted: .interrupted
        }
    }
}

/// Listens to a group and asks the parents that it hears, and those that they name, on the calling thread. Takes part in
/// nothing: no session is any different for being watched.
public final class WatchLoop {
    private let request: WatchRequest
    private let reception: Reception
    private let loop: HostLoop
    private var model: WatchModel
    private var regions: RegionTable
    /// Regions to listen to once nobody is reading.
    private var joining: [SocketAddress] = []
    private let began: Instant
    private var nextPicture: Instant

    public init(_ request: WatchRequest) throws(HostError) {
        try request.group.requireMulticast()
        self.request = request
        loop = try HostLoop()
        let interface = try NetworkInterface.forGroup(request.group, named: request.interfaceName)
        reception = try Reception(
            group: request.group, follower: InterfaceFollower(interface, for: request.group, named: request.interfaceName),
            guarding: request.groupKey.map { ControlGuard(key: $0.control) })
        regions = RegionTable(group: request.group)
        model = WatchModel(
            verifier: Ed25519Verifier(), trustedKeys: request.trustedKeys, opener: request.groupKey?.group.map { GroupDetailsOpener(key: $0) },
            seed: .random(in: 0...(.max)))
        began = Poller.now()
        nextPicture = began + (request.once ?? request.refresh)
        reception.watch(by: loop.poller)
    }

    /// Returns after the one picture that was asked for, or when a signal comes.
    /// - Parameter isWanted: whether anybody still looks at the pictures; asked before each.
    public func run(while isWanted: () -> Bool = { true }, observer: (WatchUpdate) -> Void) -> WatchOutcome {
        observer(.listening(interface: reception.interface.name, group: request.group))
        var outcome = WatchOutcome.interrupted
        loop.run { now, isStopped in
            for line in reception.lookAround(at: now) { observer(.warning(line)) }
            reception.keepMembership(isIdle: true, at: now)
            let isBusy = receive(at: now)
            if isStopped { return .over }
            for (bytes, destination) in model.queries(at: now) { reception.answer(bytes, to: destination) }
            if now >= nextPicture {
                guard isWanted() else {
                    outcome = .shown
                    return .over
                }
                var snapshot = model.snapshot(at: now)
                snapshot.elapsed = now - began
                observer(.picture(snapshot))
                if request.once != nil {
                    outcome = model.isEmpty ? .nothing : .shown
                    return .over
                }
                model.expire(at: now)
                nextPicture = now + request.refresh
            }
            // The next picture is made before a membership is due.
            return isBusy ? .again : .wait(until: min(nextPicture, model.nextQuery(after: now), reception.nextLook))
        }
        observer(.stopped(outcome.exitStatus))
        return outcome
    }

    private func receive(at now: Instant) -> Bool {
        var isBusy = false
        for _ in 0..<HostLimits.receiveRounds {
            isBusy = reception.receive { train in
                unsafe train.forEach { bytes in take(unsafe RawSpan(_unsafeBytes: bytes), from: train.arrival.source, at: now) }
            }
            if !isBusy { break }
        }
        for region in joining { reception.join(region, in: &regions, at: now) }
        joining.removeAll(keepingCapacity: true)
        for region in regions.takeSilent(at: now) { reception.leave(region) }
        return isBusy
    }

    private func take(_ datagram: RawSpan, from source: SocketAddress, at now: Instant) {
        guard PacketHeader.kind(of: datagram) == .advertisement else { return model.handle(datagram, from: source, at: now) }
        guard case .advertisement(let advertisement, _)? = try? Packet.parse(datagram).1, regions.noteAdvertised(advertisement.region, at: now) else { return }
        joining.append(advertisement.region)
    }
}
