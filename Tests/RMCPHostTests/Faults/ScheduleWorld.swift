import Foundation
import RMCPContent
import RMCPReport

@testable import RMCPHost
@testable import RMCPProtocol

/// One receiver, what it is made of and a disk with faults; senders that come and go; and a clock that jumps from one
/// event to the next. What happens is drawn from the seed. Whatever it is:
/// - under a final name there is nothing, or one whole version,
/// - what was called complete, by the receiver or by a sender, is on the disk, or something newer is,
/// - and once nothing goes wrong any more, a new version arrives.
final class ScheduleWorld {
    struct Violation: Error, CustomStringConvertible {
        let description: String
    }

    static let address = SocketAddress.ipv4(10, 1, 0, 1, port: 5_000)

    private var random: RandomSource
    private let base: String
    private let folder: String
    private let state: String
    private let key: SigningKey
    let files: FaultyFileSystem
    private var now = Instant.zero + .milliseconds(1)
    private var executor = ManualExecutor()
    private let network = ManualNetwork()
    private var receiver: ReceiveSessions?
    private var restartAt = Instant.zero
    private var senders: [ScheduleSender] = []
    private var versions: [ScheduleVersion] = []
    private var senderCount = 0
    /// Creation time of the newest version of each name that was called complete.
    private var newest: [String: UInt64] = [:]
    /// The same of what a restarted receiver knows, and the names of those that it was warned not to.
    private var recorded: [String: UInt64] = [:]
    private var unrecorded: Set<String> = []
    private var stalledUntil = Instant.zero
    private var partitionedUntil = Instant.zero
    private var loss = 0.0
    /// What happened, for the report of a failure.
    private(set) var log: [String] = []
    private(set) var completions = 0
    private(set) var crashes = 0
    /// Counts of the receiver when they were last looked at; nil for one that has just begun.
    private var counted: [UInt64]?

    init(seed: UInt64) throws {
        random = RandomSource(seed: seed)
        files = FaultyFileSystem(seed: seed &+ 1_000_000)
        let root = FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm/" : NSTemporaryDirectory()
        base = root + "rmcp-schedule-\(UUID().uuidString)"
        folder = base + "/d"
        state = base + "/state"
        for path in [folder, state] { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
        key = try SigningKey(parsing: "rmcp-ed25519-private \(Data((0..<32).map { UInt8($0) }).base64EncodedString())")
        files.readBack(folder)
        files.readBack(state)
    }

    deinit { try? FileManager.default.removeItem(atPath: base) }

    // MARK: The story

    func run() throws {
        startReceiver()
        files.faultRate = [0, 0.002, 0.01, 0.05][Int.random(in: 0..<4, using: &random)]
        loss = [0, 0.01, 0.1][Int.random(in: 0..<3, using: &random)]
        let end = now + .milliseconds(1_000 * Int64.random(in: 20...90, using: &random))
        var nextEvent = now
        while now < end {
            if now >= nextEvent {
                try happen()
                nextEvent = now + .milliseconds(Int64.random(in: 50...6_000, using: &random))
            }
            try step(until: min(end, nextEvent))
        }
        try heal()
    }

    private func happen() throws {
        let roll = Int.random(in: 0..<100, using: &random)
        switch roll {
        case 0..<45: try startSender(isOlder: Int.random(in: 0..<4, using: &random) == 0)
        case 45..<55:
            guard let index = senders.indices.randomElement(using: &random) else { return }
            note("sender \(senders[index].version.session.tag) is killed")
            senders.remove(at: index)
        case 55..<60:
            guard let sender = senders.randomElement(using: &random) else { return }
            note("sender \(sender.version.session.tag) is stopped")
            sender.engine.stop(at: now)
        case 60..<70: try crash(cutsPower: false)
        case 70..<78: try crash(cutsPower: true)
        case 78..<86:
            stalledUntil = now + .milliseconds(Int64.random(in: 100...40_000, using: &random))
            note("the disk stalls until \(stalledUntil.nanoseconds / 1_000_000)")
        case 86..<92:
            partitionedUntil = now + .milliseconds(Int64.random(in: 500...40_000, using: &random))
            note("nothing arrives until \(partitionedUntil.nanoseconds / 1_000_000)")
        case 92..<95:
            note("the receiver is told to stop")
            receiver?.stop(at: now)
            receiver?.outcome = .interrupted
        default:
            guard let version = versions.randomElement(using: &random), !senders.contains(where: { $0.version.session == version.session }) else { return }
            note("session \(version.session.tag) comes back")
            try addSender(version, wait: .seconds(10))
        }
    }

    private func startSender(isOlder: Bool) throws {
        guard senders.count < 3 else { return }
        let name = ["a", "b"][Int.random(in: 0..<2, using: &random)]
        let latest = versions.filter { $0.name == name }.max { $0.creationTime < $1.creationTime }
        let time = (latest?.creationTime ?? 1_000)
        let version = ScheduleVersion(
            name: name, creationTime: isOlder ? max(1, time - UInt64.random(in: 0...3, using: &random)) : time + 10, random: &random, resembling: latest)
        versions.append(version)
        note("sender \(version.session.tag) of \(name), created \(version.creationTime), \(version.content.count) bytes")
        try addSender(version, wait: .milliseconds(1_000 * Int64.random(in: 1...30, using: &random)))
    }

    @discardableResult
    private func addSender(_ version: ScheduleVersion, wait: Interval) throws -> ScheduleSender {
        senderCount += 1
        let sender = try ScheduleSender(version, key: key, number: senderCount, wait: wait, seed: random.next(), at: now)
        senders.append(sender)
        return sender
    }

    private func crash(cutsPower: Bool) throws {
        note(cutsPower ? "the power fails" : "the receiver is killed")
        crashes += 1
        receiver = nil
        executor = ManualExecutor()
        if cutsPower { files.cutPower() }
        restartAt = now + .milliseconds(Int64.random(in: 1...3_000, using: &random))
        try checkNames()
    }

    private func startReceiver() {
        // An older version may come in place of one that could not be noted, which the user was told.
        newest = recorded
        counted = nil
        let request: ReceiveRequest
        do {
            request = ReceiveRequest(
                group: .ipv4(239, 1, 1, 1, port: 1), interfaceName: nil, directory: folder, output: .directory, once: false,
                trust: TrustPolicy(trustedKeys: [key.publicKey], allowsUnsigned: false),
                versions: try VersionRecords(file: SharedFile(path: state + "/versions", files: files)), hook: nil, timeout: nil,
                configuration: Configuration())
        } catch {
            // It says why and is started again.
            restartAt = now + .seconds(1)
            return
        }
        let completed = CompletedSessions(path: state + "/completed", place: "here", files: files)
        receiver = ReceiveSessions(
            request, network: network, executor: executor, completed: completed, known: (try? completed.sessions()) ?? [], files: files,
            seed: random.next(), at: now, observer: { [unowned self] in observe($0) })
    }

    private var pendingViolation: String?

    private func observe(_ update: ReceiveUpdate) {
        switch update {
        case .completed(let snapshot, _):
            completions += 1
            note("complete: session \(snapshot.announce.session.tag)")
            noteComplete(snapshot.announce.session, by: "the receiver")
            let name = snapshot.announce.name
            if unrecorded.remove(name) == nil { recorded[name] = max(recorded[name] ?? 0, snapshot.announce.creationTime) }
        case .failed(let snapshot, let reason): note("failed: session \(snapshot.announce.session.tag): \(reason)")
        case .warning(let text):
            note("warning: \(text)")
            if text.contains("older versions of it will not be refused") { unrecorded.insert(String(text.prefix(1))) }
        default: break
        }
    }

    // MARK: Time

    private func step(until end: Instant) throws {
        var next = min(end, now + .milliseconds(200))
        for sender in senders { if let due = sender.engine.pollTimeout(at: now) { next = min(next, due) } }
        if let due = receiver?.deadline(at: now) { next = min(next, due) }
        if !executor.waiting.isEmpty, now >= stalledUntil { next = min(next, now + .milliseconds(1)) }
        now = max(next, now + .microseconds(50))
        if receiver == nil, now >= restartAt { startReceiver() }
        for sender in senders { for (destination, datagram) in sender.drive(at: now) { deliver(datagram, to: destination, from: sender) } }
        if let receiver { try drive(receiver) }
        for sender in senders {
            guard let outcome = sender.outcome else { continue }
            note("sender \(sender.version.session.tag) ends: \(outcome.kind)")
            if outcome.kind == .complete { noteComplete(sender.version.session, by: "the sender") }
        }
        senders.removeAll { $0.outcome != nil }
        if let pendingViolation { throw Violation(description: pendingViolation) }
    }

    private func deliver(_ datagram: [UInt8], to destination: SocketAddress?, from sender: ScheduleSender) {
        guard let receiver, now >= partitionedUntil, destination == nil || destination == Self.address else { return }
        if loss > 0, Double.random(in: 0..<1, using: &random) < loss { return }
        datagram.withUnsafeBytes { bytes in
            let arrival = Arrival(source: sender.address, timeToLive: 1, at: now)
            receiver.handle(DatagramTrain(bytes: bytes, segment: 0, arrival: arrival), at: now)
        }
    }

    private func drive(_ receiver: ReceiveSessions) throws {
        receiver.drive(at: now)
        if now >= stalledUntil {
            for _ in 0..<Int.random(in: 0...4, using: &random) where !executor.waiting.isEmpty {
                let (job, output) = executor.run(Int.random(in: 0..<executor.waiting.count, using: &random))
                if let text = Self.describe(job, output) { note(text) }
                try checkNames()
                receiver.collect(at: now)
            }
        }
        receiver.drive(at: now)
        try checkFigures(receiver.figures)
        let sent = network.sent
        network.sent = []
        for (destination, bytes) in sent where now >= partitionedUntil {
            for sender in senders where sender.address == destination { sender.take(bytes, from: Self.address, at: now) }
        }
        // Stopped, it ends once its disk has come to rest, or when patience is over.
        if receiver.outcome != nil, receiver.isAtRest || Int.random(in: 0..<100, using: &random) == 0 {
            self.receiver = nil
            executor = ManualExecutor()
            restartAt = now + .seconds(1)
        }
        if Int.random(in: 0..<20, using: &random) == 0 { breathe() }
    }

    /// What came of a job, where it is of interest.
    private static func describe(_ job: StorageJob, _ output: StorageOutput) -> String? {
        switch (job, output) {
        case (.commit(let handle, _, _, _), .committed): "session \(handle.announce.session.tag) is published"
        case (.commit(let handle, _, _, _), .failed(_, let error, _)): "session \(handle.announce.session.tag) is not published: \(error.description)"
        case (.commit(let handle, _, _, _), _): "session \(handle.announce.session.tag) is not published any more"
        default: nil
        }
    }

    private func breathe() {
        let descriptors = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted().map { open("\(folder)/\($0)", O_RDWR) }
        files.breathe(descriptors.filter { $0 >= 0 })
        for descriptor in descriptors where descriptor >= 0 { close(descriptor) }
    }

    /// Nothing goes wrong any more: what is sent arrives.
    private func heal() throws {
        note("all is well from now on")
        files.faultRate = 0
        (loss, stalledUntil, partitionedUntil) = (0, .zero, .zero)
        senders = []
        for name in ["a", "b"] {
            let time = (versions.filter { $0.name == name }.map(\.creationTime).max() ?? 1_000) + 10
            let version = ScheduleVersion(name: name, creationTime: time, random: &random, resembling: versions.last { $0.name == name })
            versions.append(version)
            let sender = try addSender(version, wait: .seconds(100))
            note("the last sender of \(name): \(version.session.tag), \(version.content.count) bytes")
            let end = now + .seconds(200)
            while newest[name] != time, now < end { try step(until: end) }
            guard newest[name] == time else {
                let diagnosis = receiver?.sessions[version.session.tag]?.engine.diagnosis ?? "no session"
                throw Violation(description: "the last version of \(name) does not arrive: \(diagnosis)")
            }
            while senders.contains(where: { $0 === sender }), now < end { try step(until: end) }
            guard sender.outcome?.kind == .complete else {
                throw Violation(description: "the last sender of \(name) ends with \(sender.outcome.map { "\($0.kind)" } ?? "nothing")")
            }
            guard contents(name) == version.content else { throw Violation(description: "\(name) is not what was sent last") }
        }
        receiver = nil
        executor = ManualExecutor()
        files.cutPower()
        try checkNames()
        let left = try FileManager.default.contentsOfDirectory(atPath: folder).filter { !["a", "b"].contains($0) }
        // One that an older session has kept is taken by the next; no more than these may be there.
        guard left.count <= 8 else { throw Violation(description: "left behind: \(left.sorted())") }
    }

    // MARK: Checks

    private func note(_ text: String) { log.append("\(now.nanoseconds / 1_000_000) ms: \(text)") }

    private func contents(_ name: String) -> [UInt8]? { FileManager.default.contents(atPath: "\(folder)/\(name)").map(Array.init) }

    private func version(of content: [UInt8], named name: String) -> ScheduleVersion? {
        // Of several with the same content the newest speaks for it.
        versions.filter { $0.name == name && $0.content == content }.max { $0.creationTime < $1.creationTime }
    }

    /// Sessions come and go; what was counted of them does not go back.
    private func checkFigures(_ figures: ReceiveFigures) throws {
        let counters = figures.counters
        let counts = [
            counters.datagrams, counters.naksSent, counters.statusesSent, counters.malformed, counters.foreign, counters.forged, counters.windowDrops,
            counters.chunksRejected, figures.contentReceived, figures.contentKept, figures.refused, figures.strays.malformed, figures.strays.foreign,
        ]
        if let counted, zip(counts, counted).contains(where: { $0 < $1 }) { throw Violation(description: "counts have gone back from \(counted) to \(counts)") }
        counted = counts
    }

    private func checkNames() throws {
        for name in ["a", "b"] {
            guard let content = contents(name) else {
                if newest[name] != nil { throw Violation(description: "\(name) was complete and is gone") }
                continue
            }
            guard let version = version(of: content, named: name) else {
                throw Violation(description: "\(name) has \(content.count) bytes that nobody sent as a whole")
            }
            guard version.creationTime >= newest[name] ?? 0 else {
                throw Violation(description: "\(name) is the version of \(version.creationTime), and that of \(newest[name] ?? 0) was complete")
            }
        }
    }

    /// Somebody says that a session is complete: it must be on the disk by then.
    private func noteComplete(_ session: SessionID, by whom: String) {
        guard let version = versions.first(where: { $0.session == session }) else { return }
        newest[version.name] = max(newest[version.name] ?? 0, version.creationTime)
        guard let stored = files.stored(version.name, in: folder) else {
            pendingViolation = "\(whom) calls \(session.tag) complete, and \(version.name) is not on the disk"
            return
        }
        guard let found = self.version(of: stored, named: version.name), found.creationTime >= version.creationTime else {
            pendingViolation = "\(whom) calls \(session.tag) complete, and the disk has something else under \(version.name)"
            return
        }
    }
}
