/// Reasons for and against each candidate, and against the parent itself. Nothing is changed here.
extension ParentLink {
    /// Whether this child may be below a candidate without a loop: not below itself, and among repair nodes only below
    /// one that is nearer to the sender.
    private func isAllowed(_ candidate: ParentCandidate) -> Bool {
        let half = role.downstreamTransmitter
        guard let place = candidate.place, !place.path.contains(child), !place.path.contains(half ?? child), candidate.transmitter != half,
            place.depth < TreePlace.maximumDepth
        else { return false }
        guard let own = half, !candidate.isRoot else { return true }
        if candidate.transmitter == transmitter { return true }
        guard (Int(place.distance), place.depth, candidate.transmitter) < (Int(distance), depth, own) else { return false }
        // The sender reaches this far itself: another repair node must be nearer to be worth going through.
        guard let root = candidates.root, candidates.isAlive(root, at: lastHeard) else { return true }
        return candidate.hops < root.hops
    }

    /// Whether the parent is to be left even for one that is no nearer.
    func isFailing(_ current: ParentCandidate, _ moment: Moment) -> Bool {
        if !candidates.isAlive(current, at: moment.now) || moment.now < current.avoidedUntil { return true }
        // A parent that was announced and has not said yet where it is has done nothing wrong.
        if current.place == nil ? isNobody(current, at: moment.now) : !isAllowed(current) { return true }
        return isUseless(current, moment)
    }

    /// Whether it has announced a session that it is not the sender of, and has not said by now where it is.
    private func isNobody(_ current: ParentCandidate, at now: Instant) -> Bool {
        guard let sender = trust.sender, sender != current.transmitter, let index = candidates.index(of: sender), candidates.isAlive(at: index, now: now) else {
            return false
        }
        return now - current.firstHeard >= configuration.tree.parentTimeout
    }

    /// Whether nothing has come of what the parent, a repair node, was asked for.
    func isUseless(_ current: ParentCandidate, _ moment: Moment) -> Bool {
        guard !current.isRoot, let since = attachment.askingSince else { return false }
        let hasIt = (current.place?.watermark ?? 0) > (moment.firstUnfinished ?? .max)
        return moment.now - since >= (hasIt ? configuration.tree.uselessAfter : configuration.tree.uselessAfter * Self.patienceWithoutIt)
    }

    /// Times `uselessAfter` for a parent that does not have itself what it is asked for.
    private static let patienceWithoutIt = 3.0

    /// Whether nothing speaks against the parent and no other may be chosen yet. So it is most of the time, and seen without
    /// a copy of any candidate.
    func hasNoReason(at now: Instant) -> Bool {
        guard attachment.moveAt == nil, attachment.askingSince == nil, now - attachment.changedAt < configuration.tree.parentHysteresis,
            let index = candidates.index(of: transmitter), candidates.isAlive(at: index, now: now), now >= candidates.candidates[index].avoidedUntil,
            isAdmitted(candidates.candidates[index], at: now)
        else { return false }
        // A repair node looks at its place closely.
        guard role.downstreamTransmitter == nil, let place = candidates.candidates[index].place else { return false }
        return place.depth < TreePlace.maximumDepth && !place.path.contains(child)
    }

    /// A parent that did not answer is better than none: a busy sender may take its time.
    func nextBest(after current: ParentCandidate, at now: Instant) -> ParentCandidate? {
        func isChoice(_ candidate: ParentCandidate) -> Bool {
            candidate.transmitter != current.transmitter && isAllowed(candidate) && isAdmitted(candidate, at: now) && !isDistrusted(candidate.transmitter)
                && isWorthTrying(candidate, at: now)
        }
        if let best = candidates.best(at: now, where: isChoice) { return best }
        return candidates.isAlive(current, at: now) ? nil : candidates.best(at: now, evenAvoided: true, where: isChoice)
    }

    /// Whether experience with others speaks against a repair node. The sender serves those who have none that is of use; without it
    /// there is no choice.
    private func isWorthTrying(_ candidate: ParentCandidate, at now: Instant) -> Bool {
        guard !candidate.isRoot, !candidate.hasHelped, let root = candidates.root, candidates.isAlive(root, at: now) else { return true }
        return candidate.wasTried || experience.mayTry(limit: configuration.tree.maximumTrials) && !experience.isShunned(candidate.address, at: now)
    }

    func isDistrusted(_ transmitter: UInt32) -> Bool { candidates.spoiltChunks(of: transmitter) >= configuration.tree.tolerableSpoiltChunks }
}
