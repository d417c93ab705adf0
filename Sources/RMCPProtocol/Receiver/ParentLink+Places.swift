/// Repair nodes that prove themselves, where the child's user takes no others.
extension ParentLink {
    /// Whether what a node has signed is worth a look at its signature: it is new, of now, and not this node's own.
    func wants(_ place: NodePlace, toGroup: Bool, at now: Instant) -> Bool {
        guard place.child != child, place.transmitter != child, place.transmitter != role.downstreamTransmitter else { return false }
        let known = candidates[place.transmitter].map { toGroup ? $0.groupSerial : $0.serial } ?? 0
        return place.serial > known && trust.isFresh(place, at: now)
    }

    /// Takes what a trusted node has signed.
    /// - Parameter timeToLive: what was left of it; nil where that is not known.
    mutating func take(_ place: NodePlace, from source: SocketAddress, toGroup: Bool, timeToLive: UInt8?, at now: Instant) {
        guard !role.wantsStream || place.transmitter == transmitter, candidates.add(place.transmitter, at: source, keeping: transmitter, now: now) else {
            return
        }
        candidates.prove(place, at: source, toGroup: toGroup, until: now + configuration.tree.placeValidity, now: now)
        if place.phase == .leaving || place.phase == .aborted { return candidates.noteLeft(place.transmitter, at: now) }
        candidates.update(place.transmitter) {
            $0.phase = place.phase
            if let timeToLive, place.place.timeToLive >= timeToLive { $0.hops = Int(place.place.timeToLive - timeToLive) }
        }
    }

    /// Whether a candidate may be the parent. A relay's is whom its user has named.
    func isAdmitted(_ candidate: ParentCandidate, at now: Instant) -> Bool { role.wantsStream || trust.admits(candidate, at: now) }

    /// Whether the parent may be told and asked anything.
    func isParentAdmitted(at now: Instant) -> Bool { !trust.isLimited || current.map { isAdmitted($0, at: now) } ?? false }

    /// Pace that the parent, a repair node, has signed.
    var statedPace: StatedPace? { trust.isLimited ? current?.pace : nil }
}
