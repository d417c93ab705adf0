import Foundation
import Testing

@testable import RMCPHost
@testable import RMCPProtocol

/// Sessions that come, go, return and meet, while storage is as slow as it can be.
@Suite struct ReceiveSessionsTests {
    private func version(_ name: String, created: UInt64, seed: UInt64, chunks: Int = 6) -> ScheduleVersion {
        var random = RandomSource(seed: seed)
        return ScheduleVersion(name: name, creationTime: created, chunks: chunks, random: &random)
    }

    /// Its chunks are still waiting to be written when it ends and returns under the same id: what becomes of them then
    /// is nothing to the session that returns, which goes on in the same file.
    @Test func lateResultsAreNothingToTheSessionThatReturns() throws {
        let receiver = try ManualReceiver()
        let version = version("a", created: 1_000, seed: 1)
        try receiver.send(version)
        #expect(receiver.run(jobs: { !$0.isStore }, until: { $0.executor.waiting.count { $0.isStore } == 6 }))
        // Two of six are written; then nothing is heard of the sender for so long that the session ends.
        for _ in 0..<2 { receiver.executor.run(0) }
        receiver.senders = []
        #expect(receiver.run(for: .seconds(60), jobs: { _ in false }, until: { !$0.failures.isEmpty }))
        #expect(receiver.executor.waiting.count == 4)
        try receiver.send(version)
        // As long as its predecessor's jobs are there, it has no storage.
        _ = receiver.run(for: .seconds(5), jobs: { _ in false }, until: { _ in false })
        #expect(receiver.executor.waiting.count { $0.isStore } == 4 && receiver.executor.waiting.count == 4)
        #expect(receiver.run(until: { $0.completions == 1 }))
        #expect(receiver.content("a") == version.content && receiver.names == ["a"], "\(receiver.names)")
        // Two chunks were there; what came again before it was looked at counts as received.
        let length = UInt64(version.content.count)
        #expect(
            receiver.updates.contains {
                if case .completed(let snapshot, _) = $0 { snapshot.contentKept <= 8_192 && snapshot.contentDone == length } else { false }
            })
    }

    /// Payloads that have no place in memory would be asked for as long as the sender is there.
    @Test func aSessionWithoutMemoryFails() throws {
        let receiver = try ManualReceiver()
        receiver.sessions?.memory.use(BufferPool(bufferLength: 1 << 46, limit: 8, memory: receiver.sessions?.memory), for: 4_096)
        let version = version("a", created: 1_000, seed: 1)
        let sender = try receiver.send(version)
        #expect(receiver.run(until: { _ in sender.outcome != nil }))
        #expect(receiver.failures.count == 1 && receiver.failures[0].contains("there is memory for 0 of 8 chunks"), "\(receiver.failures)")
        #expect(sender.engine.counters.bytesSent < 2 * UInt64(version.content.count), "\(sender.engine.counters.bytesSent) bytes sent")
    }

    /// Opening takes longer than a sender waits: the session begins without storage, and what has come is written once it
    /// is there.
    @Test func aSessionBeginsWhileItsStorageIsStillOpening() throws {
        let receiver = try ManualReceiver()
        let version = version("a", created: 1_000, seed: 1)
        try receiver.send(version)
        func isOpen(_ job: StorageJob) -> Bool { if case .open = job { true } else { false } }
        #expect(receiver.run(jobs: { !isOpen($0) }, until: { $0.senders[0].engine.sessionPhase == .draining }))
        _ = receiver.run(for: .seconds(3), jobs: { !isOpen($0) }, until: { _ in false })
        #expect(receiver.names.isEmpty && receiver.completions == 0)
        #expect(receiver.run(until: { $0.completions == 1 && $0.senders[0].outcome != nil }))
        #expect(receiver.content("a") == version.content && receiver.names == ["a"] && receiver.senders[0].outcome?.kind == .complete)
    }

    /// The first ANNOUNCE of full length comes right behind the one that the session begins with, and is not repeated for a tenth of a second:
    /// so long the sender would not start.
    @Test func aLongAnnounceCountsThatComesWhileStorageIsOpening() throws {
        let receiver = try ManualReceiver()
        let sender = try receiver.send(version("a", created: 1_000, seed: 1))
        #expect(receiver.run(for: .milliseconds(80), until: { _ in sender.engine.children.active(without: sender.engine.datagramLength).all == 1 }))
        #expect(sender.engine.children.active(without: sender.engine.datagramLength).lacking == 0)
    }

    /// The short one before it may be lost.
    @Test func aLongAnnounceCountsThatTheSessionBeginsWith() throws {
        let receiver = try ManualReceiver()
        let sender = try receiver.send(version("a", created: 1_000, seed: 1))
        receiver.senders = []
        let announces = sender.drive(at: receiver.now).map(\.1).filter { try! PacketHeader(of: $0.span.bytes).kind == .announce }
        receiver.take(try #require(announces.last { $0.count > announces[0].count }), from: sender.address)
        receiver.senders = [sender]
        #expect(receiver.run(for: .milliseconds(80), until: { _ in sender.engine.children.active(without: sender.engine.datagramLength).all == 1 }))
        #expect(sender.engine.children.active(without: sender.engine.datagramLength).lacking == 0)
    }

    /// Whoever repeats an ANNOUNCE from elsewhere shows nothing of the path from its sender.
    @Test func aStrangersLongAnnounceDoesNotCount() throws {
        let receiver = try ManualReceiver()
        let sender = try receiver.send(version("a", created: 1_000, seed: 1))
        receiver.senders = []
        let announces = sender.drive(at: receiver.now).map(\.1).filter { try! PacketHeader(of: $0.span.bytes).kind == .announce }
        receiver.take(announces[0], from: sender.address)
        receiver.take(try #require(announces.last { $0.count > announces[0].count }), from: .ipv4(10, 9, 9, 9, port: 4_000))
        receiver.senders = [sender]
        #expect(receiver.run(for: .milliseconds(80), until: { _ in sender.engine.children.active(without: sender.engine.datagramLength).all == 1 }))
        #expect(sender.engine.children.active(without: sender.engine.datagramLength).lacking == 1)
    }

    /// A sender is started again while the storage of the first session is being opened: the second waits for it.
    @Test func aSessionThatIsSupersededWhileItsStorageOpensIsClosed() throws {
        let receiver = try ManualReceiver()
        let (first, second) = (version("a", created: 1_000, seed: 1), version("a", created: 2_000, seed: 2))
        try receiver.send(first)
        _ = receiver.run(for: .seconds(3), jobs: { _ in false }, until: { _ in false })
        receiver.senders = []
        _ = receiver.run(for: .seconds(2), jobs: { _ in false }, until: { _ in false })
        try receiver.send(second)
        _ = receiver.run(for: .seconds(3), jobs: { _ in false }, until: { _ in false })
        #expect(receiver.executor.waiting.count == 1)
        #expect(receiver.run(until: { $0.completions == 1 }))
        #expect(receiver.content("a") == second.content && receiver.names == ["a"], "\(receiver.names)")
    }

    /// The last to come to the end is the older one.
    @Test func anOlderBundleDoesNotReplaceANewerOne() throws {
        let receiver = try ManualReceiver()
        let (older, newer) = (version("a", created: 1_000, seed: 1), version("a", created: 2_000, seed: 2))
        try receiver.send(older)
        #expect(receiver.run(jobs: { !$0.isCommit }, until: { $0.executor.waiting.contains { $0.isCommit } }))
        try receiver.send(newer)
        #expect(receiver.run(jobs: { $0.committing != older.session }, until: { $0.completions == 1 }))
        #expect(receiver.content("a") == newer.content)
        #expect(receiver.run(until: { !$0.failures.isEmpty }))
        #expect(receiver.content("a") == newer.content && receiver.names == ["a"], "\(receiver.names)")
        #expect(receiver.failures[0].contains("a newer version"), "\(receiver.failures)")
        #expect(receiver.run(until: { $0.senders.allSatisfy { $0.outcome != nil } }))
        #expect(receiver.senders[0].outcome?.receivers.count(.outdated) == 1)
    }

    @Test func aNewerBundleReplacesAnOlderOne() throws {
        let receiver = try ManualReceiver()
        let (older, newer) = (version("a", created: 1_000, seed: 1), version("a", created: 2_000, seed: 2))
        try receiver.send(older)
        #expect(receiver.run(jobs: { !$0.isCommit }, until: { $0.executor.waiting.contains { $0.isCommit } }))
        try receiver.send(newer)
        #expect(receiver.run(jobs: { $0.committing != newer.session }, until: { $0.completions == 1 }))
        #expect(receiver.run(until: { $0.completions == 2 }))
        #expect(receiver.content("a") == newer.content && receiver.names == ["a"], "\(receiver.names)")
    }

    /// "Wrong image, stop, send the right one": the first is being flushed when its sender has gone and the second takes
    /// over. What is flushed at last must not get the name.
    @Test func aSessionThatWasSupersededPublishesNothing() throws {
        let receiver = try ManualReceiver()
        let (wrong, right) = (version("a", created: 1_000, seed: 1), version("a", created: 2_000, seed: 2))
        try receiver.send(wrong)
        #expect(receiver.run(jobs: { !$0.isCommit }, until: { $0.executor.waiting.contains { $0.isCommit } }))
        receiver.senders = []
        _ = receiver.run(for: .seconds(2), jobs: { !$0.isCommit }, until: { _ in false })
        try receiver.send(right)
        // The predecessor's flush takes so long that the successor gets a file of its own.
        #expect(receiver.run(for: .seconds(40), jobs: { $0.committing != wrong.session }, until: { $0.completions == 1 }))
        #expect(receiver.content("a") == right.content)
        _ = receiver.run(for: .seconds(2), until: { _ in false })
        #expect(receiver.content("a") == right.content && receiver.names == ["a"], "\(receiver.names)")
    }

    /// SIGHUP: the key of a session under way is gone from the file, and comes back later.
    @Test("A session whose key is not trusted any more ends, what came is kept, and it goes on once the key is trusted again")
    func trustChanges() throws {
        let receiver = try ManualReceiver()
        let version = version("a", created: 1_000, seed: 1)
        try receiver.send(version)
        #expect(receiver.run(jobs: { !$0.isStore }, until: { $0.executor.waiting.count { $0.isStore } == 6 }))
        for _ in 0..<2 { receiver.executor.run(0) }
        var request = try #require(receiver.sessions?.request)
        let trusted = request.trust
        request.trust.trustedKeys = []
        receiver.sessions?.adopt(ReceiveChanges(request: request, notes: []), at: receiver.now)
        #expect(receiver.sessions?.isEmpty == true)
        #expect(receiver.updates.contains { if case .warning(let text) = $0 { text.contains("not trusted any more") } else { false } })
        receiver.senders = []
        try receiver.send(version)
        #expect(receiver.run(until: { !$0.refusals.isEmpty }) && receiver.completions == 0)
        request.trust = trusted
        request.names = try NamePatterns(["b"])
        receiver.sessions?.adopt(ReceiveChanges(request: request, notes: []), at: receiver.now)
        _ = receiver.run(for: .seconds(3), until: { _ in false })
        #expect(receiver.sessions?.isEmpty == true)
        request.names = try NamePatterns(["a"])
        receiver.sessions?.adopt(ReceiveChanges(request: request, notes: []), at: receiver.now)
        #expect(receiver.run(until: { $0.completions == 1 }))
        let isWhole = receiver.content("a") == version.content
        #expect(isWhole)
        #expect(receiver.updates.contains { if case .completed(let snapshot, _) = $0 { snapshot.contentKept > 0 } else { false } })
    }

    /// The command was asked to end by `--exec-timeout` already, which it does not heed.
    @Test("A command that does not end for being told is killed after a stop, too, and its bundle is not called interrupted")
    func aStopWhileACommandIsBeingEnded() throws {
        let receiver = try ManualReceiver()
        let sessions = try #require(receiver.sessions)
        let ready = receiver.base + "/ready"
        sessions.request.hook = "trap '' TERM; : >'\(ready)'; for i in $(seq 600); do sleep 0.1; done"
        sessions.request.hookTimeout = .seconds(1)
        try receiver.send(version("a", created: 1_000, seed: 1))
        // Commands have the time of the machine.
        func wait(_ condition: () -> Bool) -> Bool {
            for _ in 0..<1_000 where !condition() { usleep(10_000) }
            return condition()
        }
        #expect(receiver.run(until: { _ in !sessions.hookDescriptors.isEmpty }))
        #expect(wait { FileManager.default.fileExists(atPath: ready) })
        _ = receiver.run(for: .seconds(2), until: { _ in false })
        sessions.stop(at: receiver.now)
        #expect(!sessions.isEmpty && receiver.failures.isEmpty, "\(receiver.failures)")
        let isOver = wait { receiver.run(for: .milliseconds(500), until: { _ in sessions.isEmpty }) }
        #expect(isOver && receiver.failures.count == 1 && receiver.failures[0].contains("is complete, but the --exec command was ended"))
        sessions.abort()
    }

    /// Both write to one place: the second waits until the first is done.
    @Test func oneOutputBelongsToOneSession() throws {
        let path = NSTemporaryDirectory() + "rmcp-output-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let receiver = try ManualReceiver(output: .path(path))
        let (first, second) = (version("a", created: 1_000, seed: 1), version("b", created: 2_000, seed: 2))
        try receiver.send(first)
        #expect(receiver.run(jobs: { !$0.isCommit }, until: { $0.executor.waiting.contains { $0.isCommit } }))
        try receiver.send(second)
        _ = receiver.run(for: .seconds(3), jobs: { !$0.isCommit }, until: { _ in false })
        #expect(receiver.refusals == [.outputInUse])
        #expect(receiver.run(until: { $0.completions == 1 }))
        #expect(FileManager.default.contents(atPath: path).map(Array.init) == first.content)
        #expect(receiver.run(until: { $0.completions == 2 }))
        #expect(FileManager.default.contents(atPath: path).map(Array.init) == second.content)
    }

    /// It is offered on and on, as a repair node does, also to a receiver that was started again.
    @Test func whatIsCompleteIsNotTakenTwice() throws {
        let receiver = try ManualReceiver()
        let version = version("a", created: 1_000, seed: 1)
        try receiver.send(version)
        #expect(receiver.run(until: { $0.completions == 1 }))
        func offer() throws {
            receiver.senders = []
            try receiver.send(version)
            _ = receiver.run(for: .seconds(5), until: { _ in false })
        }
        try offer()
        #expect(receiver.completions == 1)
        try receiver.start()
        try offer()
        #expect(receiver.completions == 1 && receiver.refusals == [.completedBefore])
        // Another directory of the same user has not had it; and who wants it again gets it.
        #expect(try CompletedSessions(path: receiver.base + "/state/completed", place: "elsewhere").sessions().isEmpty)
        try receiver.start(takesAgain: true)
        try offer()
        #expect(receiver.completions == 2)
    }

    private func advertise(_ number: UInt8, to receiver: ManualReceiver) {
        let region = SocketAddress.ipv4(239, 1, 1, 10 + number, port: 1)
        receiver.take(
            Packet.advertisement(Advertisement(region: region), .none).datagram(sessionTag: 0, transmitter: 1), from: .ipv4(10, 0, 9, number, port: 4_000))
    }

    @Test func advertisedRegionsAreListenedToAndToldOfOnce() throws {
        let receiver = try ManualReceiver()
        for _ in 0..<3 { for number in 1...4 as ClosedRange<UInt8> { advertise(number, to: receiver) } }
        #expect(receiver.regions == (11...14).map { .ipv4(239, 1, 1, $0, port: 1) })
        advertise(5, to: receiver)
        #expect(receiver.regions.count == 4 && receiver.network.left.isEmpty, "all places are taken by what was advertised just now")
        _ = receiver.run(for: .seconds(9), until: { _ in false })
        for number in [1, 2, 4] as [UInt8] { advertise(number, to: receiver) }
        #expect(receiver.network.left.isEmpty)
        _ = receiver.run(for: .seconds(2), until: { _ in false })
        for _ in 0..<2 { advertise(5, to: receiver) }
        #expect(receiver.regions.last == .ipv4(239, 1, 1, 15, port: 1) && receiver.network.left == [.ipv4(239, 1, 1, 13, port: 1)])
    }

    @Test func aRegionThatCannotBeListenedToIsLeftAloneForAWhile() throws {
        let receiver = try ManualReceiver()
        receiver.network.canJoin = false
        advertise(1, to: receiver)
        receiver.network.canJoin = true
        advertise(1, to: receiver)
        #expect(receiver.regions.isEmpty)
        _ = receiver.run(for: .seconds(10), until: { _ in false })
        advertise(1, to: receiver)
        #expect(receiver.regions == [.ipv4(239, 1, 1, 11, port: 1)])
    }

    /// An ANNOUNCE can be repeated by anybody, years later.
    @Test func onceIsNotEndedByASessionThatOnlyAnnounced() throws {
        let receiver = try ManualReceiver(once: true)
        let stale = try receiver.send(version("a", created: 1_000, seed: 1))
        let announced = stale.drive(at: receiver.now).first { try! PacketHeader(of: $0.1.span.bytes).kind == .announce }
        receiver.senders = []
        receiver.take(try #require(announced?.1), from: stale.address)
        #expect(receiver.run(for: .seconds(60), until: { !$0.failures.isEmpty }))
        #expect(receiver.sessions?.outcome == nil)
        try receiver.send(version("b", created: 2_000, seed: 2))
        #expect(receiver.run(until: { $0.sessions?.outcome != nil }))
        #expect(receiver.sessions?.outcome == .complete && receiver.completions == 1)
    }

    /// A disk that is full, and has names left.
    private final class FullFiles: FileSystem, @unchecked Sendable {
        override func write(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int, at offset: Int) -> Int {
            errno = ENOSPC
            return -1
        }
    }

    /// A chunk that its sender has signed was here, so that the session was meant: it could not be stored.
    @Test func onceIsEndedByASessionThatCannotBeStored() throws {
        let receiver = try ManualReceiver(once: true, files: FullFiles())
        let stale = try receiver.send(version("a", created: 1_000, seed: 1))
        let announced = stale.drive(at: receiver.now).first { try! PacketHeader(of: $0.1.span.bytes).kind == .announce }
        receiver.senders = []
        receiver.take(try #require(announced?.1), from: stale.address)
        try receiver.send(version("b", created: 2_000, seed: 2))
        #expect(receiver.run(until: { $0.sessions?.outcome != nil }))
        #expect(receiver.sessions?.outcome == .failed(.failedDiskFull), "\(receiver.failures)")
    }
}
