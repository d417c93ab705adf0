import Dispatch
import Foundation
import RMCPContent
import Testing

@testable import RMCPHost
@testable import RMCPProtocol

/// What the receivers of one user know together.
@Suite struct StateTests {
    private let scratch = TemporaryDirectory()
    private let key = SigningKey()
    private let successor = SigningKey()
    private var path: String { scratch.path + "/versions" }

    private func announce(_ name: String, created: UInt64, by key: SigningKey? = nil, session: UInt64 = 1) -> Announce {
        Announce(
            session: SessionID(high: session << 32, low: 2), kind: .file, chunkLength: 4_096, payloadLength: 1_000, creationTime: created, contentLength: 0,
            allocatedLength: 0, mode: 0o644, modificationTime: nil, name: name, key: (key ?? self.key).publicKey)
    }

    private func publish(_ announce: Announce, in records: VersionRecords, trusting keys: Set<PublicKey>? = nil) throws -> Bool {
        var isPublished = false
        do throws(HostError) {
            let warning = try records.publish(announce, trusting: keys ?? [key.publicKey], { () throws(HostError) in isPublished = true })
            #expect(warning == nil)
        } catch {
            #expect(error.kind == .outdated)
        }
        return isPublished
    }

    /// Each has read the file before the other wrote.
    @Test func twoProcessesKeepWhatEachHasLearned() throws {
        let (first, second) = (try VersionRecords(path: path), try VersionRecords(path: path))
        #expect(try publish(announce("a", created: 2_000), in: first))
        #expect(try publish(announce("b", created: 2_000), in: second))
        let known = try VersionRecords(path: path).newest
        #expect(known.count == 2 && known.values.allSatisfy { $0 == BundleVersion(time: 2_000) })
        // What another has learned binds this one at once.
        #expect(try !publish(announce("b", created: 1_000), in: first))
        #expect(try publish(announce("b", created: 2_000), in: first))
    }

    @Test func aVersionIsOneLineMoreWhateverIsThere() throws {
        let records = try VersionRecords(path: path)
        #expect(try publish(announce("a b", created: 2_000), in: records))
        let (before, line) = try (Listing.status(path), String(contentsOfFile: path, encoding: .utf8))
        // Half a line, as a crash leaves it, is no line of a shorter name.
        for cut in [line.count - 2, line.count - 46, line.count - 60, line.count - 61, 6] {
            try (line + line.prefix(cut)).write(toFile: path, atomically: false, encoding: .utf8)
            #expect(try VersionRecords(path: path).newest.keys.map(\.name) == ["a b"])
        }
        for created in [2_000, 2_000, 3_000] as [UInt64] { #expect(try publish(announce("c", created: created), in: records)) }
        #expect(try !publish(announce("c", created: 2_000), in: records))
        let after = Listing.status(path)
        #expect(after.st_ino == before.st_ino && after.st_size > before.st_size)
        #expect(try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").count == 4, "two of c, and half a line")
        #expect(try VersionRecords(path: path).newest.values.sorted() == [BundleVersion(time: 2_000), BundleVersion(time: 3_000)])
    }

    /// The newest of each, and of all of them.
    @Test func whatIsOutOfDateIsForgottenWhenTheFileIsLong() throws {
        let records = try VersionRecords(path: path)
        #expect(try publish(announce("a", created: 5_000), in: records))
        let line = try String(contentsOfFile: path, encoding: .utf8)
        let others = (0..<40_000).map { line.replacingOccurrences(of: "5000 a ", with: "\(6_000 + $0) \($0 % 15_000)-\(String(repeating: "n", count: 60)) ") }
        try others.joined().write(toFile: path, atomically: false, encoding: .utf8)
        #expect(try publish(announce("b", created: 50_000), in: records))
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == VersionRecords.limit && lines.contains { $0.hasPrefix("50000 b ") } && lines.contains { $0.hasPrefix("45999 ") })
        #expect(!lines.contains { $0.hasPrefix("6000 ") })
        #expect(try publish(announce("a", created: 5_000), in: records) && scratch.names.sorted() == ["versions", "versions.lock"])
    }

    /// A hundred at a time: none of their lines is lost.
    @Test func manyWritersLoseNothing() async throws {
        let path = path
        let key = key
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<100 {
                let announce = announce("n\(number)", created: 1_000)
                group.addTask {
                    guard let records = try? VersionRecords(path: path) else { return }
                    _ = try? records.publish(announce, trusting: [key.publicKey], { () throws(HostError) in })
                }
            }
        }
        #expect(try VersionRecords(path: path).newest.count == 100)
        // Neither locks nor temporary files pile up.
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path).sorted() == ["versions", "versions.lock"])
    }

    @Test func aFormerKeysBundleIsOlderThanItsSuccessors() throws {
        let records = try VersionRecords(path: path)
        let both: Set = [key.publicKey, successor.publicKey]
        #expect(try publish(announce("a", created: 2_000, by: successor), in: records, trusting: both))
        #expect(try !publish(announce("a", created: 1_000, by: key), in: records, trusting: both))
        #expect(try publish(announce("a", created: 1_000, by: key), in: records, trusting: [key.publicKey]))
    }

    @Test func whatCannotBeReadIsAnError() throws {
        #expect(mkfifo(path, 0o600) == 0)
        #expect(throws: HostError.self) { try VersionRecords(path: path) }
        #expect(try VersionRecords(path: scratch.path + "/nowhere/versions").newest.isEmpty)
    }

    @Test func completedSessionsAreKeptByPlaceAndInOrder() throws {
        let path = scratch.path + "/completed"
        let (here, there) = (CompletedSessions(path: path, place: "here"), CompletedSessions(path: path, place: "there"))
        for number in 1...3 as ClosedRange<UInt64> {
            try here.note(announce("a", created: 1, session: number))
            try here.note(announce("a", created: 1, session: number))
        }
        try there.note(announce("a", created: 1, session: 9))
        #expect(try here.sessions().map(\.session.tag) == [1, 2, 3])
        #expect(try there.sessions().map(\.session.tag) == [9])
    }

    @Test func whatIsCompletedIsOneLineMoreWhateverIsThere() throws {
        let path = scratch.path + "/completed"
        let completed = CompletedSessions(path: path, place: "here")
        try completed.note(announce("a", created: 1, session: 1))
        let (before, line) = try (Listing.status(path), String(contentsOfFile: path, encoding: .utf8))
        // Half a line is what a full disk or a crash leaves.
        try (line + line.prefix(20)).write(toFile: path, atomically: false, encoding: .utf8)
        try completed.note(announce("a", created: 1, session: 2))
        #expect(try completed.sessions().map(\.session.tag) == [1, 2])
        let after = Listing.status(path)
        #expect(after.st_ino == before.st_ino && after.st_size > before.st_size)
    }

    @Test func theFirstCompletedAreForgotten() throws {
        let path = scratch.path + "/completed"
        let completed = CompletedSessions(path: path, place: "here")
        try completed.note(announce("a", created: 1, session: 1))
        let others = String(repeating: "0123456789abcdef0123456789abcdef f 1 unsigned\n", count: 50_000)
        try (String(contentsOfFile: path, encoding: .utf8) + others).write(toFile: path, atomically: false, encoding: .utf8)
        #expect(try completed.sessions().map(\.session.tag) == [1])
        try completed.note(announce("a", created: 1, session: 2))
        #expect(try completed.sessions().map(\.session.tag) == [2])
        #expect(try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").count == CompletedSessions.limit)
        #expect(Set(scratch.names) == ["completed", "completed.lock"])
    }

    @Test func theLastToCommitWinsOnlyIfItIsNewer() throws {
        let gate = CommitGate(versions: nil, trustedKeys: [])
        let begun = gate.turn
        func publish(_ created: UInt64, since: UInt64, isCancelled: Bool = false) -> HostError.Kind? {
            do throws(HostError) {
                _ = try gate.publish(announce("a", created: created), at: "d/a", since: since, isCancelled: { isCancelled }, { () throws(HostError) in })
                return nil
            } catch { return error.kind }
        }
        #expect(publish(2_000, since: begun) == nil)
        #expect(publish(1_000, since: begun) == .outdated)
        #expect(publish(3_000, since: begun, isCancelled: true) == .cancelled)
        #expect(publish(3_000, since: begun) == nil)
        // Whoever asks for an older one afterwards wants it.
        #expect(publish(1_000, since: gate.turn) == nil)
    }

    /// The network thread asks for the turn, while a disk takes its time for a rename or another process holds the file of versions.
    @Test("A session that begins while another's bundle gets its name does not wait for that, and is under way with it")
    func aTurnIsKnownWhileABundleIsPublished() throws {
        let gate = CommitGate(versions: nil, trustedKeys: [])
        let (started, goOn) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let (isDone, isKnown) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let (newer, older) = (announce("a", created: 2_000), announce("a", created: 1_000))
        Thread.detachNewThread {
            _ = try? gate.publish(
                newer, at: "d/a", since: 0, isCancelled: { false },
                { () throws(HostError) in
                    started.signal()
                    goOn.wait()
                })
            isDone.signal()
        }
        started.wait()
        let turn = LockedValue<UInt64?>(nil)
        Thread.detachNewThread {
            let begun = gate.turn
            turn.withLock { $0 = begun }
            isKnown.signal()
        }
        #expect(isKnown.wait(timeout: .now() + 5) == .success)
        let begun = turn.withLock { $0 }
        goOn.signal()
        isDone.wait()
        #expect(begun == 0 && gate.turn == 1)
        let error = #expect(throws: HostError.self) {
            _ = try gate.publish(older, at: "d/a", since: begun ?? 0, isCancelled: { false }, { () throws(HostError) in })
        }
        #expect(error?.kind == .outdated)
    }

    /// A storage that has something to tell of what it has published.
    private final class FaultyStorage: BundleStorage {
        let path = "d/a"
        func prepare(contentLength: UInt64?, allocatedLength: UInt64) throws(HostError) {}
        func write(chunk: UInt32, record: ChunkRecord, content: RawSpan) throws(HostError) {}
        func zero(chunks: Range<UInt32>, contentLength: UInt64) throws(HostError) {}
        func flush(contentLength: UInt64) throws(HostError) {}
        func takeNotes() -> [String] { ["d/a: its owner is not kept"] }
    }

    /// A command that restarts the machine would be run after each restart.
    @Test("That a bundle may be taken again is told beside whatever else there is to tell", arguments: [false, true])
    func whatCannotBeNotedIsTold(hasVersions: Bool) throws {
        // A directory is none of the files.
        for name in ["versions", "completed"] {
            try FileManager.default.createDirectory(atPath: "\(scratch.path)/\(name)/in", withIntermediateDirectories: true)
        }
        var versions: VersionRecords?
        if hasVersions {
            try FileManager.default.removeItem(atPath: path)
            versions = try VersionRecords(path: path)
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        }
        let announce = announce("a", created: 1_000)
        let handle = StorageHandle(generation: SessionGeneration(number: 1), announce: announce, storage: FaultyStorage(), identity: 1, turn: 0)
        let end = EndOfTable(chunkCount: 0, pageCount: 0, contentLength: 0, encodedLength: 0, tableDigest: Digest(Bytes32(0, 0, 0, 0)))
        let gate = CommitGate(versions: versions, trustedKeys: [key.publicKey])
        let output = StorageWorker().run(.commit(handle, end, gate, CompletedSessions(path: scratch.path + "/completed", place: "here")))
        guard case .committed(_, let notes) = output else {
            Issue.record("\(output)")
            return
        }
        let told = ["its owner is not kept"] + (hasVersions ? ["will not be refused after a restart"] : []) + ["may be taken again after a restart"]
        #expect(notes.count == told.count && zip(notes, told).allSatisfy { $0.contains($1) }, "\(notes)")
    }
}

/// A directory that is gone afterwards.
final class TemporaryDirectory: Sendable {
    let path: String

    init() {
        path = NSTemporaryDirectory() + "rmcp-test-\(UUID().uuidString)"
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }
}
