import CLinux
import Foundation
import Glibc
import RMCPContent
import RMCPProtocol
import Testing

@testable import RMCPHost

/// What is found out about a source before and while it is read.
@Suite struct FileSourceTests {
    private static let chunk = 65_536

    private final class Directory {
        let path: String
        init() throws {
            path = NSTemporaryDirectory() + "rmcp-source-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }
        deinit { try? FileManager.default.removeItem(atPath: path) }
    }

    /// Chunks by letter: `d` data, `.` a hole, `z` zeros that are written; then some bytes of a last, short chunk.
    private func file(_ layout: String, tail: Int = 0, in directory: Directory) throws -> String {
        let path = directory.path + "/source"
        let raw = open(path, O_CREAT | O_RDWR | O_TRUNC, 0o600)
        try #require(raw >= 0)
        defer { close(raw) }
        for (index, letter) in layout.enumerated() where letter != "." {
            let bytes = [UInt8](repeating: letter == "d" ? 7 : 0, count: Self.chunk)
            try #require(pwrite(raw, bytes, bytes.count, index * Self.chunk) == bytes.count)
        }
        try #require(ftruncate(raw, layout.count * Self.chunk + tail) == 0)
        return path
    }

    /// A device that is mounted for writing changes while it is sent; one that is mounted read-only does not.
    @Test func aMountedDeviceIsWrittenWhereItsFileSystemIs() {
        let table = """
            26 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw,errors=remount-ro
            40 26 7:0 / /snap ro,nodev - squashfs /dev/loop0 ro
            41 26 7:1 / /srv/a ro,relatime shared:9 master:2 - ext4 /dev/loop1 rw
            42 26 7:2 / /srv/b ro,relatime - xfs /dev/loop2 ro,noquota
            43 26 7:2 /sub /srv/c rw,relatime - xfs /dev/loop2 rw,noquota
            """
        let answers = [(8, 1), (7, 0), (7, 1), (7, 2), (7, 3)].map { MountTable.isWritten(major: $0.0, minor: $0.1, in: table) }
        #expect(answers == [true, false, true, true, nil])
    }

    @Test func whatIsMountedBelowADirectoryIsFound() {
        let table = #"""
            26 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw
            40 26 7:0 / /srv/tree\040one/d/mp rw - ext4 /dev/loop0 rw
            41 26 7:1 / /srv/treetop/x rw - ext4 /dev/loop1 rw
            42 26 7:2 / /srv/other rw - ext4 /dev/loop2 rw
            """#
        let found = ["/srv/tree one", "/srv/tree", "/srv/treetop", "/srv/other", "/srv/tree one/d/mp"].map { MountTable.firstMount(below: $0, in: table) }
        #expect(found == ["/srv/tree one/d/mp", nil, "/srv/treetop/x", nil, nil])
    }

    /// A host of containers has hundreds of mounts, and what counts may be the last.
    @Test func longTablesOfMountsAreReadToTheirEnd() throws {
        let filler = (0..<2_500).map { "\($0 + 100) 26 0:\($0) / /run/containers/\($0)/merged rw,relatime shared:1 - overlay overlay rw,lowerdir=/l" }
        let text = (filler + ["40 26 7:1 / /srv/tree/d/mp rw - ext4 /dev/loop1 rw", ""]).joined(separator: "\n")
        try #require(text.utf8.count > 200_000)
        let scratch = TemporaryDirectory()
        let table = scratch.path + "/mountinfo"
        _ = FileManager.default.createFile(atPath: table, contents: Data(text.utf8))
        #expect(MountTable.inner(below: "/srv/tree", table: table) == .mount("/srv/tree/d/mp"))
        #expect(MountTable.inner(below: "/srv/other", table: table) == .nothing)
        #expect(MountTable.isWritten(7 << 8 | 1, table: table) == true && MountTable.isWritten(7 << 8 | 2, table: table) == nil)
        // What is longer than anything is not known.
        #expect(MountTable.inner(below: "/srv/other", table: table, limit: text.utf8.count) == .nothing)
        #expect(MountTable.inner(below: "/srv/other", table: table, limit: text.utf8.count - 1) == .unknown)
        #expect(MountTable.inner(below: "/srv/tree", table: scratch.path + "/none") == .nothing)
        #expect(FileTransfer.kernelText(MountTable.path)?.hasSuffix("\n") == true)
    }

    /// The survey's word on each chunk.
    private func picture(_ source: FileSource, chunks: Int) -> String {
        var result = ""
        while result.count < chunks {
            let stretches = source.survey(from: UInt32(result.count), ChunkMap(chunkLength: UInt32(Self.chunk)))
            guard !stretches.isEmpty else { return result + "!" }
            for stretch in stretches { result += String(repeating: stretch.isHole ? "." : "d", count: Int(stretch.chunks)) }
        }
        return result
    }

    @Test(arguments: ["d", "dd", "d.d", ".", "..", ".d", "d.", "d..dd...d", "dzd.", "....d....d"], [0, 5])
    func aSurveyTellsHolesFromData(layout: String, tail: Int) throws {
        let directory = try Directory()
        let source = try FileSource(path: try file(layout, tail: tail, in: directory))
        // Zeros that are written are data, and so is a last chunk that is short.
        let expected = layout.map { $0 == "." ? "." : "d" }.joined() + (tail > 0 ? "d" : "")
        #expect(picture(source, chunks: expected.count) == expected)
    }

    private static let hasMemory = access("/dev/shm", W_OK) == 0

    /// Zeros that are only reserved need no room where they go, however a file in memory is asked about them.
    @Test(.enabled(if: hasMemory, "nothing can be written to /dev/shm"), arguments: [0.0, 0.3, 0.98, 1.0])
    func reservedZerosNeedNoRoom(written: Double) throws {
        let path = "/dev/shm/rmcp-source-\(UUID().uuidString)"
        let raw = open(path, O_CREAT | O_RDWR | O_EXCL, 0o600)
        try #require(raw >= 0)
        defer {
            close(raw)
            unlink(path)
        }
        let length = 64 * Self.chunk
        try #require(posix_fallocate(raw, 0, length) == 0)
        let data = [UInt8](repeating: 7, count: Int(Double(length) * written) & ~4_095)
        try #require(pwrite(raw, data, data.count, 0) == data.count)
        let source = try FileSource(path: path)
        // A large page of memory is written as a whole.
        #expect(source.allocatedLength >= UInt64(data.count) && source.allocatedLength < UInt64(data.count + Self.chunk), "\(source.allocatedLength)")
    }

    /// Everything that a source hands out, as a feeder takes it: in order, and each chunk once more by its record.
    private func content(_ source: any BundleSource) throws -> [UInt8] {
        let map = ChunkMap(chunkLength: UInt32(Self.chunk))
        let pool = BufferPool(bufferLength: Self.chunk, limit: 6)
        let (wakeUp, poller) = (try WakeUp(), Poller())
        _ = poller.watch(wakeUp.descriptor.raw)
        try source.start(map, pool: pool, wakeUp: wakeUp)
        var result: [UInt8] = []
        var chunk: UInt32 = 0
        let deadline = Poller.now() + .seconds(20)
        while Poller.now() < deadline {
            source.lookAhead()?()
            switch try source.next() {
            case .waiting:
                poller.wait(until: deadline)
                wakeUp.clear()
            case .ended:
                source.stop()
                try source.checkUnchanged()
                return result
            case .hole(let chunks):
                #expect(chunks > 0)
                result += [UInt8](repeating: 0, count: chunks * Self.chunk)
                chunk += UInt32(chunks)
            case .data(let extent, let buffer):
                #expect(extent.offset == map.offset(of: chunk) && extent.offset == UInt64(result.count))
                try source.load(extent, into: buffer)
                let bytes = buffer.span(Int(extent.length)).withUnsafeBytes { Array($0) }
                try source.keep(buffer.span(bytes.count), of: extent)
                let digest = BLAKE3Digest().digest(of: bytes)
                let record = ChunkRecord(
                    kind: .stored, contentLength: UInt32(bytes.count), encodedLength: UInt32(bytes.count), encodedDigest: digest, contentDigest: digest)
                buffer.bytes.initializeMemory(as: UInt8.self, repeating: 0xAA)
                _ = try source.reread(map.extent(of: chunk, record), record, into: buffer)
                #expect(buffer.span(bytes.count).withUnsafeBytes { $0.elementsEqual(bytes) })
                result += bytes
                chunk += 1
                pool.giveBack(buffer)
            }
        }
        throw HostError("the source does not end")
    }

    @Test(arguments: ["", "d", "d.d", "..", "dd..d"], [0, 5]) func filesAndStreamsAreAlike(layout: String, tail: Int) throws {
        let directory = try Directory()
        let path = try file(layout, tail: tail, in: directory)
        let expected = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
        #expect(try content(try FileSource(path: path)) == expected)
        let input = open(path, O_RDONLY)
        defer { close(input) }
        #expect(try content(try StreamSource(input: input)) == expected)
    }

    @Test func aSpoolThatForgetsIsNotSent() throws {
        let source = try StreamSource(input: -1)
        let pool = BufferPool(bufferLength: Self.chunk, limit: 1)
        let buffer = try #require(pool.take())
        let extent = ContentExtent(offset: 0, length: 3)
        try source.keep([1, 2, 3].span.bytes, of: extent)
        let digest = BLAKE3Digest().digest(of: [1, 2, 4])
        let record = ChunkRecord(kind: .stored, contentLength: 3, encodedLength: 3, encodedDigest: digest, contentDigest: digest)
        let error = #expect(throws: HostError.self) { try source.reread(extent, record, into: buffer) }
        #expect(error?.description.contains("the spool file has lost") == true)
    }

    @Test func blocksForEveryByteMeanNoHoles() throws {
        let directory = try Directory()
        #expect(try !FileSource(path: try file("dddd", in: directory)).mayHaveHoles)
        #expect(try FileSource(path: try file("d..d", in: directory)).mayHaveHoles)
        #expect(try !FileSource(path: try file("", in: directory)).mayHaveHoles)
    }

    @Test(arguments: ["ln F G", "chmod g+w F", "mv F G", "cp F G; mv G F", "rm F", "touch -a F"]) func namesAndModesAreNotContent(act: String) throws {
        let directory = try Directory()
        let path = try file("dd", in: directory)
        let source = try FileSource(path: path)
        try shell(act, path)
        try source.checkUnchanged()
    }

    @Test(arguments: ["printf x >>F", "printf x | dd of=F conv=notrunc status=none", "truncate -s 1 F", "touch -d @5 F"]) func contentIs(act: String) throws {
        let directory = try Directory()
        let path = try file("dd", in: directory)
        let source = try FileSource(path: path)
        try shell(act, path)
        let error = #expect(throws: HostError.self) { try source.checkUnchanged() }
        #expect(error?.description.contains("receivers keep what they have") == true)
    }

    private func shell(_ act: String, _ path: String) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-ec", act.replacingOccurrences(of: "F", with: path).replacingOccurrences(of: "G", with: path + ".other")]
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
    }

    @Test func roomIsForDataAndNotForBlocks() throws {
        let directory = try Directory()
        #expect(try FileSource(path: try file("dd.d", in: directory)).allocatedLength == UInt64(3 * Self.chunk))
        let reserved = directory.path + "/reserved"
        let descriptor = open(reserved, O_WRONLY | O_CREAT, 0o600)
        defer { close(descriptor) }
        try #require(posix_fallocate(descriptor, 0, 3 * Self.chunk) == 0)
        let source = try FileSource(path: reserved)
        // As many as there are where the file system cannot tell.
        #expect([0, 3 * UInt64(Self.chunk)].contains(source.allocatedLength) && !source.mayHaveHoles)
    }

    @Test func aFIFOIsRefusedAtOnce() throws {
        let directory = try Directory()
        let path = directory.path + "/fifo"
        try #require(mkfifo(path, 0o600) == 0)
        let error = #expect(throws: HostError.self) { try FileSource(path: path) }
        #expect(error?.kind == .usage && error?.description.contains("rmcp send - <") == true)
    }

    private static let fileOfDevices = "/sys/kernel/uevent_seqnum"

    @Test func aFileWithoutALengthIsNotSentEmpty() { refuseLength("/proc/self/status") }

    @Test(.enabled(if: access(fileOfDevices, R_OK) == 0, "/sys/kernel/uevent_seqnum cannot be read")) func aFileThatIsShorterThanItSaysIsNotSent() {
        refuseLength(Self.fileOfDevices)
    }

    private func refuseLength(_ path: String) {
        let error = #expect(throws: HostError.self) { try FileSource(path: path) }
        #expect(error?.kind == .usage && error?.description.contains("rmcp send --name NAME - <") == true)
    }

    /// Nothing can be read from the start of a process's memory.
    @Test func aFileThatCannotBeReadIsNotSentEmpty() {
        let error = #expect(throws: HostError.self) { try FileSource(path: "/proc/self/mem") }
        #expect(error?.kind == .failure && error?.message.hasPrefix("read /proc/self/mem: ") == true, "\(String(describing: error))")
    }

    @Test func aSocketIsRefusedForWhatItIs() throws {
        let directory = try Directory()
        let path = directory.path + "/socket"
        let socket = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_un(sun_family: sa_family_t(AF_UNIX), sun_path: sockaddr_un().sun_path)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8).prefix($0.count - 1)) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        try #require(bound == 0)
        let error = #expect(throws: HostError.self) { try FileSource(path: path) }
        #expect(error?.kind == .usage && error?.description.contains("neither a file nor a block device") == true)
    }

    /// Devices that nothing is attached to; only root may look at them.
    private static var emptyDevices: [String] {
        (0..<64).map { "/dev/loop\($0)" }.filter { path in
            let raw = open(path, O_RDONLY)
            defer { if raw >= 0 { close(raw) } }
            return raw >= 0 && rmcp_block_device_size(raw) == 0
        }
    }

    @Test(.enabled(if: !emptyDevices.isEmpty, "there is no loop device of 0 bytes")) func aDeviceOfNothingIsNoBundle() throws {
        let error = #expect(throws: HostError.self) { try FileSource(path: try #require(Self.emptyDevices.last)) }
        #expect(error?.kind == .usage && error?.description.contains("has no bytes") == true)
    }

    @Test func anEmptyFileIsAFile() throws {
        let directory = try Directory()
        #expect(try FileSource(path: try file("", in: directory)).contentLength == 0)
        #expect(try FileSource(path: try file("...", in: directory)).contentLength == UInt64(3 * Self.chunk))
    }

    @Test func aQueueOfItsOwnHoldsNobodyUp() {
        let gate = BoundedQueue<Void>(capacity: 1)
        let done = LockedValue([String]())
        let queue = BackgroundQueue<String>(name: "test") { item in
            _ = gate.pop()
            done.withLock { $0.append(item) }
        }
        queue.update { $0.append("first") }
        // It stands in the first one: the others wait, and can be taken back.
        while !queue.update({ $0.isEmpty }) { usleep(100) }
        for item in ["second", "third"] { queue.update { $0.append(item) } }
        #expect(queue.update { $0.size } == 2 && !queue.drain(within: .milliseconds(1)))
        queue.update { $0.removeLast() }
        gate.close()
        #expect(queue.drain(within: .seconds(20)))
        #expect(done.withLock { $0 } == ["first", "second"])
    }
}
