import Foundation
import RMCPProtocol
import Testing

@testable import RMCPHost

/// What disks, crashes and other people do to a cache.
extension CacheTests {
    /// A cache with one session of ten chunks and three pages, left as by a kill -9.
    private func filled(_ sample: CacheSample) throws -> CachePlace {
        let place = CachePlace()
        try place.run { cache in
            let bundle = try sample.open(in: cache)
            for chunk in 0..<10 as Range<UInt32> { try sample.write(chunk, to: bundle) }
            for page in 0..<3 as Range<UInt32> { bundle.keep(sample.page(page)) }
        }
        return place
    }

    @Test func aTornJournalForgetsWhatItLostAndGoesOn() throws {
        let sample = CacheSample()
        let place = try filled(sample)
        let whole = try Data(contentsOf: place.file("journal", of: sample))
        #expect(whole.count == 16 + 10 * 40)
        for length in stride(from: whole.count - 1, through: 16, by: -13) {
            try place.change("journal", of: sample) { $0 = whole.prefix(length) }
            try place.run { cache in
                let bundle = try sample.open(in: cache)
                let entries = UInt32((length - 16) / 40)
                for chunk in 0..<10 as Range<UInt32> { #expect(sample.mayBe(chunk, in: bundle) == (chunk < entries), "\(chunk) of \(length)") }
                // Behind the torn entry, and found again.
                try sample.write(50, to: bundle)
            }
            try place.run { cache in
                let bundle = try sample.open(in: cache)
                #expect(sample.mayBe(50, in: bundle) && sample.isVerified(50, in: bundle))
            }
        }
    }

    @Test func aForeignJournalVouchesForNothing() throws {
        let sample = CacheSample()
        for garbage in [Data(), Data("short".utf8), Data(repeating: 0xFF, count: 1_000), Data(repeating: 0, count: 16 + 80)] {
            let place = try filled(sample)
            try place.change("journal", of: sample) { $0 = garbage }
            try place.run { cache in
                let bundle = try sample.open(in: cache)
                for chunk in 0..<10 as Range<UInt32> { #expect(!sample.mayBe(chunk, in: bundle)) }
                #expect(place.diskUse < 32_768, "the chunks that nobody vouches for are gone")
                #expect(try bundle.tableDatagrams().count == 3)
                try sample.write(0, to: bundle)
            }
            try place.run { cache throws in
                #expect(try sample.isVerified(0, in: sample.open(in: cache)))
            }
        }
    }

    @Test func randomDamageToTheJournalIsOnlyAHint() throws {
        let sample = CacheSample()
        let place = try filled(sample)
        let whole = try Data(contentsOf: place.file("journal", of: sample))
        for position in stride(from: 16, to: whole.count, by: 3) {
            try place.change("journal", of: sample) {
                $0 = whole
                $0[position] ^= 0x80
            }
            try place.run { cache in
                let bundle = try sample.open(in: cache)
                let hinted = (0..<10 as Range<UInt32>).filter { sample.mayBe($0, in: bundle) }
                #expect(hinted.count >= 9)
                for chunk in hinted { #expect(sample.isVerified(chunk, in: bundle)) }
            }
        }
    }

    /// Has what is written to a file fail from now on, while it can be read: descriptors of it that are open can do no more.
    private func breakDisk(_ place: CachePlace, _ name: String, of sample: CacheSample) throws {
        let path = place.file(name, of: sample).path
        let suffix = "\(URL(fileURLWithPath: place.path).lastPathComponent)/\(sample.announce.session.text)/\(name)"
        let readOnly = open(path, O_RDONLY | O_CLOEXEC)
        try #require(readOnly >= 0)
        defer { close(readOnly) }
        for entry in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
            guard let descriptor = Int32(entry), descriptor != readOnly,
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(entry)"))?.hasSuffix(suffix) == true
            else { continue }
            try #require(dup2(readOnly, descriptor) == descriptor)
        }
    }

    @Test(
        "What a failed disk was given before it failed is served while it is right, and is not there at the next start",
        arguments: ["chunks", "table", "journal"])
    func aDiskThatFails(file: String) throws {
        let place = CachePlace()
        let (sample, other) = (CacheSample(), CacheSample(2))
        try place.run { cache in
            try other.fill(0..<2, in: cache)
            let bundle = try sample.open(in: cache)
            for chunk in 0..<2 as Range<UInt32> { try sample.write(chunk, to: bundle) }
            bundle.keep(sample.page(0))
            #expect(!bundle.isCondemned)
            try breakDisk(place, file, of: sample)
            if file == "table" { bundle.keep(sample.page(1)) } else { #expect(throws: HostError.self) { try sample.write(2, to: bundle) } }
            #expect(bundle.isCondemned)
            for chunk in 0..<2 as Range<UInt32> { #expect(sample.isVerified(chunk, in: bundle)) }
            #expect(file != "chunks" || !sample.mayBe(2, in: bundle))
            cache.close(bundle)
            #expect(place.names == [other.announce.session.text] && cache.bundles().count == 1)
            #expect(cache.bytes == cache.bundles().first?.bytes)
            let again = try sample.open(in: cache)
            #expect(again.isNew && !again.isCondemned && !sample.mayBe(0, in: again))
        }
    }

    @Test func aTornTableIsCutOff() throws {
        let sample = CacheSample()
        let place = try filled(sample)
        let whole = try Data(contentsOf: place.file("table", of: sample))
        let step = sample.page(0).count + 12
        for length in stride(from: whole.count - 1, through: 0, by: -11) {
            try place.change("table", of: sample) { $0 = whole.prefix(length) }
            try place.run { cache in
                let bundle = try sample.open(in: cache)
                let count = UInt32(length / step)
                let pages = (0..<count).map { sample.page($0) }
                if length % 2 == 0 { #expect(try bundle.tableDatagrams() == pages) }
                bundle.keep(sample.end)
                #expect(try bundle.tableDatagrams() == pages + [sample.end])
            }
        }
        // What a power failure leaves: the length is there and the bytes are not.
        try place.change("table", of: sample) { $0 = whole + Data(repeating: 0, count: 4_096) }
        try place.run { cache throws in #expect(try sample.open(in: cache).tableDatagrams().count == 3) }
    }

    @Test func aDamagedPageCostsThatPage() throws {
        let sample = CacheSample()
        let place = try filled(sample)
        let step = sample.page(0).count + 12
        try place.change("table", of: sample) { $0[step + 100] ^= 1 }
        try place.run { cache throws in #expect(try sample.open(in: cache).tableDatagrams() == [sample.page(0), sample.page(2)]) }
        // A length that leads anywhere.
        try place.change("table", of: sample) { $0[step] ^= 0x40 }
        try place.run { cache throws in #expect(try sample.open(in: cache).tableDatagrams() == [sample.page(0)]) }
        try place.change("table", of: sample) { $0 = Data((0..<5_000).map { UInt8(truncatingIfNeeded: $0 &* 37) }) }
        try place.run { cache throws in #expect(try sample.open(in: cache).tableDatagrams().isEmpty) }
    }

    @Test func aFlippedByteIsFoundAndTheChunkIsGone() throws {
        let sample = CacheSample()
        let place = try filled(sample)
        try place.change("chunks", of: sample) { $0[3 * 8_192 + 4_000] ^= 1 }
        try place.run { cache in
            let bundle = try sample.open(in: cache)
            #expect(sample.mayBe(3, in: bundle), "the journal knows nothing of it")
            #expect(!sample.isVerified(3, in: bundle))
            #expect(!sample.mayBe(3, in: bundle), "but is not asked again")
            for chunk in [2, 4] as [UInt32] { #expect(sample.mayBe(chunk, in: bundle) && sample.isVerified(chunk, in: bundle)) }
            let before = bundle.bytes
            #expect(try sample.write(3, to: bundle) == .kept)
            #expect(sample.mayBe(3, in: bundle) && sample.isVerified(3, in: bundle))
            #expect(bundle.bytes == before + 40, "its room was accounted for already")
        }
    }

    @Test func aTruncatedChunkFileLosesItsEnd() throws {
        let sample = CacheSample()
        let place = try filled(sample)
        try place.change("chunks", of: sample) { $0 = $0.prefix(6 * 8_192 + 100) }
        try place.run { cache in
            let bundle = try sample.open(in: cache)
            for chunk in 0..<6 as Range<UInt32> { #expect(sample.isVerified(chunk, in: bundle)) }
            for chunk in 6..<10 as Range<UInt32> {
                #expect(try sample.read(chunk, from: bundle) == nil)
                #expect(!sample.isVerified(chunk, in: bundle) && !sample.mayBe(chunk, in: bundle))
            }
        }
    }

    @Test func aTornAnnouncementEndsTheSession() throws {
        let sample = CacheSample()
        var place = try filled(sample)
        let whole = try Data(contentsOf: place.file("announce", of: sample))
        for length in stride(from: whole.count - 1, through: 0, by: -29) {
            try place.change("announce", of: sample) { $0 = whole.prefix(length) }
            try place.run { cache throws in
                #expect(cache.bundles().isEmpty && cache.bytes == 0)
                #expect(place.names.isEmpty, "its room is given back")
                #expect(try sample.open(in: cache).isNew)
            }
            place = try filled(sample)
        }
        // One that is whole and another session's.
        let other = CacheSample(2)
        try FileManager.default.moveItem(atPath: place.file("", of: sample).path, toPath: place.file("", of: other).path)
        try place.run { #expect($0.bundles().isEmpty) }
    }

    @Test func garbageIsPassedOverAndOthersFilesStay() throws {
        let sample = CacheSample()
        let place = try filled(sample)
        let manager = FileManager.default
        let hex = "0123456789abcdef0123456789abcdef"
        try Data("mine".utf8).write(to: URL(fileURLWithPath: place.path + "/notes.txt"))
        try Data("mine".utf8).write(to: URL(fileURLWithPath: place.path + "/" + hex))
        try manager.createDirectory(atPath: place.path + "/photographs", withIntermediateDirectories: true)
        let album = place.path + "/" + String(hex.reversed())
        try manager.createDirectory(atPath: album, withIntermediateDirectories: true)
        try Data("mine".utf8).write(to: URL(fileURLWithPath: album + "/holiday"))
        // Ours, and nothing in them: set aside by a process that was killed, begun by one, and of no session's name.
        try manager.createDirectory(atPath: place.path + "/.rmcp-removed-1f", withIntermediateDirectories: true)
        try Data("x".utf8).write(to: URL(fileURLWithPath: place.path + "/.rmcp-removed-1f/chunks"))
        try manager.createDirectory(atPath: place.path + "/" + String(repeating: "a", count: 32), withIntermediateDirectories: true)
        try manager.createDirectory(atPath: place.path + "/" + String(repeating: "A", count: 32), withIntermediateDirectories: true)
        try place.run { cache in #expect(cache.bundles().map { $0.announce } == [sample.announce]) }
        let left = Set([sample.announce.session.text, "notes.txt", hex, "photographs", String(hex.reversed()), String(repeating: "A", count: 32)])
        #expect(Set(place.names) == left)
        #expect(try String(contentsOfFile: album + "/holiday", encoding: .utf8) == "mine")
    }

    @Test("No symbolic link is followed", arguments: ["", "announce", "announce.new", "table", "chunks", "journal"])
    func symbolicLinks(name: String) throws {
        let sample = CacheSample()
        for isKept in [true, false] {
            let place = isKept ? try filled(sample) : CachePlace()
            let outside = try filled(sample)
            let session = place.file("", of: sample).path
            let target = outside.file(name, of: sample).path
            if name == "announce.new" { try Data("precious".utf8).write(to: URL(fileURLWithPath: target)) }
            let before = outside.contents
            try FileManager.default.createDirectory(atPath: name.isEmpty ? place.path : session, withIntermediateDirectories: true)
            let trap = name.isEmpty ? session : session + "/" + name
            try? FileManager.default.removeItem(atPath: trap)
            try FileManager.default.createSymbolicLink(atPath: trap, withDestinationPath: target)
            try place.run { cache in
                let bundle = try sample.open(in: cache)
                for chunk in 0..<3 as Range<UInt32> { #expect(try sample.write(chunk, to: bundle) == .kept) }
                bundle.keep(sample.page(7))
                for chunk in 0..<3 as Range<UInt32> { #expect(sample.isVerified(chunk, in: bundle)) }
                cache.close(bundle)
            }
            #expect(before == outside.contents, "through \(name)")
            try place.run { cache throws in #expect(try sample.isVerified(2, in: sample.open(in: cache))) }
        }
    }

    @Test func whatIsNoPlainFileIsReplaced() throws {
        let sample = CacheSample()
        for name in ["announce", "table", "chunks", "journal"] {
            let place = try filled(sample)
            let path = place.file(name, of: sample).path
            try FileManager.default.removeItem(atPath: path)
            #expect(mkfifo(path, 0o600) == 0)
            try place.run { cache in
                let bundle = try sample.open(in: cache)
                #expect(bundle.isNew)
                try sample.write(1, to: bundle)
                #expect(sample.isVerified(1, in: bundle))
            }
            // Not even one that cannot be removed as a file.
            try FileManager.default.removeItem(atPath: path)
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            try place.run { cache in
                let bundle = try sample.open(in: cache)
                #expect(bundle.isNew)
                try sample.write(1, to: bundle)
                #expect(sample.isVerified(1, in: bundle))
            }
        }
    }

    @Test func whatIsDamagedWhileTheCacheIsOpenIsReplaced() throws {
        let sample = CacheSample()
        let place = try filled(sample)
        let outside = CachePlace()
        try outside.run { try sample.fill(0..<2, in: $0) }
        let before = outside.contents
        try place.run { cache in
            cache.close(try sample.open(in: cache))
            try FileManager.default.removeItem(at: place.file("chunks", of: sample))
            try FileManager.default.createSymbolicLink(at: place.file("chunks", of: sample), withDestinationURL: outside.file("chunks", of: sample))
            try sample.fill(5..<9, in: cache)
            #expect(outside.contents == before)
            // The whole session is removed by somebody, or moved out of the way.
            for replacement in [nil, "file", "link"] {
                try FileManager.default.removeItem(at: place.file("", of: sample))
                let path = String(place.file("", of: sample).path)
                if replacement == "file" { try Data("x".utf8).write(to: URL(fileURLWithPath: path)) }
                if replacement == "link" {
                    try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: outside.file("", of: sample).path)
                }
                #expect(cache.bundles().count == 1)
                let bundle = try sample.open(in: cache)
                #expect(bundle.isNew && !sample.mayBe(5, in: bundle))
                #expect(try sample.write(5, to: bundle) == .kept && sample.isVerified(5, in: bundle))
                cache.close(bundle)
            }
            #expect(outside.contents == before && cache.bytes == cache.bundles()[0].bytes)
        }
    }
}
