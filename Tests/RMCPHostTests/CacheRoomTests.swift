import Foundation
import RMCPProtocol
import Testing

@testable import RMCPHost

/// The cache's capacity, and who must go when it is used up.
extension CacheTests {
    /// Four sessions of ten chunks of two blocks each fit, and not five.
    private static let capacity: UInt64 = 4 * (10 * 8_192 + 8 * 4_096)

    private func kept(in cache: ChunkCache) -> [String] { cache.bundles().map { $0.announce.name } }

    @Test("What is kept of the disk for others is not taken, and idle sessions give way first")
    func roomForOthers() throws {
        let place = CachePlace()
        let samples = (0...2).map { CacheSample(UInt64($0)) }
        try samples[0].fill(0..<10, in: ChunkCache(path: place.path, capacity: Self.capacity, kept: 1))
        // Nobody has so much.
        let cache = try ChunkCache(path: place.path, capacity: Self.capacity, kept: 1 << 60)
        #expect(kept(in: cache) == ["image-0"])
        let bundle = try samples[1].open(in: cache)
        #expect(try samples[1].write(0, to: bundle) == .noRoom)
        cache.close(bundle)
        // All that could go would not do: so nothing goes.
        #expect(kept(in: cache).contains("image-0"))
    }

    @Test func theLeastRecentlyUsedGoesFirst() throws {
        let place = CachePlace()
        let samples = (0...5).map { CacheSample(UInt64($0)) }
        try place.run(capacity: Self.capacity) { cache in
            for sample in samples[1...4] { try sample.fill(0..<10, in: cache) }
            #expect(kept(in: cache) == ["image-4", "image-3", "image-2", "image-1"])
            // Used again.
            cache.close(try samples[1].open(in: cache))
            #expect(kept(in: cache) == ["image-1", "image-4", "image-3", "image-2"])
            try samples[5].fill(0..<10, in: cache)
            #expect(kept(in: cache) == ["image-5", "image-1", "image-4", "image-3"])
            #expect(cache.evictions == 1 && place.names.count == 4)
            #expect(cache.bytes <= Self.capacity && place.diskUse <= Self.capacity)
            // The end of a use counts as well.
            let (first, second) = (try samples[1].open(in: cache), try samples[4].open(in: cache))
            cache.close(second)
            cache.close(first)
            #expect(kept(in: cache) == ["image-1", "image-4", "image-5", "image-3"])
            #expect(try samples[2].open(in: cache).isNew)
        }
    }

    @Test func theOrderOfUseSurvivesARestart() throws {
        let place = CachePlace()
        let samples = (0...5).map { CacheSample(UInt64($0)) }
        try place.run(capacity: Self.capacity) { cache in
            for sample in samples[1...4] { try sample.fill(0..<10, in: cache) }
            cache.close(try samples[1].open(in: cache))
        }
        let before = UInt64(Date().timeIntervalSince1970 * 1_000)
        try place.run(capacity: Self.capacity) { cache in
            #expect(kept(in: cache) == ["image-1", "image-4", "image-3", "image-2"])
            #expect(cache.bundles().allSatisfy { $0.lastUsed <= before && $0.lastUsed + 60_000 > before })
            // In use when the process is killed.
            let bundle = try samples[3].open(in: cache)
            #expect(bundle.lastUsed >= before)
        }
        try place.run(capacity: Self.capacity) { cache in
            #expect(kept(in: cache) == ["image-3", "image-1", "image-4", "image-2"])
            try samples[5].fill(0..<10, in: cache)
            #expect(kept(in: cache) == ["image-5", "image-3", "image-1", "image-4"])
        }
        // A smaller cache keeps what was used last.
        try place.run(capacity: Self.capacity / 2) { cache in
            #expect(kept(in: cache) == ["image-5", "image-3"])
            #expect(place.names.count == 2)
        }
    }

    @Test func aClockInTheFutureDoesNotReverseTheOrder() throws {
        let place = CachePlace()
        let samples = (0...2).map { CacheSample(UInt64($0)) }
        try place.run { cache in for sample in samples[1...2] { try sample.fill(0..<1, in: cache) } }
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: 1e9)], ofItemAtPath: place.file("", of: samples[2]).path)
        try place.run { cache in
            #expect(kept(in: cache) == ["image-2", "image-1"])
            cache.close(try samples[1].open(in: cache))
            #expect(kept(in: cache) == ["image-1", "image-2"])
        }
        try place.run { #expect(kept(in: $0) == ["image-1", "image-2"]) }
    }

    @Test func nobodyIsEvictedWhileInUse() throws {
        let place = CachePlace()
        let samples = (0...6).map { CacheSample(UInt64($0)) }
        try place.run(capacity: Self.capacity) { cache in
            let old = try samples[1].open(in: cache)
            for chunk in 0..<10 as Range<UInt32> { try samples[1].write(chunk, to: old) }
            for sample in samples[2...6] { try sample.fill(0..<10, in: cache) }
            #expect(kept(in: cache) == ["image-6", "image-5", "image-4", "image-1"])
            for chunk in 0..<10 as Range<UInt32> { #expect(samples[1].isVerified(chunk, in: old)) }
            // Open twice and closed once is open.
            _ = try samples[1].open(in: cache)
            cache.close(old)
            for sample in samples[2...4] { try sample.fill(0..<10, in: cache) }
            #expect(kept(in: cache).contains("image-1") && samples[1].isVerified(9, in: old))
        }
    }

    @Test func whatDoesNotFitPassesThrough() throws {
        let place = CachePlace()
        let samples = (0...3).map { CacheSample(UInt64($0)) }
        try place.run(capacity: Self.capacity) { cache in
            try samples[3].fill(0..<10, in: cache)
            let bundle = try samples[1].open(in: cache)
            var results: [CachedBundle.WriteResult] = []
            for chunk in 0..<80 as Range<UInt32> { results.append(try samples[1].write(chunk, to: bundle)) }
            let count = results.prefix { $0 == .kept }.count
            #expect((45...55).contains(count) && results.dropFirst(count).allSatisfy { $0 == .noRoom })
            #expect(kept(in: cache) == ["image-1"], "everybody else has gone")
            #expect(cache.bytes <= Self.capacity && place.diskUse <= Self.capacity && !cache.hasRunOutOfSpace)
            // What is there stays good, and what is not there says so.
            #expect(samples[1].isVerified(UInt32(count) - 1, in: bundle))
            #expect(!samples[1].mayBe(UInt32(count), in: bundle) && !samples[1].isVerified(UInt32(count), in: bundle))
            // Another session finds no room, and takes part all the same.
            let other = try samples[2].open(in: cache)
            #expect(try samples[2].write(0, to: other) == .noRoom)
            other.keep(samples[2].page(0))
            // Until there is room.
            cache.close(bundle)
            #expect(try samples[2].write(0, to: other) == .kept)
            #expect(samples[2].isVerified(0, in: other) && kept(in: cache) == ["image-2"])
        }
    }

    @Test func reservingIsAllOrNothing() throws {
        let place = CachePlace()
        let samples = (0...3).map { CacheSample(UInt64($0)) }
        try place.run(capacity: Self.capacity) { cache in
            for sample in samples[1...2] { try sample.fill(0..<10, in: cache) }
            let bundle = try samples[3].open(in: cache)
            let before = bundle.bytes
            #expect(!cache.reserve(Self.capacity, for: bundle) && !cache.reserve(.max, for: bundle))
            #expect(bundle.bytes == before && cache.bundles().count == 3, "nobody is evicted in vain")
            #expect(cache.reserve(Self.capacity - cache.bytes, for: bundle))
            #expect(cache.bytes == Self.capacity && cache.bundles().count == 3)
            #expect(cache.reserve(1, for: bundle))
            #expect(kept(in: cache) == ["image-3", "image-2"])
            cache.close(bundle)
            cache.close(try samples[2].open(in: cache))
            try samples[1].fill(0..<10, in: cache)
            #expect(kept(in: cache) == ["image-1", "image-2"], "the reservation went with its bundle")
            #expect(!cache.reserve(1, for: bundle), "evicted")
        }
    }

    @Test("What is accounted for is what is on disk, before and after a restart", arguments: [8_192, 4_096, 65_536, 10_000] as [UInt32])
    func accounting(chunkLength: UInt32) throws {
        let place = CachePlace()
        let sample = CacheSample(chunkLength: chunkLength)
        var counted: UInt64 = 0
        try place.run { cache in
            let bundle = try sample.open(in: cache)
            // Scattered, some of them twice.
            for chunk in [0, 7, 8, 30, 31, 90, 7, 31] as [UInt32] { try sample.write(chunk, to: bundle) }
            for page in 0..<5 as Range<UInt32> { bundle.keep(sample.page(page)) }
            counted = bundle.bytes
            #expect(counted == cache.bytes && counted >= place.diskUse)
            #expect(counted <= place.diskUse + 16_384 + 6 * 4_096)
        }
        try place.run { cache in
            #expect(cache.bytes == cache.bundles()[0].bytes && cache.bytes >= place.diskUse)
            // Where chunks begin within blocks, one block more is counted for each than may be needed; and the file
            // system counts its own blocks for scattered ones, once they are written out.
            let slack: UInt64 = chunkLength % 4_096 == 0 ? 0 : 6 * 2 * 4_096
            #expect(cache.bytes <= counted + 8_192 && cache.bytes + slack >= counted)
            let bundle = try sample.open(in: cache)
            let before = bundle.bytes
            #expect(before == cache.bytes)
            try sample.write(50, to: bundle)
            #expect(bundle.bytes >= before + UInt64(sample.encoded(50).count))
            cache.close(bundle)
            #expect(cache.bytes == bundle.bytes)
        }
    }

    @Test func thereIsALimitToTheNumberOfSessions() throws {
        let place = CachePlace()
        try place.run { cache in
            let first = try CacheSample(1).open(in: cache)
            for number in 2...(CacheLimits.sessions + 2) { cache.close(try CacheSample(UInt64(number)).open(in: cache)) }
            _ = try CacheSample(UInt64(CacheLimits.sessions) + 3).open(in: cache)
            #expect(cache.bundles().count == CacheLimits.sessions && place.names.count == CacheLimits.sessions)
            let names = kept(in: cache)
            #expect(names.last == "image-1" && !names.contains("image-4") && names.contains("image-5"))
            #expect(try CacheSample(1).write(0, to: first) == .kept)
        }
        try place.run { #expect($0.bundles().count == CacheLimits.sessions) }
    }

    @Test func workersThatEvictStayWithinTheCapacity() throws {
        let place = CachePlace()
        try place.run(capacity: Self.capacity) { cache in
            for number in 10..<14 { try CacheSample(UInt64(number)).fill(0..<8, in: cache) }
            let samples = (1...2).map { CacheSample(UInt64($0)) }
            let bundles = try samples.map { try $0.open(in: cache) }
            let threads = try (0..<4).map { thread in
                let (sample, bundle) = (samples[thread / 2], bundles[thread / 2])
                return try HostThread(name: "cache-\(thread)") {
                    for chunk in stride(from: UInt32(thread % 2), to: 60, by: 2) {
                        let result = try? sample.write(chunk, to: bundle)
                        #expect(result != nil && sample.isVerified(chunk, in: bundle) == (result == .kept))
                    }
                }
            }
            // The network thread goes on meanwhile.
            for number in 20..<60 {
                cache.close(try CacheSample(UInt64(number)).open(in: cache))
                _ = cache.bundles()
            }
            for thread in threads { thread.join() }
            #expect(place.diskUse <= Self.capacity)
            let count = (0..<60 as Range<UInt32>).filter { samples[0].isVerified($0, in: bundles[0]) }.count
            #expect(count > 5 && bundles.allSatisfy { $0.bytes > 8_192 * 5 })
            for bundle in bundles { cache.close(bundle) }
            #expect(cache.bytes <= Self.capacity)
            #expect(cache.bytes == cache.bundles().reduce(0) { $0 + $1.bytes })
            #expect(Set(place.names) == Set(cache.bundles().map { $0.announce.session.text }), "what was evicted is gone")
        }
    }

    // MARK: A file system that is full

    /// A small file system in memory; nil where this process may not mount one.
    private final class SmallFileSystem {
        let path = NSTemporaryDirectory() + "rmcp-small-\(UUID().uuidString)"

        init?(size: String) {
            try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            guard Self.run("mount", "-t", "tmpfs", "-o", "size=\(size)", "tmpfs", path) else {
                try? FileManager.default.removeItem(atPath: path)
                return nil
            }
        }

        deinit {
            _ = Self.run("umount", "-l", path)
            try? FileManager.default.removeItem(atPath: path)
        }

        private static func run(_ arguments: String...) -> Bool {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = arguments
            process.standardError = nil
            guard (try? process.run()) != nil else { return false }
            process.waitUntilExit()
            return process.terminationStatus == 0
        }
    }

    static let canMount = geteuid() == 0 && SmallFileSystem(size: "64k") != nil

    @Test(.enabled(if: canMount, "no file system can be mounted")) func aFullFileSystemEvictsAndThenPassesThrough() throws {
        let disk = try #require(SmallFileSystem(size: "512k"))
        let place = CachePlace(path: disk.path + "/cache")
        let samples = (0...3).map { CacheSample(UInt64($0)) }
        try place.run { cache in
            try samples[1].fill(0..<10, in: cache)
            try samples[2].fill(0..<10, in: cache)
            #expect(!cache.hasRunOutOfSpace)
            let bundle = try samples[3].open(in: cache)
            var results: [CachedBundle.WriteResult] = []
            for chunk in 0..<90 as Range<UInt32> { results.append(try samples[3].write(chunk, to: bundle)) }
            let count = results.prefix { $0 == .kept }.count
            #expect(cache.hasRunOutOfSpace && kept(in: cache) == ["image-3"])
            #expect((50..<64).contains(count) && results.last == .noRoom)
            for chunk in 0..<90 as Range<UInt32> {
                #expect(samples[3].isVerified(chunk, in: bundle) == (results[Int(chunk)] == .kept))
            }
            // Accounted for is what was kept, not what was tried.
            for page in 0..<400 as Range<UInt32> { bundle.keep(samples[3].page(page)) }
            #expect(cache.bytes <= place.diskUse + 10 * 4_096)
            let error = #expect(throws: HostError.self) { try samples[1].open(in: cache) }
            #expect(error?.kind == .diskFull)
            #expect(kept(in: cache) == ["image-3"] && place.names.count == 1)
            cache.close(bundle)
            #expect(try samples[1].open(in: cache).isNew, "there is somebody to evict now")
        }
    }
}
