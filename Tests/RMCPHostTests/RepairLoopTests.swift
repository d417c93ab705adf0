import Foundation
import RMCPContent
import RMCPReport
import TestSupport
import Testing

@testable import RMCPHost
@testable import RMCPProtocol

/// A repair node as it runs, on the loopback interface, and senders above it whose datagrams a test carries.
@Suite(.serialized) struct RepairLoopTests {
    private let cache = CachePlace()

    /// News that a node has told its observer, from its own thread.
    private final class Diary: Sendable {
        private let lines = LockedValue<[String]>([])
        /// Sessions that have somebody above, as was last told.
        private let served = LockedValue(0)
        private let counted = LockedValue<[UInt64]>([])
        let thread = LockedValue<pthread_t?>(nil)

        func note(_ update: RepairUpdate) {
            let line: String? =
                switch update {
                case .listening: "listening"
                case .began(let snapshot, _): "began \(snapshot.announce.name)"
                case .refused(let announce, let reason): "refused \(announce.name): \(reason.identifier)"
                case .upstreamOver(let snapshot, let state): "over \(snapshot.announce.name): \(state)"
                case .retired(let announce, let reason): "retired \(announce.name): \(reason.identifier)"
                case .stopped: "stopped"
                case .figures(let figures): count(figures) ? nil : "counts have gone back"
                case .progress, .asked, .warning, .notice, .complete, .parentChanged: nil
                }
            if case .progress(let snapshots) = update { served.withLock { $0 = snapshots.count { $0.depth != nil } } }
            if let line { lines.withLock { $0.append(line) } }
        }

        /// False where less was counted than before.
        private func count(_ figures: RepairFigures) -> Bool {
            let counts = [
                figures.sender.bytesSent, figures.sender.repairBytes, figures.sender.naksReceived, figures.receiver.datagrams, figures.receiver.naksSent,
                figures.network.receivedBytes, figures.network.answeredBytes, figures.cache.evictedBytes,
            ]
            return counted.withLock { before in
                defer { before = counts }
                return !zip(counts, before).contains { $0 < $1 }
            }
        }

        /// Bytes that came, as was last told.
        var received: UInt64 { counted.withLock { $0.count > 5 ? $0[5] : 0 } }

        var all: [String] { lines.withLock { $0 } }
        var servedCount: Int { served.withLock { $0 } }
        func has(_ line: String) -> Bool { all.contains(line) }
    }

    /// A node on a thread of its own until it is told to stop.
    private final class Node {
        let diary = Diary()
        private let thread: HostThread

        init(_ request: RepairNodeRequest) throws {
            thread = try HostThread(name: "node") { [diary] in
                do throws(HostError) {
                    let loop = try RepairLoop(request)
                    diary.thread.withLock { $0 = pthread_self() }
                    try loop.run { diary.note($0) }
                } catch {
                    Issue.record("\(error.description)")
                }
            }
        }

        /// Stops it as a signal of its user does.
        func stop() {
            diary.thread.withLock { thread in if let thread { pthread_kill(thread, SIGTERM) } }
            thread.join()
        }
    }

    /// Senders at one socket, told apart by their sessions.
    private final class Senders {
        private let socket: DatagramSocket
        private let group: SocketAddress
        private let slab = DatagramSlab(buffers: 16)
        private let poller = Poller()
        private let key: SigningKey
        private(set) var all: [ScheduleSender] = []
        /// The one that is told what comes; nobody listens to the others' children.
        var listening: ScheduleSender?

        init(group: SocketAddress, key: SigningKey) throws {
            self.group = group
            self.key = key
            socket = try DatagramSocket.sending(to: group, through: try NetworkInterface.forGroup(group, named: "lo"), timeToLive: 0)
            _ = poller.watch(socket.raw)
        }

        @discardableResult
        func add(_ name: String, signedBy key: SigningKey? = nil) throws -> ScheduleSender {
            var random = RandomSource(seed: UInt64(all.count) + 1)
            let version = ScheduleVersion(name: name, creationTime: 1_000, chunks: 3, random: &random)
            let sender = try ScheduleSender(
                version, key: key ?? self.key, number: all.count, wait: .seconds(60), until: .repairNodes, seed: UInt64(all.count), at: Poller.now())
            all.append(sender)
            return sender
        }

        /// Lets them speak and hear until `condition` holds; false when that takes too long.
        func run(until condition: () -> Bool) -> Bool {
            let end = Poller.now() + .seconds(25)
            while !condition() {
                let now = Poller.now()
                guard now < end else { return false }
                var next = now + .milliseconds(50)
                for sender in all where sender.outcome == nil {
                    for (destination, datagram) in sender.drive(at: now) { _ = socket.send(datagram, to: destination ?? group) }
                    if let due = sender.engine.pollTimeout(at: now) { next = min(next, due) }
                }
                poller.wait(until: max(next, now + .milliseconds(1)))
                _ = slab.receive(from: socket.raw) { bytes, arrival in
                    guard let listening, (try? PacketHeader(of: bytes.bytes))?.sessionTag == listening.version.session.tag else { return }
                    listening.take(Array(bytes), from: arrival.source, at: Poller.now())
                }
            }
            return true
        }
    }

    private func request(group: SocketAddress, key: SigningKey, cache: CachePlace) -> RepairNodeRequest {
        RepairNodeRequest(
            group: group, interfaceName: "lo", region: nil, regionInterfaceName: nil, regionTimeToLive: 0, upstream: nil, cachePath: cache.path,
            cacheSize: 1 << 26, trust: TrustPolicy(trustedKeys: [key.publicKey], allowsUnsigned: false), configuration: Configuration())
    }

    private static func key(_ number: UInt8) throws -> SigningKey {
        try SigningKey(parsing: "rmcp-ed25519-private \(Data((0..<32).map { UInt8($0) + number }).base64EncodedString())")
    }

    /// A node that listens, and senders whose key it trusts.
    private func listening(at group: SocketAddress) throws -> (Node, Senders) {
        let key = try Self.key(0)
        let node = try Node(request(group: group, key: key, cache: cache))
        let senders = try Senders(group: group, key: key)
        #expect(senders.run { node.diary.has("listening") })
        return (node, senders)
    }

    /// Each place has a session whose sender is there. Then one sender has given everything away, and its session is there for nobody.
    @Test("Where all places are taken, a session that is of no use any more gives way to another")
    func evicted() throws {
        let (node, senders) = try listening(at: LoopbackGroup.next())
        defer { node.stop() }
        let diary = node.diary
        for number in 1...HostLimits.repairSessions {
            try senders.add("s\(number)")
            #expect(senders.run { diary.servedCount == number }, "\(diary.all)")
        }
        try senders.add("late")
        #expect(senders.run { diary.has("refused late: too_many_sessions") }, "\(diary.all)")
        // One of them is served to its end.
        senders.listening = senders.all[3]
        #expect(senders.run { diary.has("over s4: complete") }, "\(diary.all)")
        #expect(senders.run { diary.has("began late") }, "\(diary.all)")
        #expect(diary.has("retired s4: no_place"))
        #expect(diary.all.count { $0.hasPrefix("refused") } == 1 && diary.all.count { $0.hasPrefix("retired") } == 1, "\(diary.all)")
        #expect(!diary.has("counts have gone back") && diary.received > 0, "\(diary.all)")
    }

    /// A line each at first, and then one now and then, so that nobody can fill a log.
    @Test("What strangers have refused is told in a few lines")
    func flooded() throws {
        let stranger = try Self.key(1)
        let (node, senders) = try listening(at: LoopbackGroup.next())
        defer { node.stop() }
        let diary = node.diary
        for number in 1...40 { try senders.add("s\(number)", signedBy: stranger) }
        // All have spoken before the last one has.
        try senders.add("last")
        #expect(senders.run { diary.has("began last") }, "\(diary.all)")
        let refused = diary.all.count { $0.hasPrefix("refused") }
        #expect((10...14).contains(refused), "\(diary.all)")
    }
}
