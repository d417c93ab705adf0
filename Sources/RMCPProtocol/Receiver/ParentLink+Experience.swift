/// Experience of the child with repair nodes so far.
extension ParentLink {
    /// The parent is not asked again for a while; one that was of no use is not, whatever id it says.
    mutating func leaveAlone(_ current: ParentCandidate, _ moment: Moment) {
        var pause = configuration.tree.parentAvoidance
        if isUseless(current, moment) { pause = experience.noteUseless(at: current.address, pause: pause, now: moment.now) }
        candidates.avoid(current.transmitter, until: moment.now + pause)
    }

    /// A chunk that this node had a part in was what its record says.
    mutating func noteUseful(_ supplier: UInt32) {
        guard let index = candidates.index(of: supplier), !candidates.candidates[index].hasHelped else { return }
        candidates.update(supplier) { $0.hasHelped = true }
        if candidates.candidates[index].wasTried { experience.noteUseful(at: candidates.candidates[index].address) }
    }

    /// A node that was asked, gave nothing and is not heard any more was of no use either.
    mutating func noteOwnDeparture(at now: Instant) {
        guard let old = current, old.wasTried, !old.hasHelped, attachment.askingSince != nil, !candidates.isAlive(old, at: now),
            !experience.isShunned(old.address, at: now)
        else { return }
        _ = experience.noteUseless(at: old.address, pause: configuration.tree.parentAvoidance, now: now)
    }

    mutating func noteTrial() {
        guard let current, !current.isRoot, !current.hasHelped, !current.wasTried else { return }
        candidates.update(transmitter) { $0.wasTried = true }
        experience.noteTrial()
    }
}
