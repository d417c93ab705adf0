/// A repair node signs nothing: what it passes on was signed by the sender.
private struct RepeatingSigner: MessageSigner {
    let publicKey: PublicKey
    func signature(for message: [UInt8]) -> Signature { .none }
}

/// The parent of a repair node: told of pages, of chunks and of its own parent, in place of a source.
extension SenderEngine {
    /// - Parameters:
    ///   - announce: verified, as the sender signed it.
    ///   - isRelay: whether the stream goes on from here.
    ///   - signer: the node's own, and `child` its ephemeral id as a child; nil where it has no key.
    ///   - verifier: of what other nodes sign.
    public init(
        repeating announce: Announce, signature: Signature, isRelay: Bool, configuration: Configuration, signer: (any MessageSigner)? = nil,
        child: UInt32 = 0, digest: any MessageDigest, verifier: (any MessageVerifier)? = nil, seed: UInt64, secret: CookieSecret, at now: Instant
    ) {
        var configuration = configuration
        configuration.packets.datagramLength = Int(announce.payloadLength) + DataHeader.length
        let places = signer.map { PlaceSigner(signer: $0, session: announce.session, child: child) }
        self.init(
            SignedAnnounce(announce, signature: signature), repeater: Repeater(isRelay: isRelay, places: places), configuration: configuration,
            signer: RepeatingSigner(publicKey: announce.key), digest: digest, verifier: verifier, seed: seed, secret: secret, at: now)
    }

    var endOfTable: EndOfTable? { window.table.end }
    var isRetired: Bool { repeater?.isRetired ?? false }
    /// A repair node whose children hear the sender's stream.
    private var isHeardElsewhere: Bool { repeater?.isRelay == false }
    /// Whether anybody may ever have gone below this node.
    var hasServed: Bool { repeater?.hasServed ?? true }
    /// Chunks that are held, and how many there are in all where that is known.
    public var heldCount: UInt32 { UInt32(window.held?.count ?? 0) }
    /// Chunks of the bundle, by END; nil before that.
    public var chunkTotal: UInt32? { window.table.end?.chunkCount }

    /// The stream had not come as far as somebody claimed.
    mutating func retreat(to front: StreamPosition) { window.retreat(to: front) }

    /// The stream has come this far; children hear it themselves.
    mutating func advance(to front: StreamPosition) { window.advance(to: front) }

    /// All chunks that END counts are held, one after the other; false before END, and always at the sender.
    public var isRepeaterComplete: Bool {
        guard repeater != nil, let end = window.table.end else { return false }
        return window.watermark >= end.chunkCount
    }

    /// While nothing was sent, the sender may lower its datagrams' length.
    public mutating func adopt(_ newer: Announce, signature: Signature) {
        announcement.adopt(newer, signature: signature)
    }

    /// Takes a page whose signature is good. One that is here already changes nothing; one behind a gap waits for those before it.
    public mutating func adopt(_ page: TablePage, body: [UInt8], signature: Signature, at now: Instant) {
        window.adopt(page, body: body, signature: signature)
        if isHeardElsewhere { window.notePagesSent() }
    }

    /// Takes an END whose signature is good; a further one takes its place.
    public mutating func adopt(_ end: EndOfTable, signature: Signature) {
        window.adopt(end, signature: signature)
        if isHeardElsewhere { window.noteEndSent() }
    }

    /// A chunk was verified and kept.
    /// - Parameter isResident: its bytes are in the host's memory; the engine says `.release` when they need not be.
    public mutating func hold(_ chunk: UInt32, isResident: Bool, at now: Instant) {
        guard window[chunk] != nil else {
            // Nothing can have been verified that has no record. One whose page came before an earlier page has one, and is fetched when it
            // is asked for.
            if window.table.isEarly(chunk) { window.hold(chunk) }
            if isResident { refuse(chunk) }
            return
        }
        window.hold(chunk)
        if isResident { takeIn(chunk, at: now) }
        if isHeardElsewhere { shares.noteStream(Double(window[chunk]?.encodedLength ?? 0)) }
        unpark(chunk, at: now)
        progress.noteAdvance(at: now)
    }

    /// A kept chunk turned out to be damaged, or is gone.
    public mutating func lose(_ chunk: UInt32) {
        window.lose(chunk)
        pending.catchUp.remove(chunk)
        for index in unicastChildren.indices { unicastChildren[index].pending.catchUp.remove(chunk) }
    }

    /// Follows the node's own parent.
    /// - Parameters:
    ///   - front: everything before it has been sent once by whoever streams.
    ///   - rate: bits per second of the stream.
    ///   - distance: routers between the sender and here.
    public mutating func follow(
        phase: SessionPhase, front: StreamPosition?, path: [UInt32], distance: UInt8, rate: Double, at now: Instant
    ) {
        guard let hadServed = repeater?.hasServed else { return }
        // A child that takes no others waits for its first signed word.
        if !hadServed, repeater?.places != nil { timers.arm(.statement, at: now) }
        repeater?.follow(phase: phase, rate: rate, path: path, distance: distance)
        if isHeardElsewhere, let front, window.advance(to: front), phase == .streaming { progress.noteAdvance(at: now) }
        advancePhase(at: now)
    }

    /// There is no parent any more: what is here is all there will be.
    public mutating func endUpstream(at now: Instant) {
        let isComplete = isRepeaterComplete
        repeater?.endUpstream(isComplete: isComplete)
        releaseAcknowledgements()
        advancePhase(at: now)
    }

    /// Leaves the children to others.
    public mutating func retire(at now: Instant) {
        repeater?.retire()
        releaseAcknowledgements()
        advancePhase(at: now)
    }

    mutating func advanceRepeater(_ repeater: Repeater, at now: Instant) {
        switch phase {
        case .leaving, .finished: return
        default: break
        }
        if repeater.isRetired { return leave(.stopped, at: now) }
        switch phase {
        case .waiting:
            guard repeater.upstreamPhase != .waiting else { return }
            phase = .streaming(since: now)
            pacer.begin(at: now)
            progress.noteAdvance(at: now)
            timers.arm(.heartbeat, at: now)
            timers.arm(.tick, at: now)
            events.append(.started(receivers: children.active))
        case .streaming:
            guard !repeater.isRelay, let end = window.table.end, repeater.upstreamPhase != .streaming, window.position.chunk >= end.chunkCount
            else { return }
            beginDraining(at: now)
            timers.arm(.heartbeat, at: now)
        case .draining:
            if children.saidToBeActive == 0, isRepeaterComplete { beginLingering(until: .distantFuture) }
        case .lingering:
            if children.saidToBeActive > 0 { beginDraining(at: now) }
        case .leaving, .finished: break
        }
    }

    // MARK: Proving who it is

    /// Says to all children where this node stands, if it is one with a key.
    mutating func sayPlace() {
        guard hasServed, let place = signPlace(timeToLive: configuration.joining.timeToLive) else { return }
        tellAll(place)
    }

    /// The same for the node's own parent, when it is due.
    mutating func place(showing cookie: UInt64, at now: Instant) -> Packet? {
        let interval = configuration.presence.idleStatementInterval
        guard repeater?.places?.begin(showing: cookie, every: interval, at: now) ?? false else { return nil }
        return signPlace(timeToLive: 0, showing: cookie)
    }

    private mutating func signPlace(timeToLive: UInt8, showing cookie: UInt64 = 0) -> Packet? {
        guard repeater?.path.isEmpty == false else { return nil }
        let (id, place, phase, pace, statement) = (
            transmitter, place(timeToLive: timeToLive), sessionPhase, statedPace, statements.last?.statement.serial ?? 0
        )
        return repeater?.places?.sign(as: id, at: place, phase: phase, pace: pace, after: statement, showing: cookie)
    }

    /// This parent's place in the tree.
    func place(timeToLive: UInt8) -> TreePlace {
        TreePlace(
            path: repeater?.path ?? [], timeToLive: timeToLive, distance: repeater?.distance ?? 0, load: UInt32(clamping: children.childCount),
            watermark: window.watermark)
    }
}
