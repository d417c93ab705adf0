import FuzzSupport
import OrderedCollections
import RMCPContent
import RMCPReport

@testable import RMCPHost
@testable import RMCPProtocol

private final class Network: SessionNetwork {
    let interfaceName = "none"
    private(set) var sent = 0
    func send(_ bytes: [UInt8], to destination: SocketAddress) -> Bool {
        require(unsafe (try? Packet.parse(bytes.span.bytes)) != nil, "says what nobody understands")
        sent += 1
        return true
    }
    func rejoin() {}
    func join(_ region: SocketAddress, in table: inout RegionTable, at now: Instant) -> Bool {
        guard region.low & 1 == 0 else {
            table.noteFailed(region, at: now)
            return false
        }
        table.noteJoined(region)
        require(table.joined.count <= RegionTable.limit && table.joined.contains(region), "\(table.joined)")
        return true
    }
    func leave(_ region: SocketAddress) {}
}

/// What a receiver does with sessions, with a disk in memory whose jobs end when the input says so. Whatever comes:
/// - each job has a result, storage that was opened is closed, and buffers are back in their pools when all is over,
/// - tables stay within their limits,
/// - under a final name is what was signed, and never an older version than was complete there.
final class World {
    private static let hostLimits = (sessions: HostLimits.sessions, ending: 64)
    let disk = Disk()
    private let executor: Executor
    private let network = Network()
    private(set) var sessions: ReceiveSessions
    private(set) var now = Instant.zero + .milliseconds(1)
    /// By name, of sessions of the trusted key.
    private var newest: [String: UInt64] = [:]
    private var progressCount = 0

    init(isOnce: Bool, hasOneOutput: Bool, allowsUnsigned: Bool, keepsVersions: Bool, folder: String) throws {
        disk.hasOneOutput = hasOneOutput
        executor = Executor(disk: disk)
        let trust = TrustPolicy(trustedKeys: Set(Fixture.keys.prefix(1).compactMap { $0?.publicKey }), allowsUnsigned: allowsUnsigned)
        let versions = keepsVersions ? try VersionRecords(file: SharedFile(path: "\(folder)/versions")) : nil
        let request = ReceiveRequest(
            group: .ipv4(239, 1, 1, 1, port: 1), interfaceName: nil, directory: folder, output: hasOneOutput ? .path("\(folder)/out") : .directory,
            once: isOnce, trust: trust, versions: versions, hook: nil, timeout: isOnce ? .seconds(60) : nil, configuration: smallConfiguration())
        let completed = CompletedSessions(path: "\(folder)/completed", place: "here")
        sessions = ReceiveSessions(
            request, network: network, executor: executor, completed: completed, known: [], seed: 5, at: now, observer: { _ in })
        let trusted = trust.trustedKeys
        sessions = ReceiveSessions(
            request, network: network, executor: executor, completed: completed, known: [], seed: 5, at: now,
            observer: { [unowned self] update in
                if case .completed(let snapshot, _) = update { noteComplete(snapshot, trusted) }
            })
    }

    private func noteComplete(_ snapshot: ReceiveSnapshot, _ trusted: Set<PublicKey>) {
        let announce = snapshot.announce
        require(disk.published[announce.name] != nil, "\(announce.name) is complete, and there is nothing")
        guard trusted.contains(announce.key), sessions.request.versions != nil else { return }
        require(announce.creationTime >= newest[announce.name] ?? 0, "an older version of \(announce.name) is complete after a newer one")
        newest[announce.name] = announce.creationTime
    }

    // MARK: What comes

    /// Datagrams that the kernel has put together, of `segment` bytes each.
    func hear(_ bytes: [UInt8], segment: Int, from source: SocketAddress) {
        unsafe bytes.withUnsafeBytes { buffer in
            let arrival = Arrival(source: source, timeToLive: 1, at: now)
            let train = unsafe DatagramTrain(bytes: buffer, segment: segment, arrival: arrival)
            checkRouting(train, length: bytes.count, segment: segment)
            sessions.handle(train, at: now)
        }
        sessions.followRegions(at: now)
        drive()
    }

    /// Each byte of a train goes to one place, in order, whoever takes what.
    private func checkRouting(_ train: DatagramTrain, length: Int, segment: Int) {
        for period in [1, 2, 3] as [UInt32] {
            var seen = 0
            unsafe train.route { tag, offset in
                require(offset == seen, "told of what is at \(offset) when \(seen) bytes are done")
                guard tag % period == 0 else { return nil }
                return unsafe train.whileTagged(tag, from: offset) { datagram in
                    require(datagram.count >= PacketHeader.length, "a datagram without a header is a session's")
                    seen += datagram.count
                }
            } others: { datagram in
                require(datagram.count > 0 && (segment <= 0 || datagram.count <= segment), "a datagram of no length, or of too much")
                seen += datagram.count
            }
            require(seen == length, "\(seen) of \(length) bytes were handed over")
        }
    }

    // MARK: Time

    func sleep(_ interval: Interval) {
        now = now + interval
        drive()
    }

    private func drive() {
        var spins = 0
        repeat {
            sessions.drive(at: now)
            sessions.collect(at: now)
            spins += 1
            require(spins < 64, "wants to be called over and over at \(now)")
        } while sessions.deadline(at: now).map { $0 <= now } ?? false && sessions.outcome == nil
        check()
    }

    func work(_ choice: Int) {
        executor.run(choice)
        sessions.collect(at: now)
        drive()
    }

    func workAll() {
        var count = 0
        while !executor.waiting.isEmpty {
            count += 1
            require(count < 5_000, "no end of jobs")
            work(0)
        }
    }

    func overflow(_ datagrams: UInt8) {
        sessions.noteSocket(dropped: UInt64(datagrams), share: Double(datagrams) / 255, at: now)
        drive()
    }

    /// The user stops it: it comes to rest as soon as its disk does.
    func end() {
        disk.failures = 0
        sessions.stop(at: now)
        workAll()
        for _ in 0..<40 where !sessions.isAtRest {
            sleep(.seconds(1))
            workAll()
        }
        require(sessions.isAtRest, "stopped and not at rest: \(sessions.sessions.count) sessions, \(sessions.ending.count) ending, \(sessions.outstanding)")
        require(executor.submitted == executor.collected, "\(executor.submitted) jobs and \(executor.collected) results")
        require(disk.openCount == 0, "\(disk.openCount) bundles are still open")
        require(sessions.memory.lentBytes == 0, "\(sessions.memory.lentBytes) bytes of buffers are gone")
    }

    // MARK: Checks

    private func check() {
        require(
            sessions.sessions.count + sessions.pending.count <= Self.hostLimits.sessions,
            "\(sessions.sessions.count) sessions, \(sessions.pending.count) pending")
        require(sessions.ending.count <= Self.hostLimits.ending, "\(sessions.ending.count) sessions are ending")
        let jobs = sessions.outstanding.values.reduce(0, +)
        require(jobs == executor.submitted - executor.collected, "\(jobs) jobs are said to be under way")
        require(sessions.outstanding.values.allSatisfy { $0 > 0 }, "\(sessions.outstanding)")
    }
}
