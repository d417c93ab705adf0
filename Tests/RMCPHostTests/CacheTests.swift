import Foundation
import RMCPProtocol
import Testing

@testable import RMCPHost

@Suite struct CacheTests {
    // MARK: Keeping

    @Test func whatIsKeptIsReadBack() throws {
        let place = CachePlace()
        let sample = CacheSample()
        try place.run { cache in
            let bundle = try sample.open(in: cache)
            #expect(bundle.isNew && bundle.announce == sample.announce && bundle.announceDatagram == sample.datagram)
            #expect(!sample.mayBe(3, in: bundle))
            #expect(try sample.read(3, from: bundle) == nil)
            for chunk in [3, 0, 9] as [UInt32] { #expect(try sample.write(chunk, to: bundle) == .kept) }
            for chunk in [0, 3, 9] as [UInt32] {
                #expect(sample.mayBe(chunk, in: bundle) && sample.isVerified(chunk, in: bundle))
                #expect(try sample.read(chunk, from: bundle) == sample.encoded(chunk))
            }
            // A hole, and another chunk's record under this chunk's number.
            #expect(!sample.mayBe(5, in: bundle) && !sample.isVerified(5, in: bundle))
            #expect(!bundle.mayHave(chunk: 3, record: sample.record(10)) && sample.record(10).encodedLength == sample.record(3).encodedLength)
            var other = sample.record(3)
            other.encodedLength -= 1
            #expect(!bundle.mayHave(chunk: 3, record: other))
        }
    }

    @Test func aRestartKeepsEverything() throws {
        let place = CachePlace()
        let sample = CacheSample()
        let pages = (0..<9).map { sample.page($0) }
        try place.run { cache in
            let bundle = try sample.open(in: cache)
            for chunk in 0..<20 as Range<UInt32> { try sample.write(chunk, to: bundle) }
            for page in pages { bundle.keep(page) }
            bundle.keep(sample.end)
        }
        try place.run { cache in
            let kept = try #require(cache.bundles().first)
            #expect(cache.bundles().count == 1 && kept.announce == sample.announce && kept.announceDatagram == sample.datagram && !kept.isNew)
            let bundle = try sample.open(in: cache)
            #expect(bundle === kept && !bundle.isNew)
            #expect(try bundle.tableDatagrams() == pages + [sample.end])
            for chunk in 0..<20 as Range<UInt32> { #expect(sample.mayBe(chunk, in: bundle) && sample.isVerified(chunk, in: bundle)) }
            #expect(!sample.mayBe(20, in: bundle))
            bundle.keep(sample.page(9))
            #expect(try bundle.tableDatagrams() == pages + [sample.end, sample.page(9)])
        }
    }

    @Test func aBundleThatIsOpenedAgainIsTheSame() throws {
        let place = CachePlace()
        let sample = CacheSample()
        try place.run { cache in
            let bundle = try sample.open(in: cache)
            try sample.write(1, to: bundle)
            bundle.keep(sample.page(0))
            let second = try sample.open(in: cache)
            #expect(second === bundle)
            cache.close(second)
            #expect(sample.isVerified(1, in: bundle), "it is still open once")
            cache.close(bundle)
            #expect(!sample.mayBe(1, in: bundle) && !sample.isVerified(1, in: bundle), "nobody has it open")
            #expect(try sample.write(2, to: bundle) == .noRoom)
            let again = try sample.open(in: cache)
            #expect(again === bundle && !again.isNew && sample.isVerified(1, in: again))
            #expect(try again.tableDatagrams() == [sample.page(0)])
        }
    }

    @Test func zeroChunksAndImpossibleOnesAreNotWritten() throws {
        let place = CachePlace()
        let sample = CacheSample()
        try place.run { cache in
            let bundle = try sample.open(in: cache)
            let before = bundle.bytes
            let zero = ChunkRecord.zero(contentLength: 8_192)
            #expect(try bundle.write(chunk: 0, record: zero, encoded: RawSpan()) == .kept)
            #expect(!bundle.mayHave(chunk: 0, record: zero) && bundle.bytes == before)
            let bytes = [UInt8](repeating: 1, count: 9_000)
            var record = sample.record(0)
            // Longer than a chunk of this session, beyond the last chunk of any, and not as long as it says.
            record.encodedLength = 9_000
            #expect(throws: HostError.self) { try bundle.write(chunk: 0, record: record, encoded: bytes.span.bytes) }
            record.encodedLength = 8_000
            #expect(throws: HostError.self) { try bundle.write(chunk: 0, record: record, encoded: bytes.span.bytes) }
            let bytes8000 = Array(bytes.prefix(8_000))
            #expect(throws: HostError.self) {
                try bundle.write(chunk: Limits.maximumChunks, record: record, encoded: bytes8000.span.bytes)
            }
            #expect(!bundle.mayHave(chunk: .max, record: record) && bundle.bytes == before)
        }
    }

    // MARK: One process, one announcement

    @Test func oneProcessAtATime() throws {
        let place = CachePlace()
        try place.run { _ in
            let error = try #require(throws: HostError.self) { try ChunkCache(path: place.path, capacity: 1) }
            #expect(error.description.contains(place.path) && error.description.contains("another rmcp repair") && error.description.contains("--cache"))
            #expect(!error.description.contains("\n"))
        }
        try place.run { _ in }
    }

    /// As a process has it that is forked and has not yet begun another program.
    @Test func aCopyOfTheDescriptorDoesNotHoldTheLock() throws {
        let place = CachePlace()
        var copy: Int32 = -1
        try place.run { _ in
            let raw = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").first { name in
                let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/" + name)
                return target?.hasPrefix(place.path) == true && target?.hasSuffix("lock") == true
            }
            copy = dup(try #require(raw.flatMap { Int32($0) }))
        }
        #expect(copy >= 0)
        try place.run { _ in }
        close(copy)
    }

    @Test func aBundleInUseHoldsTheLock() throws {
        let place = CachePlace()
        let sample = CacheSample()
        var bundle: CachedBundle?
        try place.run { bundle = try sample.open(in: $0) }
        #expect(throws: HostError.self) { try ChunkCache(path: place.path, capacity: 1) }
        #expect(try bundle.map { try sample.write(0, to: $0) } == .kept)
        bundle = nil
        try place.run { _ in }
    }

    @Test func theDirectoryIsMadeWithItsParentsAndIsPrivate() throws {
        let outer = CachePlace()
        let place = CachePlace(path: outer.path + "/a/b")
        try place.run { _ in }
        for path in [place.path, outer.path] {
            var status = stat()
            #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o700)
        }
        try Data("a file".utf8).write(to: URL(fileURLWithPath: place.path + "/file"))
        let error = try #require(throws: HostError.self) { try ChunkCache(path: place.path + "/file/cache", capacity: 1) }
        #expect(error.description.contains("--cache"))
    }

    @Test("Another announcement of the session replaces what is kept", arguments: ["key", "chunk length", "content length"])
    func anotherGeometryReplaces(difference: String) throws {
        let place = CachePlace()
        let sample = CacheSample()
        var other = sample
        switch difference {
        case "key": other.announce.key = PublicKey(Bytes32(1, 2, 3, 4))
        case "chunk length": other.announce.chunkLength = 4_096
        default: other.announce.contentLength = 5
        }
        try place.run { cache in
            let bundle = try sample.open(in: cache)
            bundle.keep(sample.page(0))
            try sample.write(0, to: bundle)
            #expect(throws: HostError.self, "not under those who use it") { try other.open(in: cache) }
            #expect(sample.isVerified(0, in: bundle))
            cache.close(bundle)
            let replaced = try other.open(in: cache)
            #expect(replaced.isNew && replaced !== bundle && replaced.announce == other.announce)
            #expect(!sample.mayBe(0, in: replaced))
            #expect(try replaced.tableDatagrams().isEmpty)
            #expect(cache.bundles().count == 1)
            #expect(try other.write(1, to: replaced) == .kept)
        }
        try place.run { cache throws in
            #expect(cache.bundles().map { $0.announce } == [other.announce])
            #expect(try other.isVerified(1, in: other.open(in: cache)))
        }
    }

    @Test func aSmallerPayloadIsTheSameSession() throws {
        let place = CachePlace()
        var sample = CacheSample()
        try place.run { cache in
            let bundle = try sample.open(in: cache)
            try sample.write(0, to: bundle)
            sample.announce.payloadLength = 1_200
            #expect(try sample.open(in: cache) === bundle)
            #expect(bundle.announce == sample.announce && sample.isVerified(0, in: bundle))
        }
        try place.run { cache in
            #expect(cache.bundles().first?.announceDatagram == sample.datagram)
            let bundle = try sample.open(in: cache)
            #expect(sample.isVerified(0, in: bundle))
            cache.close(bundle)
            sample.announce.payloadLength = 1_000
            #expect(try sample.isVerified(0, in: sample.open(in: cache)))
        }
        try place.run { #expect($0.bundles().first?.announceDatagram == sample.datagram) }
    }

    // MARK: Threads

    @Test func workersWriteReadAndVerifyAtOnce() throws {
        let place = CachePlace()
        let sample = CacheSample()
        let count: UInt32 = 128
        try place.run { cache in
            let bundle = try sample.open(in: cache)
            let threads = try (0..<4 as Range<UInt32>).map { thread in
                try HostThread(name: "cache-\(thread)") {
                    for chunk in stride(from: thread, to: count, by: 4) {
                        #expect(throws: Never.self) { try sample.write(chunk, to: bundle) }
                        #expect(sample.mayBe(chunk, in: bundle) && sample.isVerified(chunk, in: bundle))
                        bundle.keep(sample.page(chunk))
                    }
                }
            }
            for thread in threads { thread.join() }
            for chunk in 0..<count { #expect(sample.isVerified(chunk, in: bundle)) }
        }
        try place.run { cache in
            let bundle = try sample.open(in: cache)
            for chunk in 0..<count { #expect(sample.mayBe(chunk, in: bundle) && sample.isVerified(chunk, in: bundle)) }
            #expect(try Set(bundle.tableDatagrams()) == Set((0..<count).map { sample.page($0) }))
        }
    }
}
