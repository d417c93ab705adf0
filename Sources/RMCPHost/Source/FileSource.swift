import CLinux
import DequeModule
import Glibc
import RMCPContent
import RMCPProtocol

/// A regular file or block device, read in place and without keeping it in memory: old chunks are read again.
///
/// Looking for holes may take a file system as long as it likes: that is a worker's, ahead of what is read.
final class FileSource: BundleSource {
    let path: String
    let kind = BundleKind.file
    let contentLength: UInt64?
    let allocatedLength: UInt64
    let mode: UInt16?
    let modificationTime: FileTime?
    let warnings: [String]
    private let length: UInt64
    /// Bytes of the blocks that it has, `length` at most.
    private let blocksLength: UInt64
    private let isDevice: Bool
    private let descriptor: OwnedDescriptor
    private let identity: Identity
    /// Nil until `start`.
    private let plan = LockedValue<Plan?>(nil)
    /// Bytes that may still turn out to be holes.
    private let holesLeft: LockedValue<UInt64>
    /// Time of the last look at the file, so that a change ends the session before all of it has been sent.
    private let lastLook = LockedValue(Poller.now())
    private static let lookInterval = Interval.seconds(1)

    /// How far the content was handed out, and what is known of what follows.
    private struct Plan {
        let map: ChunkMap
        let pool: BufferPool
        let length: UInt64
        private var chunk: UInt32 = 0
        /// Data or hole from `chunk` on, as far as it is known.
        private var stretches: Deque<Stretch> = []
        private var surveyedTo: UInt32 = 0
        private var isSurveying = false
        /// Chunks that are known about in advance, so that encoding does not wait for a survey.
        private static let surveyedAhead: UInt32 = 64

        init(_ map: ChunkMap, pool: BufferPool, length: UInt64) {
            self.map = map
            self.pool = pool
            self.length = length
        }

        private var chunkCount: UInt32 { UInt32(clamping: map.chunkCount(for: length)) }

        mutating func next() -> SourcePiece {
            guard let extent = map.extent(of: chunk, in: length) else { return .ended }
            guard let stretch = stretches.first else { return .waiting }
            if stretch.isHole {
                let chunks = min(Int(stretch.chunks), TablePage.maximumRecords)
                pass(UInt32(chunks))
                return .hole(chunks: chunks)
            }
            guard let buffer = pool.take() else { return .waiting }
            pass(1)
            return .data(extent, buffer)
        }

        private mutating func pass(_ chunks: UInt32) {
            chunk += chunks
            stretches[0].chunks -= chunks
            if stretches[0].chunks == 0 { stretches.removeFirst() }
        }

        /// Where a survey is to begin; nil when enough is known, or one is under way.
        mutating func beginSurvey() -> UInt32? {
            guard !isSurveying, surveyedTo < chunkCount, surveyedTo - chunk < Self.surveyedAhead else { return nil }
            isSurveying = true
            return surveyedTo
        }

        mutating func endSurvey(_ found: [Stretch]) {
            isSurveying = false
            for stretch in found {
                stretches.append(stretch)
                surveyedTo += stretch.chunks
            }
        }

        mutating func skipSurvey() { if chunkCount > 0 { endSurvey([Stretch(chunks: chunkCount, isHole: false)]) } }
    }

    /// Attributes that change when somebody writes to the file. Its ctime changes with its names, links and mode, too, which are not
    /// what is sent.
    private struct Identity: Equatable {
        var size: Int
        var modified: Int
        var modifiedNanoseconds: Int

        init(_ status: stat) {
            size = Int(status.st_size)
            modified = status.st_mtim.tv_sec
            modifiedNanoseconds = status.st_mtim.tv_nsec
        }
    }

    /// May wait for a file system for as long as that likes: to be called where signals still end the process.
    init(path: String) throws(HostError) {
        // Not blocking until its kind is known: opening a FIFO waits for somebody who writes to it.
        let raw = unsafe open(SystemText.cString(path), O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard raw >= 0 else { throw .system("read", path) }
        let probe = OwnedDescriptor(raw)
        var status = stat()
        guard unsafe fstat(raw, &status) == 0 else { throw .system("read", path) }
        self.path = path
        identity = Identity(status)
        switch status.st_mode & S_IFMT {
        case S_IFREG:
            try Self.checkSize(status, raw, path: path)
            descriptor = probe
            isDevice = false
            length = UInt64(status.st_size)
            blocksLength = min(length, UInt64(status.st_blocks) * 512)
            allocatedLength = Self.dataLength(raw, length) ?? blocksLength
            mode = UInt16(status.st_mode & 0o777)
            modificationTime = FileTime(seconds: Int64(status.st_mtim.tv_sec), nanoseconds: UInt32(clamping: status.st_mtim.tv_nsec))
            warnings = []
        case S_IFBLK:
            // Once more, since a drive without a medium opens without blocking and knows no size.
            let device = unsafe open(SystemText.cString(path), O_RDONLY | O_CLOEXEC)
            guard device >= 0 else { throw .system("read", path) }
            descriptor = OwnedDescriptor(device)
            let size = rmcp_block_device_size(device)
            guard size >= 0 else { throw .system("measure", path) }
            isDevice = true
            length = UInt64(size)
            blocksLength = length
            // Zeros are known only when they have been read.
            allocatedLength = 0
            // What is on a disk is for who may read the disk.
            mode = 0o600
            modificationTime = nil
            // A file system that is mounted read-only stands still.
            let mayChange = MountTable.isWritten(status.st_rdev) ?? Self.isInUse(path)
            warnings = mayChange ? ["\(path) is in use (mounted?): what is written to it meanwhile is sent in part; unmount it first"] : []
        case S_IFDIR:
            throw HostError(
                "\(path) is a directory, and this version sends single files; use: tar -c \(path) | rmcp send --name NAME.tar -",
                kind: .usage)
        default:
            throw HostError("\(path) is neither a file nor a block device; to send a pipe use: rmcp send - < \(path)", kind: .usage)
        }
        contentLength = length
        holesLeft = LockedValue(Self.believableHoles(length, blocks: blocksLength))
        _ = posix_fadvise(descriptor.raw, 0, 0, POSIX_FADV_SEQUENTIAL)
    }

    /// Files of /proc and /sys have a size that says nothing of what is read from them.
    private static func checkSize(_ status: stat, _ raw: Int32, path: String) throws(HostError) {
        guard status.st_blocks == 0 else { return }
        var byte: UInt8 = 0
        let count = unsafe pread(raw, &byte, 1, max(0, Int(status.st_size) - 1))
        // Something that is not there yet is as good as something.
        let isSomething = count > 0 || (count < 0 && errno == EAGAIN)
        guard isSomething != (status.st_size > 0) else { return }
        throw HostError(
            "\(path) does not have the \(status.st_size) bytes that its file system says; to send what is read from it use: rmcp send --name NAME - < \(path)",
            kind: .usage)
    }

    /// Whether the kernel lets nobody else have the device for himself: a mounted file system, swap, a member of an array.
    private static func isInUse(_ path: String) -> Bool {
        let raw = unsafe open(SystemText.cString(path), O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC)
        guard raw < 0 else {
            close(raw)
            return false
        }
        return errno == EBUSY
    }

    // MARK: In order

    func start(_ map: ChunkMap, pool: BufferPool, wakeUp: WakeUp) throws(HostError) {
        var begun = Plan(map, pool: pool, length: length)
        if !mayHaveHoles { begun.skipSurvey() }
        plan.withLock { $0 = begun }
    }

    func next() throws(HostError) -> SourcePiece { plan.withLock { $0?.next() ?? .waiting } }

    func lookAhead() -> (@Sendable () -> Void)? {
        plan.withLock { plan in
            guard let first = plan?.beginSurvey(), let map = plan?.map else { return nil }
            return { [self] in
                let found = survey(from: first, map)
                self.plan.withLock { $0?.endSurvey(found) }
            }
        }
    }

    // MARK: Holes

    /// Consecutive chunks that are all holes, or that may hold data.
    struct Stretch: Sendable, Equatable {
        var chunks: UInt32
        var isHole: Bool
    }

    /// Whether there can be holes. Blocks for every byte mean none, whatever lseek(2) says: file systems have been wrong
    /// about holes in what was just written, and a hole that is none is zeros in place of data.
    var mayHaveHoles: Bool { !isDevice && blocksLength < length }

    /// Questions about data and holes that a start waits for.
    private static let firstQuestions = 64

    /// Bytes that a receiver needs room for, as far as the file system can tell in short: of a compressed file more than its
    /// blocks, of preallocated zeros less. Nil where it takes too long to find out.
    private static func dataLength(_ descriptor: Int32, _ length: UInt64) -> UInt64? {
        var (offset, data) = (0, 0)
        for _ in 0..<firstQuestions {
            let start = lseek(descriptor, offset, rmcp_seek_data())
            if start < 0 { return errno == ENXIO ? UInt64(data) : nil }
            let end = lseek(descriptor, start, rmcp_seek_hole())
            guard start < Int(length), end > start else { return min(length, UInt64(data)) }
            data += min(end, Int(length)) - start
            offset = end
        }
        return nil
    }

    /// Holes that are believed: a hole where there are blocks is none, and what a file system says of holes is wrong where
    /// they are more than its blocks leave. A 256th is for blocks that it keeps its own records in.
    private static func believableHoles(_ length: UInt64, blocks: UInt64) -> UInt64 {
        length - blocks + min(blocks / 2, 65_536 + blocks / 256)
    }

    /// Questions to the file system in one survey, which another job waits behind.
    private static let surveyLimit = 1_024

    /// Stretches from chunk `first` on: one at least, unless the file ends there.
    ///
    /// A last, short chunk counts as data: its zeros are found when it is read.
    func survey(from first: UInt32, _ map: ChunkMap) -> [Stretch] {
        var stretches: [Stretch] = []
        var chunk = first
        for _ in 0..<Self.surveyLimit where map.offset(of: chunk) < length {
            let offset = map.offset(of: chunk)
            let hole = min(holeLength(at: offset), length - offset)
            let holeEnd = UInt32(clamping: map.wholeChunks(within: offset + hole))
            let isHole = holeEnd > chunk && isBelievable(map.offset(of: holeEnd) - offset)
            let end = isHole ? holeEnd : UInt32(clamping: map.chunkCount(for: dataEnd(after: offset + (holeEnd > chunk ? 0 : hole))))
            if let last = stretches.last, last.isHole == isHole {
                stretches[stretches.count - 1].chunks += end - chunk
            } else {
                stretches.append(Stretch(chunks: end - chunk, isHole: isHole))
            }
            chunk = end
        }
        return stretches
    }

    /// Whether a further hole of `count` bytes may be one; not any more once one may not.
    private func isBelievable(_ count: UInt64) -> Bool {
        holesLeft.withLock { left in
            guard count <= left else {
                left = 0
                return false
            }
            left -= count
            return true
        }
    }

    /// How many bytes from `offset` on are a hole: 0 where there is data or where the file system cannot tell.
    private func holeLength(at offset: UInt64) -> UInt64 {
        guard mayHaveHoles else { return 0 }
        let data = lseek(descriptor.raw, Int(offset), rmcp_seek_data())
        if data < 0 { return errno == ENXIO ? length - offset : 0 }
        return min(UInt64(data), length) - min(offset, UInt64(data))
    }

    /// Where the data at `offset` ends: behind it, and at the end of the file at the latest.
    private func dataEnd(after offset: UInt64) -> UInt64 {
        guard mayHaveHoles, offset < length else { return length }
        let hole = lseek(descriptor.raw, Int(offset), rmcp_seek_hole())
        return hole > Int(offset) ? min(UInt64(hole), length) : length
    }

    // MARK: Reading

    func load(_ extent: ContentExtent, into buffer: ChunkBuffer) throws(HostError) {
        var bytes = buffer.mutableSpan(Int(extent.length))
        guard try FileTransfer.read(descriptor.raw, into: &bytes, at: extent.offset, path: path) == Int(extent.length) else { throw changed }
        let now = Poller.now()
        let isDue = lastLook.withLock { last in
            guard now - last >= Self.lookInterval else { return false }
            last = now
            return true
        }
        if isDue { try checkUnchanged() }
    }

    func reread(_ extent: ContentExtent, _ record: ChunkRecord, into buffer: ChunkBuffer) throws(HostError) -> Reread {
        try load(extent, into: buffer)
        return .content
    }

    func checkUnchanged() throws(HostError) {
        guard !isDevice else { return }
        var status = stat()
        guard unsafe fstat(descriptor.raw, &status) == 0, Identity(status) == identity else { throw changed }
    }
}
