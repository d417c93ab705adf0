import Dispatch
import Foundation
import RMCPContent
import Testing

@testable import RMCPHost
@testable import RMCPProtocol

/// Duties of every storage of a bundle towards a receiver, tried on each of them.
@Suite struct BundleStorageTests {
    enum Kind: String, CaseIterable, CustomTestStringConvertible {
        case partialFile, device, outputFile, outputPipe
        var testDescription: String { rawValue }
        /// Whether there can be something in its place.
        var hasPast: Bool { self == .partialFile || self == .device }
    }

    static let chunkLength = 4_096

    /// A bundle by letter: `d` data, `z` a chunk of zeros; the last chunk is short.
    struct Bundle {
        let chunks: [[UInt8]]
        let announce: Announce

        init(_ layout: String, salt: Int = 0, lastLength: Int = 1_000, session: UInt64 = 1) {
            chunks = layout.enumerated().map { index, letter in
                let length = index == layout.count - 1 ? lastLength : chunkLength
                return (0..<length).map { letter == "d" ? UInt8(truncatingIfNeeded: $0 &* 31 &+ index &* 7 &+ salt &+ 1) : 0 }
            }
            let length = UInt64(chunks.joined().count)
            announce = Announce(
                session: SessionID(high: session << 32, low: 2), kind: .file, chunkLength: UInt32(chunkLength), payloadLength: 1_376, creationTime: 0,
                contentLength: length, allocatedLength: length, mode: 0o640, modificationTime: nil, name: "image", key: .none)
        }

        var content: [UInt8] { Array(chunks.joined()) }
        var count: UInt32 { UInt32(chunks.count) }
        func isZero(_ chunk: UInt32) -> Bool { chunks[Int(chunk)].allSatisfy { $0 == 0 } }

        func record(_ chunk: UInt32) -> ChunkRecord {
            let bytes = chunks[Int(chunk)]
            if isZero(chunk) { return .zero(contentLength: UInt32(bytes.count)) }
            let digest = BLAKE3Digest().digest(of: bytes)
            return ChunkRecord(
                kind: .stored, contentLength: UInt32(bytes.count), encodedLength: UInt32(bytes.count), encodedDigest: digest, contentDigest: digest)
        }

        func store(_ chunk: UInt32, in storage: any BundleStorage) throws(HostError) {
            if isZero(chunk) {
                try storage.zero(chunks: chunk..<chunk + 1, contentLength: UInt64(chunks[Int(chunk)].count))
            } else {
                try storage.write(chunk: chunk, record: record(chunk), content: chunks[Int(chunk)])
            }
        }
    }

    /// A place for one bundle, and a look at what it has become.
    final class Place {
        let kind: Kind
        let directory = TemporaryDirectory()
        private let files: FileSystem
        private var path: String { directory.path + "/image" }
        private var pipe: [Int32] = [-1, -1]
        private var output: Int32 = -1

        /// - Parameter size: of the device, bytes.
        init(_ kind: Kind, files: FileSystem? = nil, size: Int = 20 * chunkLength) {
            self.kind = kind
            switch kind {
            case .partialFile: self.files = files ?? .host
            case .device:
                self.files = files ?? FilesWithDevice()
                // What is on it is neither zeros nor the bundle.
                _ = FileManager.default.createFile(atPath: path, contents: Data(repeating: 0xEE, count: size))
            case .outputFile:
                self.files = files ?? .host
                output = Foundation.open(path, O_RDWR | O_CREAT, 0o600)
            case .outputPipe:
                self.files = files ?? .host
                _ = Foundation.pipe(&pipe)
                output = pipe[1]
            }
        }

        deinit { for raw in [pipe[0], output] where raw >= 0 { Foundation.close(raw) } }

        func open(_ bundle: Bundle) throws(HostError) -> any BundleStorage {
            switch kind {
            case .partialFile: try PartialFile(announce: bundle.announce, name: "image", directoryPath: directory.path, files: files)
            case .device: try DeviceStorage(path: path, announce: bundle.announce, files: files)
            case .outputFile, .outputPipe: try StreamStorage(announce: bundle.announce, output: output, files: files)
            }
        }

        /// The first bytes of what is there: as many as a bundle has, or all of them, where something may follow.
        func content(_ count: Int) -> [UInt8] {
            switch kind {
            case .device: return Array((FileManager.default.contents(atPath: path) ?? Data()).prefix(count))
            case .partialFile, .outputFile: return Array(FileManager.default.contents(atPath: path) ?? Data())
            case .outputPipe:
                Foundation.close(output)
                output = -1
                return Array(FileHandle(fileDescriptor: pipe[0], closeOnDealloc: false).readDataToEndOfFile())
            }
        }
    }

    /// A regular file by its path is taken for a block device.
    class FilesWithDevice: FileSystem, @unchecked Sendable {
        override func status(of descriptor: Int32) -> stat? {
            var result = super.status(of: descriptor)
            if let status = result, status.kind == S_IFREG { result?.st_mode = S_IFBLK | 0o600 }
            return result
        }
    }

    /// A disk that takes a few bytes at a time and is interrupted again and again.
    private final class StutteringFiles: FilesWithDevice, @unchecked Sendable {
        private let calls = LockedValue(0)
        private let hasDevice: Bool
        init(hasDevice: Bool) { self.hasDevice = hasDevice }

        private func isInterrupted() -> Bool {
            errno = EINTR
            return calls.withLock { calls in
                calls += 1
                return calls % 3 == 0
            }
        }

        override func status(of descriptor: Int32) -> stat? {
            var status = stat()
            return hasDevice ? super.status(of: descriptor) : fstat(descriptor, &status) == 0 ? status : nil
        }
        override func read(_ descriptor: Int32, _ bytes: UnsafeMutableRawPointer?, _ count: Int, at offset: Int) -> Int {
            isInterrupted() ? -1 : super.read(descriptor, bytes, min(count, 700), at: offset)
        }
        override func write(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int, at offset: Int) -> Int {
            isInterrupted() ? -1 : super.write(descriptor, bytes, min(count, 700), at: offset)
        }
        override func write(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
            isInterrupted() ? -1 : super.write(descriptor, bytes, min(count, 700))
        }
        override func flush(_ descriptor: Int32) -> Int32 { isInterrupted() ? -1 : super.flush(descriptor) }
    }

    /// A disk that has no room left.
    private final class FullFiles: FilesWithDevice, @unchecked Sendable {
        private let hasDevice: Bool
        init(hasDevice: Bool) { self.hasDevice = hasDevice }
        override func status(of descriptor: Int32) -> stat? {
            var status = stat()
            return hasDevice ? super.status(of: descriptor) : fstat(descriptor, &status) == 0 ? status : nil
        }
        override func write(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int, at offset: Int) -> Int {
            errno = ENOSPC
            return -1
        }
    }

    /// Whatever is asked for, this seed says that it has it, and gives what it was made with.
    private final class TestSeed: Seed {
        let isInPlace = false
        private let content: [UInt8]?
        init(_ content: [UInt8]?) { self.content = content }
        func locate(_ chunk: UInt32, _ record: ChunkRecord) -> ContentExtent? { ContentExtent(offset: 77, length: UInt64(record.contentLength)) }
        func read(_ extent: ContentExtent, into bytes: inout MutableRawSpan) throws(HostError) -> Bool {
            guard extent.offset == 77, let content else { throw HostError("not to be read") }
            guard content.count == bytes.byteCount else { return false }
            bytes.withUnsafeMutableBytes { $0.copyBytes(from: content) }
            return true
        }
    }

    // MARK: Chunks

    @Test(arguments: Kind.allCases) func chunksInAnyOrderMakeTheBundle(kind: Kind) throws {
        for seed in 1...12 as ClosedRange<UInt64> {
            var random = RandomSource(seed: seed)
            let layout = (0..<9).map { _ in Bool.random(using: &random) ? "d" : "z" }.joined()
            let bundle = Bundle(layout, salt: Int(seed), lastLength: Int.random(in: 1...Self.chunkLength, using: &random))
            let place = Place(kind)
            let storage = try place.open(bundle)
            try storage.prepare(contentLength: bundle.announce.contentLength, allocatedLength: bundle.announce.allocatedLength)
            for chunk in (0..<bundle.count).shuffled(using: &random) { try bundle.store(chunk, in: storage) }
            try storage.commit(contentLength: UInt64(bundle.content.count))
            storage.close()
            #expect(place.content(bundle.content.count) == bundle.content, "\(layout), seed \(seed)")
        }
    }

    @Test(arguments: Kind.allCases) func severalThreadsWriteAtOnce(kind: Kind) throws {
        let bundle = Bundle("ddzddzzddddz")
        let place = Place(kind)
        let storage = try place.open(bundle)
        let failures = LockedValue(0)
        DispatchQueue.concurrentPerform(iterations: Int(bundle.count)) { index in
            do { try bundle.store(bundle.count - 1 - UInt32(index), in: storage) } catch { failures.withLock { $0 += 1 } }
        }
        try storage.commit(contentLength: UInt64(bundle.content.count))
        #expect(failures.withLock { $0 } == 0 && place.content(bundle.content.count) == bundle.content)
    }

    @Test(arguments: Kind.allCases) func runsOfZerosAreOneCall(kind: Kind) throws {
        let bundle = Bundle("dzzzzd")
        let place = Place(kind)
        let storage = try place.open(bundle)
        try bundle.store(5, in: storage)
        try storage.zero(chunks: 1..<5, contentLength: 4 * UInt64(Self.chunkLength))
        try bundle.store(0, in: storage)
        try storage.commit(contentLength: UInt64(bundle.content.count))
        #expect(place.content(bundle.content.count) == bundle.content)
    }

    @Test(arguments: Kind.allCases) func aBundleOfNothingIsOne(kind: Kind) throws {
        let bundle = Bundle("")
        let place = Place(kind)
        let storage = try place.open(bundle)
        try storage.prepare(contentLength: 0, allocatedLength: 0)
        try storage.commit(contentLength: 0)
        #expect(place.content(0).isEmpty)
        if kind == .partialFile { #expect(place.directory.names == ["image"]) }
    }

    // MARK: What was there before

    @Test(arguments: Kind.allCases.filter(\.hasPast)) func whatWasThereBeforeDoesNotShow(kind: Kind) throws {
        let place = Place(kind)
        let old = Bundle("dddddd", salt: 100)
        let first = try place.open(old)
        for chunk in 0..<old.count { try old.store(chunk, in: first) }
        first.abandon()
        first.close()
        let bundle = Bundle("zdzzdz", salt: 3, session: 2)
        let storage = try place.open(bundle)
        try storage.prepare(contentLength: bundle.announce.contentLength, allocatedLength: 0)
        for chunk in 0..<bundle.count { try bundle.store(chunk, in: storage) }
        try storage.commit(contentLength: UInt64(bundle.content.count))
        #expect(place.content(bundle.content.count) == bundle.content)
    }

    /// Chunks that it says to have are there, and of others it says nothing.
    @Test(arguments: Kind.allCases.filter(\.hasPast)) func itsSeedsHaveWhatTheySay(kind: Kind) throws {
        let place = Place(kind)
        let bundle = Bundle("ddddd")
        let first = try place.open(bundle)
        for chunk in [0, 3] as [UInt32] { try bundle.store(chunk, in: first) }
        first.abandon()
        first.close()
        let again = try place.open(Bundle("ddddd", session: 2))
        for chunk in 0..<bundle.count {
            let record = bundle.record(chunk)
            let isHere = again.mayHave(chunk: chunk, record: record)
            #expect(isHere == (kind == .partialFile && (chunk == 0 || chunk == 3)))
            if isHere { #expect(try again.recall(chunk: chunk, record: record) == bundle.chunks[Int(chunk)]) }
            // Another content in the same place.
            #expect(!again.mayHave(chunk: chunk, record: Bundle("ddddd", salt: 9).record(chunk)))
        }
    }

    /// The first seed cannot be read, the second has something else, the third is right.
    @Test(arguments: Kind.allCases) func aSeedElsewhereIsCopied(kind: Kind) throws {
        let bundle = Bundle("ddd")
        let place = Place(kind)
        let storage = try place.open(bundle)
        let right = TestSeed(bundle.chunks[0])
        let handle = StorageHandle(
            generation: SessionGeneration(number: 1), announce: bundle.announce, storage: storage,
            seeds: [TestSeed(nil), TestSeed(bundle.chunks[1]), TestSeed([1]), right], identity: 1, turn: 0)
        let worker = StorageWorker()
        func isKept(_ chunk: UInt32) -> Bool? {
            let record = bundle.record(chunk)
            let output = worker.run(.check(handle, chunk: chunk, record: record, handle.seeds.matches(of: chunk, record)))
            return if case .checked(_, chunk, record.contentLength, let isKept) = output { isKept } else { nil }
        }
        #expect(isKept(0) == true && isKept(1) == true && isKept(2) == false)
        #expect(!handle.isWhole(3))
        try bundle.store(2, in: storage)
        try storage.commit(contentLength: UInt64(bundle.content.count))
        #expect(place.content(bundle.content.count) == bundle.content)
    }

    // MARK: Disks

    @Test(arguments: Kind.allCases) func aDiskThatStuttersLosesNothing(kind: Kind) throws {
        let bundle = Bundle("dzddzddd")
        let place = Place(kind, files: StutteringFiles(hasDevice: kind == .device))
        let storage = try place.open(bundle)
        for chunk in (0..<bundle.count).reversed() { try bundle.store(chunk, in: storage) }
        try storage.commit(contentLength: UInt64(bundle.content.count))
        #expect(place.content(bundle.content.count) == bundle.content)
    }

    @Test(arguments: Kind.allCases) func aFullDiskIsSaidToBeFull(kind: Kind) throws {
        let bundle = Bundle("ddd")
        let place = Place(kind, files: FullFiles(hasDevice: kind == .device))
        let error = #expect(throws: HostError.self) {
            let storage = try place.open(bundle)
            // Not the first: standard output would take that without a disk.
            try bundle.store(1, in: storage)
        }
        #expect(error?.kind == .diskFull)
    }

    /// A disk whose free bytes are what a test says.
    private final class FilesWithRoom: FileSystem, @unchecked Sendable {
        let free = LockedValue<UInt64>(0)
        override func space(of descriptor: Int32) -> statvfs? {
            var space = super.space(of: descriptor)
            space?.f_frsize = 1
            space?.f_blocks = 1 << 40
            let blocks = free.withLock { fsblkcnt_t($0) }
            space?.f_bfree = blocks
            space?.f_bavail = blocks
            return space
        }
    }

    @Test("A bundle that would take what is kept for others is refused before a byte comes")
    func reserveOfTheWhole() throws {
        let directory = NSTemporaryDirectory() + "rmcp-reserve-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let bundle = Bundle("ddd")
        let (files, length) = (FilesWithRoom(), UInt64(bundle.content.count))
        for (room, isTaken) in [(length + 1_000, true), (length + 999, false)] {
            files.free.withLock { $0 = room }
            let open = { () throws(HostError) in
                try PartialFile.whenNeeded(
                    announce: bundle.announce, name: "image", directoryPath: directory, replacesFirst: false, reserve: 1_000, files: files)
            }
            guard !isTaken else {
                try open().close()
                continue
            }
            // The receiver has not joined before it is open.
            let error = #expect(throws: HostError.self) { try open() }
            #expect(error?.kind == .diskFull && error?.description.contains("--reserve keeps 1000") == true)
        }
    }

    @Test("One whose length or room is not known before fails when it would")
    func reserveOfEachChunk() throws {
        let directory = NSTemporaryDirectory() + "rmcp-reserve-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let bundle = Bundle("ddd")
        var stream = bundle.announce
        stream.contentLength = nil
        stream.allocatedLength = 0
        let files = FilesWithRoom()
        files.free.withLock { $0 = 1 << 30 }
        let storage = try PartialFile(announce: stream, name: "image", directoryPath: directory, reserve: 1 << 20, files: files)
        defer { storage.close() }
        try storage.prepare(contentLength: nil, allocatedLength: 0)
        try bundle.store(0, in: storage)
        // Somebody else has filled it.
        files.free.withLock { $0 = 1 << 20 }
        let error = #expect(throws: HostError.self) { try bundle.store(1, in: storage) }
        #expect(error?.kind == .diskFull)
        // A chunk that came is worth keeping until there is room.
        files.free.withLock { $0 = 1 << 30 }
        try bundle.store(1, in: storage)
    }

    @Test func aDeviceIsNotWrittenBeyond() throws {
        let place = Place(.device, size: 2 * Self.chunkLength)
        let bundle = Bundle("ddd")
        #expect(throws: HostError.self) { try place.open(bundle) }
        // Of a stream the length is not known before.
        var endless = bundle.announce
        endless.contentLength = nil
        endless.allocatedLength = 0
        let storage = try DeviceStorage(path: place.directory.path + "/image", announce: endless, files: FilesWithDevice())
        try bundle.store(1, in: storage)
        let error = #expect(throws: HostError.self) { try bundle.store(2, in: storage) }
        #expect(error?.kind == .diskFull)
        #expect(throws: HostError.self) { try storage.zero(chunks: 1..<3, contentLength: 5_000) }
        #expect(place.content(.max).count == 2 * Self.chunkLength)
    }
}
