import Foundation
import RMCPContent
import RMCPReport

@testable import RMCPHost
@testable import RMCPProtocol

/// Storage jobs that run when a test says so, in any order.
final class ManualExecutor: StorageExecutor {
    private let worker = StorageWorker()
    private(set) var waiting: [StorageJob] = []
    private var outputs: [StorageOutput] = []

    func submit(_ job: StorageJob) { waiting.append(job) }
    func collect() -> StorageOutput? { outputs.isEmpty ? nil : outputs.removeFirst() }

    /// Runs one; what came of it.
    @discardableResult
    func run(_ index: Int) -> (job: StorageJob, output: StorageOutput) {
        let job = waiting.remove(at: index)
        let output = worker.run(job)
        outputs.append(output)
        return (job, output)
    }

    /// Runs all that fit.
    func run(where fits: (StorageJob) -> Bool) { while let index = waiting.firstIndex(where: fits) { run(index) } }
}

final class ManualNetwork: SessionNetwork {
    let interfaceName = "none"
    var sent: [(destination: SocketAddress, bytes: [UInt8])] = []
    func send(_ bytes: [UInt8], to destination: SocketAddress) -> Bool {
        sent.append((destination, bytes))
        return true
    }
    func rejoin() {}
    /// Whether regions can be listened to.
    var canJoin = true
    private(set) var left: [SocketAddress] = []

    func join(_ region: SocketAddress, in table: inout RegionTable, at now: Instant) -> Bool {
        guard canJoin else {
            table.noteFailed(region, at: now)
            return false
        }
        table.noteJoined(region)
        return true
    }

    func leave(_ region: SocketAddress) { left.append(region) }
}

/// One receiver's sessions with senders on a perfect network, storage jobs that wait to be run, and a clock that jumps.
final class ManualReceiver {
    static let address = SocketAddress.ipv4(10, 1, 0, 1, port: 5_000)
    let key: SigningKey
    let base: String
    var folder: String { base + "/d" }
    let executor = ManualExecutor()
    let network = ManualNetwork()
    private(set) var now = Instant.zero + .milliseconds(1)
    private(set) var updates: [ReceiveUpdate] = []
    private(set) var sessions: ReceiveSessions?
    var senders: [ScheduleSender] = []
    private var number = 0

    private let output: ReceiveRequest.Output
    private let once: Bool
    private let files: FileSystem
    private let memoryLimit: Int

    /// - Parameter memoryLimit: bytes of chunks.
    init(output: ReceiveRequest.Output = .directory, once: Bool = false, files: FileSystem = .host, memoryLimit: Int = MemoryLimit.receiveBuffers) throws {
        self.files = files
        self.memoryLimit = memoryLimit
        self.output = output
        self.once = once
        base = NSTemporaryDirectory() + "rmcp-receiver-\(UUID().uuidString)"
        for path in ["/d", "/state"] { try FileManager.default.createDirectory(atPath: base + path, withIntermediateDirectories: true) }
        key = try SigningKey(parsing: "rmcp-ed25519-private \(Data((0..<32).map { UInt8($0) }).base64EncodedString())")
        try start()
    }

    /// A process takes the place of the one before.
    func start(takesAgain: Bool = false) throws {
        let request = ReceiveRequest(
            group: .ipv4(239, 1, 1, 1, port: 1), interfaceName: nil, directory: folder, output: output, once: once,
            trust: TrustPolicy(trustedKeys: [key.publicKey], allowsUnsigned: false), versions: try VersionRecords(path: base + "/state/versions"),
            takesAgain: takesAgain, hook: nil, timeout: nil, configuration: Configuration())
        let completed = CompletedSessions(path: base + "/state/completed", place: "here")
        sessions = ReceiveSessions(
            request, network: network, executor: executor, completed: completed, known: try completed.sessions(), files: files,
            memory: ChunkMemory(limit: memoryLimit, fewest: HostLimits.fewestSlots), seed: 7, at: now,
            observer: { [unowned self] in updates.append($0) })
    }

    deinit { try? FileManager.default.removeItem(atPath: base) }

    var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted() }
    func content(_ name: String) -> [UInt8]? { FileManager.default.contents(atPath: folder + "/" + name).map(Array.init) }

    var failures: [String] { updates.compactMap { if case .failed(_, let reason) = $0 { reason } else { nil } } }
    var regions: [SocketAddress] { updates.compactMap { if case .region(let region) = $0 { region } else { nil } } }
    var completions: Int { updates.reduce(0) { if case .completed = $1 { $0 + 1 } else { $0 } } }
    var refusals: [SessionRefusal] { updates.compactMap { if case .refused(_, let reason) = $0 { reason } else { nil } } }

    @discardableResult
    func send(_ version: ScheduleVersion) throws -> ScheduleSender {
        number += 1
        let sender = try ScheduleSender(version, key: key, number: number, wait: .seconds(60), seed: UInt64(number), at: now)
        senders.append(sender)
        return sender
    }

    /// Lets time pass, with storage jobs that fit run as they come, until `condition` holds; false when it does not.
    func run(for limit: Interval = .seconds(20), jobs fits: (StorageJob) -> Bool = { _ in true }, until condition: (ManualReceiver) -> Bool) -> Bool {
        let end = now + limit
        while now < end, !condition(self) { step(fits) }
        return condition(self)
    }

    private func step(_ fits: (StorageJob) -> Bool) {
        guard let sessions else { return }
        var next = now + .milliseconds(50)
        for sender in senders { if let due = sender.engine.pollTimeout(at: now) { next = min(next, due) } }
        if let due = sessions.deadline(at: now) { next = min(next, due) }
        now = max(next, now + .microseconds(50))
        for sender in senders {
            for (destination, datagram) in sender.drive(at: now) where destination == nil || destination == Self.address {
                take(datagram, from: sender.address)
            }
        }
        sessions.drive(at: now)
        executor.run(where: fits)
        sessions.collect(at: now)
        sessions.drive(at: now)
        let sent = network.sent
        network.sent = []
        for (destination, bytes) in sent { for sender in senders where sender.address == destination { sender.take(bytes, from: Self.address, at: now) } }
    }

    func take(_ datagram: [UInt8], from source: SocketAddress) {
        guard let sessions else { return }
        datagram.withUnsafeBytes { bytes in
            sessions.handle(DatagramTrain(bytes: bytes, segment: 0, arrival: Arrival(source: source, timeToLive: 1, at: now)), at: now)
        }
        sessions.followRegions(at: now)
    }
}

extension StorageJob {
    var isStore: Bool { if case .store = self { true } else { false } }
    var isCommit: Bool { if case .commit = self { true } else { false } }
    /// The session whose commit it is.
    var committing: SessionID? { if case .commit(let handle, _, _, _) = self { handle.announce.session } else { nil } }
}

/// A failed expectation shows what it was about by reflection, which can't copy what can't be copied.
extension ManualReceiver: CustomReflectable {
    var customMirror: Mirror { Mirror(self, children: ["updates": updates.count, "names": names]) }
}
extension ManualExecutor: CustomReflectable {
    var customMirror: Mirror { Mirror(self, children: ["waiting": waiting.count]) }
}
