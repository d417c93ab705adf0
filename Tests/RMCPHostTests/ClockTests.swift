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

    private func announce(created: UInt64, epoch: UInt32) -> Announce {
        Announce(
            session: SessionID(high: 1 << 32, low: created), kind: .file, chunkLength: 4_096, payloadLength: 1_000, creationTime: created,
            contentLength: 0, allocatedLength: 0, mode: 0o644, modificationTime: nil, epoch: epoch, name: "image", key: key.publicKey)
    }

    /// Whether it was published, and what was said.
    private func publish(_ created: UInt64, epoch: UInt32 = 0, in records: VersionRecords) -> (isPublished: Bool, line: String?) {
        var isPublished = false
        let line = try? records.publish(announce(created: created, epoch: epoch), trusting: [key.publicKey], { () throws(HostError) in isPublished = true })
        return (isPublished, line ?? nil)
    }

    @Test func aStampNeverGoesBack() {
        #expect(stamps.next(for: key.publicKey, at: Self.clock()) == (BundleVersion(time: Self.today), []))
        #expect(stamps.next(for: key.publicKey, at: Self.clock()) == (BundleVersion(time: Self.today + 1), []))
        // Sessions that begin together are ahead of the clock by their number; the clock is right all the same.
        #expect(stamps.next(for: key.publicKey, at: Self.clock()) == (BundleVersion(time: Self.today + 2), []))
        let back = stamps.next(for: key.publicKey, at: Self.clock(-3_600_000))
        #expect(back.version.time == Self.today + 3 && back.warnings.count == 1 && back.warnings.first?.contains("1:00:00 behind") == true)
        // Other keys have stamps of their own, and time goes on.
        #expect(stamps.next(for: SigningKey().publicKey, at: Self.clock(-3_600_000)).version.time == Self.today - 3_600_000)
        #expect(stamps.next(for: key.publicKey, at: Self.clock(5_000)) == (BundleVersion(time: Self.today + 5_000), []))
    }

    /// Of a hundred senders that start at once no two have the same stamp.
    @Test func eachSenderHasAStampOfItsOwn() async {
        let (stamps, key) = (stamps, key.publicKey)
        let times = await withTaskGroup(of: UInt64.self) { group in
            for _ in 0..<100 { group.addTask { stamps.next(for: key, at: Self.clock()).version.time } }
            return await group.reduce(into: Set<UInt64>()) { $0.insert($1) }
        }
        #expect(times == Set(Self.today..<Self.today + 100))
    }

    @Test func aClockWithoutABatteryIsSaid() {
        let stamp = stamps.next(for: key.publicKey, at: HostClock(milliseconds: 86_400_000, isSynchronised: false))
        #expect(stamp.version.time == 86_400_000 && stamp.warnings.first?.contains("1970-01-02") == true)
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
        #expect(try records().newest.values.first == BundleVersion(time: Self.today + 3_600_000))
    }

    /// A clock that nobody keeps right is no measure of others.
    @Test func aReceiverWithoutTimeNotesEverything() throws {
        #expect(publish(Self.today + Self.tenYears, in: try records(synchronised: false)) == (true, nil))
        #expect(try records().newest.values.first == BundleVersion(time: Self.today + Self.tenYears))
    }

    /// An epoch lets in what a note from the future keeps out: for good, and nothing of an earlier epoch after it.
    @Test func anEpochSupersedesWhatIsNoted() throws {
        #expect(publish(Self.today + Self.tenYears, in: try records(synchronised: false)).isPublished)
        #expect(!publish(Self.today, in: try records()).isPublished)
        #expect(publish(Self.today, epoch: 1, in: try records()) == (true, nil))
        #expect(try records().newest.values.first == BundleVersion(epoch: 1, time: Self.today))
        // Neither a replay of what was noted before nor one of the epoch's own comes back.
        #expect(publish(Self.today + 1_000, epoch: 1, in: try records()) == (true, nil))
        for (time, epoch) in [(Self.today + Self.tenYears, UInt32(0)), (Self.today, 1)] {
            #expect(!publish(time, epoch: epoch, in: try records(synchronised: false)).isPublished)
        }
        #expect(publish(Self.today - 5_000, epoch: 2, in: try records()) == (true, nil))
        #expect(!publish(Self.today + 2_000, epoch: 1, in: try records()).isPublished)
    }

    @Test func anEpochIsAboveAllThatItsUserHasUsed() {
        let other = SigningKey().publicKey
        #expect(stamps.next(for: key.publicKey, at: Self.clock(Int64(Self.tenYears))).version == BundleVersion(time: Self.today + Self.tenYears))
        let superseding = stamps.next(for: key.publicKey, supersedes: true, at: Self.clock())
        #expect(superseding == (BundleVersion(epoch: 1, time: Self.today), []))
        // Everything that follows stays in the epoch.
        #expect(stamps.next(for: key.publicKey, at: Self.clock()).version == BundleVersion(epoch: 1, time: Self.today + 1))
        // A key that takes the place of another begins above it, when it is told to.
        #expect(stamps.next(for: other, at: Self.clock()).version == BundleVersion(time: Self.today))
        #expect(stamps.next(for: other, supersedes: true, at: Self.clock(-9)).version == BundleVersion(epoch: 2, time: Self.today - 9))
        #expect(stamps.next(for: key.publicKey, supersedes: true, at: Self.clock(9)).version == BundleVersion(epoch: 3, time: Self.today + 9))
        // Where nothing is kept it is said.
        let homeless = SenderStamps(file: nil).next(for: other, supersedes: true, at: Self.clock())
        #expect(homeless.version.epoch == 1 && homeless.warnings.first?.contains("no home") == true)
    }

    /// Files of a user who may read at the most.
    private final class ForbiddenFiles: FileSystem, @unchecked Sendable {
        private let mayRead: Bool

        init(mayRead: Bool) { self.mayRead = mayRead }

        override func open(_ path: String, _ flags: Int32, mode: mode_t) -> Int32 {
            if mayRead, flags & O_ACCMODE == O_RDONLY { return super.open(path, flags, mode: mode) }
            errno = EACCES
            return -1
        }
    }

    /// As in a home that may only be read, and in one where another user has made the lock.
    @Test func stampsThatCannotBeNotedAreReadAllTheSame() throws {
        #expect(stamps.next(for: key.publicKey, supersedes: true, at: Self.clock()).version.epoch == 1)
        func stampsThrough(_ files: FileSystem) -> SenderStamps { SenderStamps(file: SharedFile(path: scratch.path + "/stamps", files: files)) }
        let readOnly = stampsThrough(ForbiddenFiles(mayRead: true))
        let (version, warnings) = readOnly.next(for: key.publicKey, at: Self.clock(-5_000))
        #expect(version == BundleVersion(epoch: 1, time: Self.today + 1))
        #expect(warnings.first?.contains("the next session may be taken for an older one") == true, "\(warnings)")
        #expect(readOnly.next(for: key.publicKey, supersedes: true, at: Self.clock()).version.epoch == 2)
        // Nothing is known where it cannot be read either.
        let closed = stampsThrough(ForbiddenFiles(mayRead: false)).next(for: key.publicKey, at: Self.clock())
        #expect(closed.version.epoch == 0 && closed.warnings.first?.contains("may refuse this session") == true)
    }

    @Test func versionsInFilesOfBeforeAreRead() {
        #expect(VersionText.parse("17") == BundleVersion(time: 17) && VersionText.parse("3:17") == BundleVersion(epoch: 3, time: 17))
        for version in [BundleVersion(time: .max), BundleVersion(epoch: .max, time: 0)] { #expect(VersionText.parse(VersionText.text(version)) == version) }
        for wrong in ["", ":", "1:", ":1", "1:2:3", "-1", "4294967296:1", "1:18446744073709551616"] { #expect(VersionText.parse(wrong) == nil) }
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
