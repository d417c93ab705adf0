import Foundation
import RMCPContent
import RMCPProtocol
import TestSupport
import Testing

@testable import RMCPHost

/// Clocks that are wrong at the sender, now or once.
@Suite struct ClockTests {
    private let scratch = TemporaryDirectory()
    private let key = SigningKey()
    private static let today: UInt64 = 1_800_000_000_000
    private static let tenYears: UInt64 = 3_650 * 24 * 3_600 * 1_000
    private static func clock(_ offset: Int64 = 0, synchronised: Bool = true) -> HostClock {
        HostClock(milliseconds: UInt64(Int64(today) + offset), isSynchronised: synchronised)
    }

    private var stamps: SenderStamps { SenderStamps(file: SharedFile(path: scratch.path + "/stamps")) }

    private func records(synchronised: Bool = true, takesOlder: Bool = false) throws -> VersionRecords {
        try VersionRecords(file: SharedFile(path: scratch.path + "/versions"), takesOlder: takesOlder) { Self.clock(synchronised: synchronised) }
    }

    private func announce(created: UInt64) -> Announce {
        Announce(
            session: SessionID(high: 1 << 32, low: created), kind: .file, chunkLength: 4_096, payloadLength: 1_000, creationTime: created,
            contentLength: 0, allocatedLength: 0, mode: 0o644, modificationTime: nil, name: "image", key: key.publicKey)
    }

    /// Whether it was published, and what was said.
    private func publish(_ created: UInt64, in records: VersionRecords) -> (isPublished: Bool, line: String?) {
        var isPublished = false
        let line = try? records.publish(announce(created: created), trusting: [key.publicKey], { () throws(HostError) in isPublished = true })
        return (isPublished, line ?? nil)
    }

    @Test func aStampNeverGoesBack() {
        #expect(stamps.next(for: key.publicKey, at: Self.clock()) == (Self.today, []))
        #expect(stamps.next(for: key.publicKey, at: Self.clock()) == (Self.today + 1, []))
        let back = stamps.next(for: key.publicKey, at: Self.clock(-3_600_000))
        #expect(back.time == Self.today + 2 && back.warnings.count == 1 && back.warnings.first?.contains("1:00:00 behind") == true)
        // Other keys have stamps of their own, and time goes on.
        #expect(stamps.next(for: SigningKey().publicKey, at: Self.clock(-3_600_000)).time == Self.today - 3_600_000)
        #expect(stamps.next(for: key.publicKey, at: Self.clock(5_000)) == (Self.today + 5_000, []))
    }

    /// Of a hundred senders that start at once no two have the same stamp.
    @Test func eachSenderHasAStampOfItsOwn() async {
        let (stamps, key) = (stamps, key.publicKey)
        let times = await withTaskGroup(of: UInt64.self) { group in
            for _ in 0..<100 { group.addTask { stamps.next(for: key, at: Self.clock()).time } }
            return await group.reduce(into: Set<UInt64>()) { $0.insert($1) }
        }
        #expect(times == Set(Self.today..<Self.today + 100))
    }

    @Test func aClockWithoutABatteryIsSaid() {
        let stamp = stamps.next(for: key.publicKey, at: HostClock(milliseconds: 86_400_000, isSynchronised: false))
        #expect(stamp.time == 86_400_000 && stamp.warnings.first?.contains("1970-01-02") == true)
    }

    /// A sender whose clock was once ten years ahead keeps nobody from what it sends when the clock is right again.
    @Test func whatComesFromTheFutureIsTakenAndNotNoted() throws {
        let ahead = publish(Self.today + Self.tenYears, in: try records())
        #expect(ahead.isPublished && ahead.line?.contains("is not noted") == true)
        #expect(try records().newest.isEmpty)
        #expect(publish(Self.today, in: try records()) == (true, nil))
        // An old one is refused as before, and an hour ahead is no matter.
        #expect(!publish(Self.today - 1, in: try records()).isPublished)
        #expect(publish(Self.today + 3_600_000, in: try records()) == (true, nil))
        #expect(try records().newest.values.first == Self.today + 3_600_000)
    }

    /// A clock that nobody keeps right is no measure of others.
    @Test func aReceiverWithoutTimeNotesEverything() throws {
        #expect(publish(Self.today + Self.tenYears, in: try records(synchronised: false)) == (true, nil))
        #expect(try records().newest.values.first == Self.today + Self.tenYears)
    }

    /// What a note from the future keeps out is let in for good by one bundle with --allow-rollback.
    @Test func aNoteFromTheFutureIsBroughtDown() throws {
        #expect(publish(Self.today + Self.tenYears, in: try records(synchronised: false)).isPublished)
        #expect(!publish(Self.today, in: try records()).isPublished)
        let open = try records(takesOlder: true)
        #expect(open.newest.isEmpty && open.latest == 0)
        #expect(publish(Self.today, in: open) == (true, nil))
        #expect(publish(Self.today + 1_000, in: try records()) == (true, nil))
        #expect(!publish(Self.today, in: try records()).isPublished)
    }
}
