import RMCPProtocol
import RMCPReport

/// What a watcher learns of sessions and their trees, and whom it asks when: without sockets and clocks. All that comes
/// is from strangers, so that everything has a bound and an age.
struct WatchModel {
    private struct Node {
        private(set) var address: SocketAddress
        /// When something came from there last.
        private var addressHeard: Instant
        var heard: Instant
        var heartbeat: Heartbeat?
        private(set) var report: WatchReport?
        private var reportedAt = Instant.longAgo
        private(set) var sending = WatchedThroughput()
        /// HEARTBEATs of it come here: it is asked where they come from.
        private(set) var isHeard = false

        /// Silence of an address after which another one is believed.
        private static let movingSilence = PresenceSettings().movingSilence

        init(at address: SocketAddress, _ now: Instant) {
            self.address = address
            addressHeard = now
            heard = now
        }

        /// A HEARTBEAT came from there. Whoever sends the first one tells where the node is.
        mutating func noteHeartbeat(_ heartbeat: Heartbeat, from source: SocketAddress, at now: Instant) {
            note(source, isCertain: !isHeard, at: now)
            isHeard = true
            heard = now
            self.heartbeat = heartbeat
        }

        mutating func noteReport(_ report: WatchReport, from source: SocketAddress, at now: Instant) {
            if !isHeard { note(source, isCertain: false, at: now) }
            heard = now
            self.report = report
            reportedAt = now
            sending.note(report.counts, at: now)
        }

        /// Another address than the known one is believed when nothing comes from that any more, as the node's children believe it.
        private mutating func note(_ source: SocketAddress, isCertain: Bool, at now: Instant) {
            guard isCertain || source == address || now - addressHeard >= Self.movingSilence else { return }
            address = source
            addressHeard = now
        }

        /// Numbers of a node that answers no more are no news.
        mutating func expireReport(at now: Instant) {
            guard now - reportedAt >= HostLimits.watchedNodeMemory else { return }
            report = nil
            sending = WatchedThroughput()
        }
    }

    private struct Session {
        var announce: Announce
        var signature: WatchedSignature
        var heard: Instant
        var nodes: [UInt32: Node] = [:]
        /// Whom to ask, by address.
        var targets: [SocketAddress: WatchTarget] = [:]
    }

    private let verifier: any MessageVerifier
    private let trustedKeys: Set<PublicKey>
    private let opener: (any DetailsOpener)?
    private let identity: UInt32
    private var random: RandomSource
    private var sessions: [UInt32: Session] = [:]
    /// Sessions in the order of arrival, so that nothing jumps about on a screen.
    private var order: [UInt32] = []
    private var nodeTotal = 0
    private var targetTotal = 0
    /// In the current refresh.
    private var omitted: Set<UInt64> = []

    /// - Parameter opener: nil where sealed names stay sealed.
    init(verifier: any MessageVerifier, trustedKeys: Set<PublicKey>, opener: (any DetailsOpener)? = nil, seed: UInt64) {
        self.opener = opener
        self.verifier = verifier
        self.trustedKeys = trustedKeys
        random = RandomSource(seed: seed)
        identity = UInt32.random(in: 1...(.max), using: &random)
    }

    var isEmpty: Bool { sessions.isEmpty }

    // MARK: What comes

    /// Kinds that say something of the tree: of all others nothing but the first bytes is looked at.
    private static let kinds: Set<PacketKind> = [.announce, .heartbeat, .report]

    mutating func handle(_ datagram: RawSpan, from source: SocketAddress, at now: Instant) {
        guard let kind = PacketHeader.kind(of: datagram), Self.kinds.contains(kind),
            let (header, packet) = try? Packet.parse(datagram)
        else { return }
        switch packet {
        case .announce(let announce, let signature): note(announce, signature, at: now)
        case .heartbeat(let heartbeat): note(heartbeat, of: header, from: source, at: now)
        case .report(let report): note(report, of: header, from: source, at: now)
        default: break
        }
    }

    private mutating func note(_ announce: Announce, _ signature: Signature, at now: Instant) {
        let tag = announce.session.tag
        guard tag != 0 else { return }
        if let known = sessions[tag] {
            if known.announce == announce {
                sessions[tag]?.heard = now
                // A forger may have said the same, only first.
                let judged = known.signature == .wrong ? judge(announce, signature) : known.signature
                sessions[tag]?.signature = judged
                return
            }
            // A sender may lower its datagrams' length. A signed session takes the place of one that only uses its tag.
            let isSame = known.announce.session == announce.session && known.announce.key == announce.key
            let judged = judge(announce, signature)
            if isSame, judged == known.signature { sessions[tag]?.announce = announce }
            guard known.signature == .wrong || (known.signature == .unsigned && !isSame), judged != .wrong, judged != .unsigned else { return }
            forget(tag)
        }
        guard sessions.count < HostLimits.watchedSessions else {
            omit(UInt64(tag))
            return
        }
        sessions[tag] = Session(announce: announce, signature: judge(announce, signature), heard: now)
        order.append(tag)
    }

    private func judge(_ announce: Announce, _ signature: Signature) -> WatchedSignature {
        guard announce.isSigned else { return .unsigned }
        guard verifier.isValid(signature, for: announce.signedMessage, by: announce.key) else { return .wrong }
        if trustedKeys.isEmpty { return .signed }
        return trustedKeys.contains(announce.key) ? .trusted : .untrusted
    }

    private mutating func note(_ heartbeat: Heartbeat, of header: PacketHeader, from source: SocketAddress, at now: Instant) {
        guard sessions[header.sessionTag] != nil, reserve(for: header) else { return }
        var node = sessions[header.sessionTag]?.nodes[header.transmitter] ?? Node(at: source, now)
        node.noteHeartbeat(heartbeat, from: source, at: now)
        sessions[header.sessionTag]?.nodes[header.transmitter] = node
        sessions[header.sessionTag]?.heard = now
        ask(node.address, in: header.sessionTag, at: now) {
            $0.wanted = now
            $0.node = header.transmitter
        }
    }

    private mutating func note(_ report: WatchReport, of header: PacketHeader, from source: SocketAddress, at now: Instant) {
        let tag = header.sessionTag
        guard sessions[tag]?.announce.session == report.session, var target = sessions[tag]?.targets[source],
            target.accepts(report, at: now), reserve(for: header)
        else { return }
        target.node = header.transmitter
        sessions[tag]?.targets[source] = target
        sessions[tag]?.heard = now
        var node = sessions[tag]?.nodes[header.transmitter] ?? Node(at: source, now)
        node.noteReport(report, from: source, at: now)
        sessions[tag]?.nodes[header.transmitter] = node
        for child in report.nodes { ask(Self.scoped(child.address, like: source), in: tag, at: now) { $0.wanted = now } }
    }

    /// A link-local address is of use with an interface only: that which the parent is behind.
    private static func scoped(_ address: SocketAddress, like source: SocketAddress) -> SocketAddress {
        var result = address
        if address.isLinkLocal { result.scope = source.scope }
        return result
    }

    private mutating func reserve(for header: PacketHeader) -> Bool {
        if sessions[header.sessionTag]?.nodes[header.transmitter] != nil { return true }
        guard nodeTotal < HostLimits.watchedNodes else {
            omit(UInt64(header.sessionTag) << 32 | UInt64(header.transmitter))
            return false
        }
        nodeTotal += 1
        return true
    }

    private mutating func omit(_ item: UInt64) { if omitted.count < HostLimits.watchedNodes { omitted.insert(item) } }

    private mutating func ask(_ address: SocketAddress, in tag: UInt32, at now: Instant, _ change: (inout WatchTarget) -> Void) {
        if sessions[tag]?.targets[address] == nil {
            guard targetTotal < HostLimits.watchedNodes else { return }
            targetTotal += 1
            sessions[tag]?.targets[address] = WatchTarget(at: now)
        }
        if var target = sessions[tag]?.targets[address] {
            change(&target)
            sessions[tag]?.targets[address] = target
        }
    }

    // MARK: Whom to ask

    /// The questions that are due.
    mutating func queries(at now: Instant) -> [(bytes: [UInt8], destination: SocketAddress)] {
        var result: [(bytes: [UInt8], destination: SocketAddress)] = []
        for tag in order {
            for (address, var target) in sessions[tag]?.targets ?? [:] where target.next <= now {
                // One that is heard is asked where it is heard, and not where it is a child as well.
                if let node = target.node.flatMap({ sessions[tag]?.nodes[$0] }), node.isHeard, node.address != address { continue }
                let query = target.query(nonce: random.next(), at: now)
                sessions[tag]?.targets[address] = target
                result.append((Packet.query(query).datagram(sessionTag: tag, transmitter: identity), address))
            }
        }
        return result
    }

    func nextQuery(after now: Instant) -> Instant {
        var next = now + WatchTarget.interval
        for session in sessions.values { for target in session.targets.values where target.next > now { next = min(next, target.next) } }
        return next
    }

    // MARK: What is forgotten

    mutating func expire(at now: Instant) {
        omitted.removeAll()
        for tag in order {
            guard var session = sessions[tag] else { continue }
            session.nodes = session.nodes.filter { now - $0.value.heard < HostLimits.watchedNodeMemory }
            for id in session.nodes.keys { session.nodes[id]?.expireReport(at: now) }
            session.targets = session.targets.filter { now - $0.value.lastSign < HostLimits.watchedNodeMemory }
            sessions[tag] = session
            if session.nodes.isEmpty, now - session.heard >= HostLimits.watchedNodeMemory { forget(tag) }
        }
        nodeTotal = sessions.values.reduce(0) { $0 + $1.nodes.count }
        targetTotal = sessions.values.reduce(0) { $0 + $1.targets.count }
    }

    private mutating func forget(_ tag: UInt32) {
        sessions[tag] = nil
        order.removeAll { $0 == tag }
    }

    // MARK: The picture

    func snapshot(at now: Instant) -> WatchSnapshot {
        var result = WatchSnapshot()
        result.omitted = omitted.count
        for tag in order {
            guard let session = sessions[tag] else { continue }
            let opened = opener.flatMap { session.announce.opened(by: $0) }
            var shown = WatchedSession(announce: opened ?? session.announce, signature: session.signature)
            // By address, which people know them by; ids are drawn anew for each session.
            let nodes = session.nodes.map { watched($0.key, $0.value, at: now) }.sorted {
                ($0.path.count, $0.address.high, $0.address.low, $0.transmitter) < ($1.path.count, $1.address.high, $1.address.low, $1.transmitter)
            }
            shown.nodes = Self.asTree(nodes)
            result.sessions.append(shown)
        }
        return result
    }

    private func watched(_ id: UInt32, _ node: Node, at now: Instant) -> WatchedNode {
        let path = node.report?.path ?? node.heartbeat?.place.path ?? []
        let heartbeatRole: ParentRole = path.isEmpty ? .sender : .repair
        return WatchedNode(
            transmitter: id, address: node.address, level: 0, path: path, role: node.report?.role ?? heartbeatRole,
            phase: node.report?.phase ?? node.heartbeat?.phase ?? .waiting, rate: node.report?.rate ?? node.heartbeat?.rate ?? 0,
            sending: node.sending.bitsPerSecond, isGone: now - node.heard >= HostLimits.watchedNodeSilence, report: node.report,
            watermark: node.heartbeat?.place.watermark ?? 0)
    }

    /// Each node behind its parent. Depth falls on the way up, but what strangers say may make a ring: whoever is not
    /// reached from the top is a top of its own.
    static func asTree(_ nodes: [WatchedNode]) -> [WatchedNode] {
        var below: [UInt32: [WatchedNode]] = [:]
        let known = Set(nodes.map(\.transmitter))
        var tops: [WatchedNode] = []
        for node in nodes {
            if let parent = node.parent, known.contains(parent), parent != node.transmitter {
                below[parent, default: []].append(node)
            } else {
                tops.append(node)
            }
        }
        var result: [WatchedNode] = []
        var placed: Set<UInt32> = []
        func place(_ top: WatchedNode) {
            var waiting = [(top, 0)]
            while let (node, level) = waiting.popLast() {
                guard placed.insert(node.transmitter).inserted else { continue }
                var node = node
                node.level = level
                result.append(node)
                for child in (below[node.transmitter] ?? []).reversed() { waiting.append((child, level + 1)) }
            }
        }
        for top in tops { place(top) }
        for node in nodes where !placed.contains(node.transmitter) { place(node) }
        return result
    }
}
