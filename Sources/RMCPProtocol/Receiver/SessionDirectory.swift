import DequeModule

/// Whom a receiver believes.
public struct TrustPolicy: Sendable {
    public var trustedKeys: Set<PublicKey>
    public var allowsUnsigned: Bool
    /// When the newest known version of each bundle was created, milliseconds since 1970: what is older is refused.
    public var newest: [BundleIdentity: UInt64]

    public init(trustedKeys: Set<PublicKey>, allowsUnsigned: Bool, newest: [BundleIdentity: UInt64] = [:]) {
        self.trustedKeys = trustedKeys
        self.allowsUnsigned = allowsUnsigned
        self.newest = newest
    }
}

/// What makes two sessions versions of one bundle: its name, said by the same signer.
public struct BundleIdentity: Hashable, Sendable {
    public var name: String
    public var key: PublicKey

    public init(name: String, key: PublicKey) {
        self.name = name
        self.key = key
    }

    public init(_ announce: Announce) { self.init(name: announce.name, key: announce.key) }
}

/// Why a session was not accepted: one line to the user for each session.
public enum SessionRefusal: Sendable, Hashable {
    case unsigned
    case untrusted(PublicKey)
    /// A newer version of the bundle has been received: created then, milliseconds since 1970.
    case rollback(newest: UInt64)
    case badSignature
    /// Another session with the same tag is under way.
    case tagInUse
    case tooManySessions
}

/// Decides which announced sessions a receiver takes part in.
public struct SessionDirectory: Sendable {
    public enum Verdict: Sendable {
        /// A session that has not been seen: make an engine for it. `superseding` is one that gives way to it: the same
        /// bundle by a sender that has fallen silent, so that what came of it goes on in the new one.
        case accept(Announce, superseding: SessionID?)
        /// Said once for each session.
        case refuse(Announce, SessionRefusal)
        /// Known, over, or refused before.
        case ignore
    }

    private var policy: TrustPolicy
    private let verifier: any MessageVerifier
    private let sessionLimit: Int
    /// In order of arrival; at most `sessionLimit`.
    private var active: [Announce] = []
    /// Sessions of a bundle that is being received already, and since when they are put off: until it is clear whether
    /// the other sender is dead.
    private var postponed: Deque<(session: SessionID, since: Instant)> = []
    private static let postponedLimit = 16
    private let silence: Interval
    /// Sessions that are over or were refused, oldest first. With their keys: a refused forgery of a session must not
    /// close the session itself.
    private struct Closed: Hashable, Sendable {
        var session: SessionID
        var key: PublicKey
    }
    private var closed: Deque<Closed> = []
    private var closedSet: Set<Closed> = []
    /// The session that was last told that there is no room for it.
    private var waiting: SessionID?
    private static let closedLimit = 1_024
    /// Bundles whose newest version is remembered; the oldest are forgotten.
    private static let versionLimit = 10_000
    public private(set) var malformed: UInt64 = 0
    public private(set) var foreign: UInt64 = 0

    /// - Parameters:
    ///   - sessionLimit: sessions at one time.
    ///   - silence: a sender that has not been heard for this long is taken for dead when another one offers the same.
    public init(policy: TrustPolicy, verifier: any MessageVerifier, sessionLimit: Int, silence: Interval) {
        self.silence = silence
        self.policy = policy
        self.verifier = verifier
        self.sessionLimit = sessionLimit
    }

    /// Judges a datagram whose session tag belongs to no engine.
    /// - Parameter lastHeard: when the sender of an accepted session was last heard.
    public mutating func judge(_ datagram: RawSpan, at now: Instant, lastHeard: (SessionID) -> Instant?) -> Verdict {
        let announce: Announce
        let signature: Signature
        do throws(WireError) {
            // Most of what comes here is DATA of sessions that are over: it is not decoded any further.
            guard try PacketHeader(of: datagram).kind == .announce else { return .ignore }
            guard case .announce(let parsed, let parsedSignature) = try Packet.parse(datagram).1 else { return .ignore }
            (announce, signature) = (parsed, parsedSignature)
        } catch {
            if error == .foreignMagic || error == .foreignVersion { foreign += 1 } else { malformed += 1 }
            return .ignore
        }
        if closedSet.contains(Closed(session: announce.session, key: announce.key)) { return .ignore }
        if active.contains(where: { $0.session == announce.session }) { return .ignore }
        if let refusal = refusal(of: announce, signature: signature) {
            // A bad signature may be somebody else's forgery of a session that is good: it must not close that one.
            if refusal == .badSignature {
                malformed += 1
                return .ignore
            }
            guard refusal == .tooManySessions else {
                close(announce.session, key: announce.key)
                return .refuse(announce, refusal)
            }
            // It may be taken later, but its user is told once.
            guard waiting != announce.session else { return .ignore }
            waiting = announce.session
            return .refuse(announce, refusal)
        }
        return admit(announce, at: now, lastHeard: lastHeard)
    }

    private mutating func admit(_ announce: Announce, at now: Instant, lastHeard: (SessionID) -> Instant?) -> Verdict {
        var superseded: SessionID?
        if let rival = active.first(where: { $0.name == announce.name && $0.key == announce.key }) {
            // An older one that is offered while a newer is here is somebody's replay, or of no use to anybody.
            if announce.creationTime < rival.creationTime { return .ignore }
            if now - (lastHeard(rival.session) ?? .zero) >= silence {
                superseded = rival.session
                end(rival.session, mayReturn: false)
            } else if !hasWaited(announce.session, at: now) {
                return .ignore
            }
        }
        postponed.removeAll { $0.session == announce.session }
        active.append(announce)
        return .accept(announce, superseding: superseded)
    }

    /// True when the session was put off for long enough for a dead sender to be known as dead: both are alive then.
    private mutating func hasWaited(_ session: SessionID, at now: Instant) -> Bool {
        if let entry = postponed.first(where: { $0.session == session }) { return now - entry.since >= silence * 1.5 }
        if postponed.count >= Self.postponedLimit { postponed.removeFirst() }
        postponed.append((session, now))
        return false
    }

    private func refusal(of announce: Announce, signature: Signature) -> SessionRefusal? {
        if announce.isSigned {
            guard verifier.isValid(signature, for: announce.signedMessage, by: announce.key) else { return .badSignature }
            guard policy.trustedKeys.contains(announce.key) || policy.allowsUnsigned else { return .untrusted(announce.key) }
        } else if !policy.allowsUnsigned {
            return .unsigned
        }
        if announce.isSigned, let newest = policy.newest[BundleIdentity(announce)], announce.creationTime < newest {
            return .rollback(newest: newest)
        }
        if active.contains(where: { $0.session.tag == announce.session.tag }) { return .tagInUse }
        return active.count >= sessionLimit ? .tooManySessions : nil
    }

    /// A session that is here from before: it is not accepted once more, and gives way to a newer one.
    public mutating func adopt(_ announce: Announce) {
        guard !active.contains(where: { $0.session == announce.session }) else { return }
        active.append(announce)
    }

    /// The bundle has been received whole: older versions of it are refused from now on.
    public mutating func noteVersion(of announce: Announce) {
        guard announce.isSigned else { return }
        let identity = BundleIdentity(announce)
        policy.newest[identity] = max(policy.newest[identity] ?? 0, announce.creationTime)
        while policy.newest.count > Self.versionLimit, let oldest = policy.newest.min(by: { ($0.value, $0.key.name) < ($1.value, $1.key.name) }) {
            policy.newest[oldest.key] = nil
        }
    }

    /// The session's engine is gone. One that may still succeed, such as after a partition, is not remembered.
    public mutating func end(_ session: SessionID, mayReturn: Bool) {
        guard let index = active.firstIndex(where: { $0.session == session }) else { return }
        let announce = active.remove(at: index)
        if !mayReturn { close(session, key: announce.key) }
    }

    private mutating func close(_ session: SessionID, key: PublicKey) {
        let entry = Closed(session: session, key: key)
        guard closedSet.insert(entry).inserted else { return }
        closed.append(entry)
        if closed.count > Self.closedLimit, let oldest = closed.popFirst() { closedSet.remove(oldest) }
    }
}
