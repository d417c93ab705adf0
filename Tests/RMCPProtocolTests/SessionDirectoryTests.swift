import TestSupport
import Testing

@testable import RMCPProtocol

@Suite struct SessionDirectoryTests {
    private let trusted = LaneSigner(key: 1)
    private let stranger = LaneSigner(key: 2)
    private let source = SocketAddress.ipv4(10, 0, 0, 1, port: 4_000)

    private enum Answer: Equatable {
        case accept(SessionID)
        case refuse(SessionID, SessionRefusal)
        case ignore
    }

    private func directory(allowsUnsigned: Bool = false, limit: Int = 10) -> SessionDirectory {
        SessionDirectory(
            policy: TrustPolicy(trustedKeys: [trusted.publicKey], allowsUnsigned: allowsUnsigned), verifier: LaneVerifier(),
            sessionLimit: limit, silence: .seconds(1))
    }

    /// Sessions with the same `tag` share what their packets carry; `number` tells them apart.
    private func session(_ tag: UInt32, _ number: UInt64 = 0) -> SessionID { SessionID(high: UInt64(tag) << 32, low: number) }

    private func announce(_ session: SessionID, by signer: LaneSigner?, bend: Bool = false) -> [UInt8] {
        var announce = Announce.sample("n\(session.tag).\(session.low)", session: session, contentLength: 5, key: signer?.publicKey ?? .none)
        let signature = signer?.signature(for: announce.signedMessage) ?? .none
        if bend { announce.name = "m" }
        return datagram(.announce(announce, signature), tag: session.tag)
    }

    private func judge(_ datagram: [UInt8], by directory: inout SessionDirectory, at now: Instant = .zero) -> Answer {
        switch directory.judge(datagram.span.bytes, from: source, at: now, lastHeard: { _ in Instant(nanoseconds: 0) }) {
        case .accept(let announce, _): .accept(announce.session)
        case .refuse(let announce, let refusal, let isNew): isNew ? .refuse(announce.session, refusal) : .ignore
        case .ignore: .ignore
        }
    }

    private func expect(
        _ datagram: [UInt8], _ expected: Answer, by directory: inout SessionDirectory,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let answer = judge(datagram, by: &directory)
        #expect(answer == expected, sourceLocation: sourceLocation)
    }

    @Test func aTrustedSessionIsAcceptedOnce() {
        var directory = directory()
        let announce = announce(session(1), by: trusted)
        expect(announce, .accept(session(1)), by: &directory)
        expect(announce, .ignore, by: &directory)
    }

    // MARK: Sealed sessions

    /// Opens what has its salt, and finds there the details of an announce.
    private struct Opener: DetailsOpener {
        let salt: Bytes32
        let plain: [UInt8]

        func unseal(_ details: SealedDetails, of session: SessionID) -> [UInt8]? { details.salt == salt ? plain : nil }
    }

    private let ours = Bytes32(1, 1, 1, 1)

    private func sealed(_ number: UInt32, name: String, salt: Bytes32, time: UInt64 = 5, by signer: LaneSigner? = nil) -> (datagram: [UInt8], opener: Opener) {
        let signer = signer ?? trusted
        var announce = Announce.sample(name, session: session(number), contentLength: 5, key: signer.publicKey)
        announce.creationTime = time
        announce.secrecy = .opened(SealedDetails(salt: salt, bytes: [UInt8](repeating: 9, count: SealedDetails.sealedLength)))
        return (datagram(.announce(announce, signer.signature(for: announce.signedMessage)), tag: number), Opener(salt: salt, plain: announce.plainDetails))
    }

    private func directory(_ sealing: SealingPolicy) -> SessionDirectory {
        var policy = TrustPolicy(trustedKeys: [trusted.publicKey], allowsUnsigned: true)
        policy.sealing = sealing
        return SessionDirectory(policy: policy, verifier: LaneVerifier(), sessionLimit: 10, silence: .seconds(1))
    }

    @Test func whatIsSealedNeedsItsKeyAndNothingElseIsTakenWithOne() {
        let (ofOurs, opener) = sealed(1, name: "a", salt: ours)
        var without = directory(.none)
        expect(ofOurs, .refuse(session(1), .sealed), by: &without)
        expect(ofOurs, .ignore, by: &without)
        var with = directory(.opening(opener))
        expect(announce(session(2), by: trusted), .refuse(session(2), .notSealed), by: &with)
        expect(announce(session(3), by: nil), .refuse(session(3), .notSealed), by: &with)
        expect(sealed(4, name: "b", salt: Bytes32(2, 2, 2, 2)).datagram, .refuse(session(4), .sealedForOthers), by: &with)
        expect(ofOurs, .accept(session(1)), by: &with)
        #expect(with.active.first?.name == "a" && with.active.first?.isOpen == true)
        var node = directory(.carrying)
        expect(announce(session(2), by: trusted), .refuse(session(2), .notSealed), by: &node)
        expect(ofOurs, .accept(session(1)), by: &node)
        #expect(node.active.first?.isOpen == false)
    }

    @Test("A bundle that is not wanted is passed over without a word, whoever offers it")
    func otherNames() {
        var policy = TrustPolicy(trustedKeys: [trusted.publicKey], allowsUnsigned: false)
        policy.wants = { $0.hasPrefix("n2") }
        var directory = SessionDirectory(policy: policy, verifier: LaneVerifier(), sessionLimit: 1, hasOneOutput: true, silence: .seconds(1))
        for signer in [trusted, stranger, nil] { expect(announce(session(1), by: signer), .ignore, by: &directory) }
        expect(announce(session(2), by: stranger), .refuse(session(2), .untrusted(stranger.publicKey)), by: &directory)
        expect(announce(session(2), by: trusted), .accept(session(2)), by: &directory)
        expect(announce(session(1), by: trusted), .ignore, by: &directory)
        #expect(directory.active.map(\.session) == [session(2)] && directory.malformed == 0)
    }

    @Test("A name that is sealed is looked at when it is known")
    func otherNamesThatAreSealed() {
        let (wanted, opener) = sealed(1, name: "kernel", salt: ours)
        let (other, opensOther) = sealed(2, name: "image", salt: ours)
        for (datagram, opener, answer) in [(wanted, opener, Answer.accept(session(1))), (other, opensOther, .ignore)] {
            var policy = TrustPolicy(trustedKeys: [trusted.publicKey], allowsUnsigned: false)
            policy.sealing = .opening(opener)
            policy.wants = { $0 == "kernel" }
            var directory = SessionDirectory(policy: policy, verifier: LaneVerifier(), sessionLimit: 10, silence: .seconds(1))
            expect(datagram, answer, by: &directory)
        }
        // The name is not known here, and everything is carried.
        var policy = TrustPolicy(trustedKeys: [trusted.publicKey], allowsUnsigned: false)
        policy.sealing = .carrying
        policy.wants = { _ in false }
        var node = SessionDirectory(policy: policy, verifier: LaneVerifier(), sessionLimit: 10, silence: .seconds(1))
        expect(wanted, .accept(session(1)), by: &node)
    }

    @Test func theSignatureIsAskedForAllTheSame() {
        var policy = TrustPolicy(trustedKeys: [trusted.publicKey], allowsUnsigned: false)
        let (byStranger, opener) = sealed(1, name: "a", salt: ours, by: stranger)
        policy.sealing = .opening(opener)
        var directory = SessionDirectory(policy: policy, verifier: LaneVerifier(), sessionLimit: 10, silence: .seconds(1))
        expect(byStranger, .refuse(session(1), .untrusted(stranger.publicKey)), by: &directory)
    }

    @Test("Versions are told by the name that was opened; a node that cannot open them takes each session for itself")
    func versionsOfWhatIsSealed() throws {
        let (newer, opener) = sealed(1, name: "a", salt: ours, time: 9)
        let (older, _) = sealed(2, name: "a", salt: ours, time: 5)
        var receiver = directory(.opening(opener))
        expect(newer, .accept(session(1)), by: &receiver)
        receiver.noteVersion(of: try #require(receiver.active.first))
        receiver.end(session(1), mayReturn: false)
        expect(older, .refuse(session(2), .rollback(newest: BundleVersion(epoch: 0, time: 9))), by: &receiver)
        var node = directory(.carrying)
        expect(newer, .accept(session(1)), by: &node)
        node.noteVersion(of: try #require(node.active.first))
        expect(older, .accept(session(2)), by: &node)
    }

    @Test func unsignedSessionsAreRefusedOnce() {
        var directory = directory()
        expect(announce(session(1), by: nil), .refuse(session(1), .unsigned), by: &directory)
        expect(announce(session(1), by: nil), .ignore, by: &directory)
        expect(announce(session(2), by: nil), .refuse(session(2), .unsigned), by: &directory)
        var open = self.directory(allowsUnsigned: true)
        expect(announce(session(1), by: nil), .accept(session(1)), by: &open)
    }

    @Test func untrustedKeysAreRefusedOnce() {
        var directory = directory()
        expect(announce(session(1), by: stranger), .refuse(session(1), .untrusted(stranger.publicKey)), by: &directory)
        expect(announce(session(1), by: stranger), .ignore, by: &directory)
        // Who takes unsigned sessions takes those of strangers, too.
        var open = self.directory(allowsUnsigned: true)
        expect(announce(session(1), by: stranger), .accept(session(1)), by: &open)
    }

    /// Somebody else's forgery must not close the session that it imitates, even where unsigned ones are taken.
    @Test(arguments: [false, true]) func aBadSignatureIsCountedAndForgotten(allowsUnsigned: Bool) {
        var directory = directory(allowsUnsigned: allowsUnsigned)
        for _ in 0..<3 { expect(announce(session(1), by: trusted, bend: true), .ignore, by: &directory) }
        #expect(directory.malformed == 3)
        expect(announce(session(1), by: trusted), .accept(session(1)), by: &directory)
        #expect(directory.malformed == 3)
    }

    /// An ANNOUNCE with the id of a good session and no signature, or a stranger's, is refused for itself alone: before
    /// the good one came, while it is under way, and when it may return.
    @Test func aForgeryDoesNotCloseTheSessionItImitates() {
        for forger in [nil, stranger] {
            let refusal: SessionRefusal = forger.map { .untrusted($0.publicKey) } ?? .unsigned
            let forged = announce(session(1), by: forger)
            let good = announce(session(1), by: trusted)
            var directory = directory()
            expect(forged, .refuse(session(1), refusal), by: &directory)
            expect(good, .accept(session(1)), by: &directory)
            expect(forged, .ignore, by: &directory)
            directory.end(session(1), mayReturn: true)
            expect(forged, .ignore, by: &directory)
            expect(good, .accept(session(1)), by: &directory)
            directory.end(session(1), mayReturn: false)
            expect(good, .ignore, by: &directory)
        }
    }

    /// The same the other way round: the end of the good one is what closes it, whatever was forged meanwhile.
    @Test func aForgeryDoesNotReopenASession() {
        var directory = directory()
        expect(announce(session(1), by: trusted), .accept(session(1)), by: &directory)
        directory.end(session(1), mayReturn: false)
        expect(announce(session(1), by: nil), .refuse(session(1), .unsigned), by: &directory)
        expect(announce(session(1), by: trusted), .ignore, by: &directory)
    }

    @Test func aTagInUseIsRefusedOnce() {
        var directory = directory()
        expect(announce(session(7, 1), by: trusted), .accept(session(7, 1)), by: &directory)
        expect(announce(session(7, 2), by: trusted), .refuse(session(7, 2), .tagInUse), by: &directory)
        expect(announce(session(7, 2), by: trusted), .ignore, by: &directory)
        // The first one is none the worse for it, and its end frees the tag for others.
        directory.end(session(7, 1), mayReturn: false)
        expect(announce(session(7, 1), by: trusted), .ignore, by: &directory)
        expect(announce(session(7, 3), by: trusted), .accept(session(7, 3)), by: &directory)
    }

    @Test func aSessionBeyondTheLimitIsTakenWhenThereIsRoom() {
        var directory = directory(limit: 2)
        expect(announce(session(1), by: trusted), .accept(session(1)), by: &directory)
        expect(announce(session(2), by: trusted), .accept(session(2)), by: &directory)
        expect(announce(session(3), by: trusted), .refuse(session(3), .tooManySessions), by: &directory)
        // Said once, not with each of its four ANNOUNCEs a second.
        for _ in 0..<3 { expect(announce(session(3), by: trusted), .ignore, by: &directory) }
        directory.end(session(1), mayReturn: false)
        expect(announce(session(3), by: trusted), .accept(session(3)), by: &directory)
    }

    @Test func onlyASessionThatMayReturnReturns() {
        var directory = directory()
        for (tag, mayReturn) in [(UInt32(1), true), (2, false)] {
            expect(announce(session(tag), by: trusted), .accept(session(tag)), by: &directory)
            directory.end(session(tag), mayReturn: mayReturn)
            expect(announce(session(tag), by: trusted), mayReturn ? .accept(session(tag)) : .ignore, by: &directory)
        }
    }

    /// The end of a session that was refused its tag must not free the tag of the one that has it.
    @Test func endingAnotherSessionOfTheSameTagChangesNothing() {
        var directory = directory()
        expect(announce(session(7, 1), by: trusted), .accept(session(7, 1)), by: &directory)
        directory.end(session(7, 2), mayReturn: true)
        expect(announce(session(7, 3), by: trusted), .refuse(session(7, 3), .tagInUse), by: &directory)
    }

    /// Whoever is refused takes no place in any memory but that of what was said: the oldest of these is said again.
    @Test func aFloodOfRefusedSessionsReopensNothing() {
        var directory = directory()
        for (tag, isComplete) in [(UInt32(1), true), (2, false)] {
            expect(announce(session(tag), by: trusted), .accept(session(tag)), by: &directory)
            directory.end(session(tag), mayReturn: isComplete)
            if isComplete { directory.noteCompleted(session(tag), key: trusted.publicKey) }
        }
        for tag in UInt32(10)..<3_000 {
            expect(announce(session(tag), by: nil), .refuse(session(tag), .unsigned), by: &directory)
            expect(announce(session(tag), by: nil), .ignore, by: &directory)
        }
        expect(announce(session(10), by: nil), .refuse(session(10), .unsigned), by: &directory)
        expect(announce(session(1), by: trusted), .ignore, by: &directory)
        expect(announce(session(2), by: trusted), .ignore, by: &directory)
    }

    /// A repair node offers what it has on and on, hundreds of sessions perhaps: each is told of once, and none that became complete here.
    @Test func completeSessionsAreToldOfOnce() {
        var directory = directory()
        for tag in UInt32(1)...200 { directory.noteCompletedBefore(session(tag), key: trusted.publicKey) }
        for tag in UInt32(201)...300 {
            expect(announce(session(tag), by: trusted), .accept(session(tag)), by: &directory)
            directory.noteCompleted(session(tag), key: trusted.publicKey)
            directory.end(session(tag), mayReturn: false)
        }
        func told(at milliseconds: Int64) -> [Answer] {
            (UInt32(1)...300).map { judge(announce(session($0), by: trusted), by: &directory, at: .milliseconds(milliseconds + Int64($0) * 100)) }
        }
        let first = told(at: 0)
        #expect(first.prefix(200).elementsEqual((UInt32(1)...200).map { .refuse(session($0), .completedBefore) }))
        #expect(first.dropFirst(200).allSatisfy { $0 == .ignore })
        #expect(told(at: 100_000).allSatisfy { $0 == .ignore })
    }

    private func version(_ number: UInt64, created: UInt64, epoch: UInt32 = 0, name: String = "image", by signer: LaneSigner, kind: BundleKind = .file)
        -> [UInt8]
    {
        var announce = Announce.sample(
            name, session: session(UInt32(number)), kind: kind, creationTime: created, contentLength: 5, key: signer.publicKey)
        announce.epoch = epoch
        return datagram(.announce(announce, signer.signature(for: announce.signedMessage)), tag: announce.session.tag)
    }

    /// What the former key has signed does not become current again when a new key is trusted beside it.
    @Test func aVersionIsJudgedByAllTrustedKeys() {
        let successor = LaneSigner(key: 3)
        let newest = [
            BundleIdentity(name: "image", key: successor.publicKey): BundleVersion(time: 2_000),
            BundleIdentity(name: "image", key: stranger.publicKey): BundleVersion(time: 9_000),
        ]
        var directory = SessionDirectory(
            policy: TrustPolicy(trustedKeys: [trusted.publicKey, successor.publicKey], allowsUnsigned: false, newest: newest), verifier: LaneVerifier(),
            sessionLimit: 10, silence: .seconds(1))
        expect(version(1, created: 1_000, by: trusted), .refuse(session(1), .rollback(newest: BundleVersion(time: 2_000))), by: &directory)
        expect(version(2, created: 2_000, by: trusted), .accept(session(2)), by: &directory)
    }

    /// A later epoch wins over any time of an earlier one, and what is of the earlier one never comes back.
    @Test func anEpochWinsOverTime() throws {
        let newest = [BundleIdentity(name: "image", key: trusted.publicKey): BundleVersion(time: 9_000)]
        var directory = SessionDirectory(
            policy: TrustPolicy(trustedKeys: [trusted.publicKey], allowsUnsigned: false, newest: newest), verifier: LaneVerifier(), sessionLimit: 10,
            silence: .seconds(1))
        expect(version(1, created: 1_000, by: trusted), .refuse(session(1), .rollback(newest: BundleVersion(time: 9_000))), by: &directory)
        expect(version(2, created: 1_000, epoch: 1, by: trusted), .accept(session(2)), by: &directory)
        // Neither beside it nor after it.
        expect(version(3, created: 9_500, by: trusted), .ignore, by: &directory)
        let announce = try #require(directory.active.first)
        directory.noteVersion(of: announce)
        directory.end(session(2), mayReturn: false)
        for (number, created, epoch) in [(UInt64(4), UInt64(9_500), UInt32(0)), (5, 999, 1)] {
            let refusal = SessionRefusal.rollback(newest: BundleVersion(epoch: 1, time: 1_000))
            expect(version(number, created: created, epoch: epoch, by: trusted), .refuse(session(UInt32(number)), refusal), by: &directory)
        }
        expect(version(6, created: 500, epoch: 2, by: trusted), .accept(session(6)), by: &directory)
    }

    /// A session that anybody can repeat takes no place, and of too many candidates those give way that nobody speaks for.
    @Test func aSessionHasAPlaceWhenSomethingHasComeOfIt() {
        var directory = SessionDirectory(
            policy: TrustPolicy(trustedKeys: [trusted.publicKey], allowsUnsigned: false), verifier: LaneVerifier(), sessionLimit: 2, candidateLimit: 4,
            silence: .seconds(1))
        func offer(_ number: UInt64) -> [UInt8] { version(number, created: number, name: "n\(number)", by: trusted) }
        for number: UInt64 in 1...5 {
            expect(offer(number), .accept(session(UInt32(number))), by: &directory)
            #expect(!directory.hasPlace(session(UInt32(number))) && directory.candidateCount == Int(number))
        }
        // The first is spoken for; the last has just come.
        #expect(directory.superfluous { $0 == session(1) } == session(2))
        #expect(directory.superfluous { _ in true } == session(1))
        directory.end(session(2), mayReturn: true)
        #expect(directory.superfluous { _ in false } == nil)
        let (first, third, fourth) = (directory.promote(session(1)), directory.promote(session(3)), directory.promote(session(4)))
        #expect(first && third && !fourth && directory.hasPlace(session(1)) && !directory.hasPlace(session(4)))
        // Others are refused now, unless somebody gives way.
        expect(offer(6), .refuse(session(6), .tooManySessions), by: &directory)
        directory.demote(session(3))
        let again = directory.promote(session(4))
        #expect(again && !directory.hasPlace(session(3)))
        directory.end(session(1), mayReturn: true)
        expect(offer(7), .accept(session(7)), by: &directory)
    }

    /// A recorded session of the same name keeps nobody waiting, whichever of the two is newer.
    @Test func aCandidateIsNobodysRival() {
        var directory = SessionDirectory(
            policy: TrustPolicy(trustedKeys: [trusted.publicKey], allowsUnsigned: false), verifier: LaneVerifier(), sessionLimit: 2, candidateLimit: 4,
            silence: .seconds(1))
        expect(version(1, created: 2_000, by: trusted), .accept(session(1)), by: &directory)
        expect(version(2, created: 1_000, by: trusted), .accept(session(2)), by: &directory)
        expect(version(3, created: 3_000, by: trusted), .accept(session(3)), by: &directory)
    }

    private func judge(
        _ number: UInt64, created: UInt64, by directory: inout SessionDirectory, at now: Instant, heard: Instant
    ) -> (isAccepted: Bool, superseded: SessionID?) {
        let bytes = version(number, created: created, by: trusted)
        guard case .accept(_, let superseded) = directory.judge(bytes.span.bytes, from: source, at: now, lastHeard: { _ in heard }) else { return (false, nil) }
        return (true, superseded)
    }

    /// A candidate that came first hides nothing: a sender that was started anew takes over what is stored of its predecessor.
    @Test func theSessionWithAPlaceGivesWay() {
        var directory = SessionDirectory(
            policy: TrustPolicy(trustedKeys: [trusted.publicKey], allowsUnsigned: false), verifier: LaneVerifier(), sessionLimit: 2, candidateLimit: 4,
            silence: .seconds(1))
        let start = Instant.milliseconds(1_000)
        for number: UInt64 in 1...2 {
            let verdict = judge(number, created: number, by: &directory, at: start, heard: start)
            #expect(verdict.isAccepted && verdict.superseded == nil)
        }
        let hasPlace = directory.promote(session(2))
        #expect(hasPlace)
        let verdict = judge(3, created: 3, by: &directory, at: start + .seconds(1), heard: start)
        #expect(verdict.isAccepted && verdict.superseded == session(2))
        #expect(directory.active.map(\.session) == [session(1), session(3)])
    }

    /// Nor is an older one taken for its sake, whoever repeats it.
    @Test func anOldOneIsNoneTheNewerForAnOlderCandidate() {
        var directory = SessionDirectory(
            policy: TrustPolicy(trustedKeys: [trusted.publicKey], allowsUnsigned: false), verifier: LaneVerifier(), sessionLimit: 2, candidateLimit: 4,
            silence: .seconds(1))
        let start = Instant.milliseconds(1_000)
        for number: UInt64 in [1, 3] {
            let verdict = judge(number, created: number, by: &directory, at: start, heard: start)
            #expect(verdict.isAccepted)
        }
        let hasPlace = directory.promote(session(3))
        #expect(hasPlace)
        for wait in [Interval.zero, .seconds(5)] {
            let verdict = judge(2, created: 2, by: &directory, at: start + wait, heard: start)
            #expect(!verdict.isAccepted)
        }
    }

    /// Two spellings of one accent are two files.
    @Test func namesAreBytes() {
        let newest = [BundleIdentity(name: "caf\u{E9}", key: trusted.publicKey): BundleVersion(time: 2_000)]
        var directory = SessionDirectory(
            policy: TrustPolicy(trustedKeys: [trusted.publicKey], allowsUnsigned: false, newest: newest), verifier: LaneVerifier(),
            sessionLimit: 10, silence: .seconds(1))
        expect(version(1, created: 1_000, name: "cafe\u{301}", by: trusted), .accept(session(1)), by: &directory)
        expect(version(2, created: 1_000, name: "caf\u{E9}", by: trusted), .refuse(session(2), .rollback(newest: BundleVersion(time: 2_000))), by: &directory)
    }

    @Test func oneOutputIsForOneSession() {
        var directory = SessionDirectory(
            policy: TrustPolicy(trustedKeys: [trusted.publicKey], allowsUnsigned: false), verifier: LaneVerifier(), sessionLimit: 10, hasOneOutput: true,
            silence: .seconds(1))
        expect(version(1, created: 1_000, name: "a", by: trusted), .accept(session(1)), by: &directory)
        expect(version(2, created: 2_000, name: "b", by: trusted), .refuse(session(2), .outputInUse), by: &directory)
        expect(version(2, created: 2_000, name: "b", by: trusted), .ignore, by: &directory)
        directory.end(session(1), mayReturn: false)
        expect(version(2, created: 2_000, name: "b", by: trusted), .accept(session(2)), by: &directory)
    }

    @Test func aKindThatCannotBeStoredIsRefused() {
        var policy = TrustPolicy(trustedKeys: [trusted.publicKey], allowsUnsigned: false)
        policy.refusedKinds = [.tree]
        var directory = SessionDirectory(policy: policy, verifier: LaneVerifier(), sessionLimit: 10, silence: .seconds(1))
        expect(version(1, created: 1_000, by: trusted, kind: .tree), .refuse(session(1), .unsupported(.tree)), by: &directory)
    }

    @Test func whatIsNoAnnounceIsIgnored() {
        var directory = directory()
        var random = RandomSource(seed: 95)
        for kind in PacketKind.allCases where kind != .announce {
            expect(datagram(random.packet(of: kind), payload: [1]), .ignore, by: &directory)
        }
        #expect(directory.malformed == 0 && directory.foreign == 0)
        var bent = announce(session(1), by: trusted)
        bent[0] ^= 1
        expect(bent, .ignore, by: &directory)
        bent[0] ^= 1
        bent[2] = 3
        expect(bent, .ignore, by: &directory)
        #expect(directory.malformed == 0 && directory.foreign == 2)
        expect(Array(announce(session(1), by: trusted).dropLast()), .ignore, by: &directory)
        expect([], .ignore, by: &directory)
        #expect(directory.malformed == 2 && directory.foreign == 2)
    }

    /// The same bundle by two sessions; the sender of the first was last heard at `heard`.
    private func rival(at now: Instant, heard: Instant, in directory: inout SessionDirectory) -> SessionDirectory.Verdict {
        let second = Announce.sample("n1.0", session: session(2), contentLength: 5, key: trusted.publicKey)
        let bytes = datagram(.announce(second, trusted.signature(for: second.signedMessage)), tag: second.session.tag)
        return directory.judge(bytes.span.bytes, from: source, at: now, lastHeard: { _ in heard })
    }

    @Test func aRestartedSenderTakesOverOnceTheOldOneIsSilent() {
        var directory = directory()
        expect(announce(session(1), by: trusted), .accept(session(1)), by: &directory)
        let start = Instant(nanoseconds: 0)
        guard case .ignore = rival(at: start + .milliseconds(300), heard: start, in: &directory) else {
            Issue.record("taken before the old sender can be known as dead")
            return
        }
        guard case .accept(_, superseding: .some(let old)) = rival(at: start + .milliseconds(1_050), heard: start, in: &directory) else {
            Issue.record("not taken when the old sender has been silent for a second")
            return
        }
        #expect(old == session(1))
        expect(announce(session(1), by: trusted), .ignore, by: &directory)
    }

    @Test func twoLivingSendersOfOneBundleAreBothTaken() {
        var directory = directory()
        expect(announce(session(1), by: trusted), .accept(session(1)), by: &directory)
        let start = Instant(nanoseconds: 0)
        for step in 0..<15 {
            let now = start + .milliseconds(Int64(step) * 100)
            guard case .ignore = rival(at: now, heard: now, in: &directory) else {
                Issue.record("taken after \(step) steps")
                return
            }
        }
        let now = start + .milliseconds(1_600)
        guard case .accept(_, superseding: .none) = rival(at: now, heard: now, in: &directory) else {
            Issue.record("a living rival keeps the second one out for good")
            return
        }
    }
}
