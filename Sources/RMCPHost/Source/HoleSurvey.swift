import CLinux
import Glibc
import RMCPContent

/// Holes of a file, as its file system tells them, found out piece by piece: it may take as long as it likes.
final class HoleSurvey: Sendable {
    private let descriptor: OwnedDescriptor
    /// Bytes of the file.
    private let length: UInt64
    /// Bytes of the blocks that it has, `length` at most.
    private let blocksLength: UInt64
    /// Bytes that may still turn out to be holes.
    private let holesLeft: LockedValue<UInt64>

    /// - Parameter blocks: bytes that the file has blocks for; `length` for what has no holes.
    init(_ descriptor: OwnedDescriptor, length: UInt64, blocks: UInt64) {
        self.descriptor = descriptor
        self.length = length
        blocksLength = min(length, blocks)
        holesLeft = LockedValue(Self.believableHoles(length, blocks: blocksLength))
    }

    /// Whether there can be holes. Blocks for every byte mean none, whatever lseek(2) says: file systems have been wrong
    /// about holes in what was just written, and a hole that is none is zeros in place of data.
    var mayHaveHoles: Bool { blocksLength < length }

    /// Questions about data and holes that a start waits for.
    private static let firstQuestions = 64

    /// Bytes that a receiver needs room for, as far as the file system can tell in short: of a compressed file more than its
    /// blocks, of preallocated zeros less.
    /// - Parameter blocks: bytes that the file has blocks for.
    /// - Returns: nil where it takes too long to find out.
    static func dataLength(_ descriptor: Int32, _ length: UInt64, blocks: UInt64) -> UInt64? {
        // One in memory looks at each page, 10 ms for 512 MiB.
        if blocks >= length, rmcp_file_system_kind(descriptor) == FileRoom.tmpfs, hasDataThroughout(descriptor, length) { return length }
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

    /// Data at places all over a file in memory mean data everywhere: zeros that are only reserved there come in long stretches.
    private static func hasDataThroughout(_ descriptor: Int32, _ length: UInt64) -> Bool {
        guard length > 0 else { return false }
        let step = Int(clamping: length - 1) / firstQuestions
        return (0...firstQuestions).allSatisfy { lseek(descriptor, $0 * step, rmcp_seek_data()) == $0 * step }
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
    func survey(from first: UInt32, _ map: ChunkMap) -> [ChunkStretch] {
        var stretches: [ChunkStretch] = []
        var chunk = first
        for _ in 0..<Self.surveyLimit where map.offset(of: chunk) < length {
            let offset = map.offset(of: chunk)
            let hole = min(holeLength(at: offset), length - offset)
            let holeEnd = UInt32(clamping: map.wholeChunks(within: offset + hole))
            let isHole = holeEnd > chunk && spend(holeOf: map.offset(of: holeEnd) - offset)
            let end = isHole ? holeEnd : UInt32(clamping: map.chunkCount(for: dataEnd(after: offset + (holeEnd > chunk ? 0 : hole))))
            if let last = stretches.last, last.isHole == isHole {
                stretches[stretches.count - 1].chunks += end - chunk
            } else {
                stretches.append(ChunkStretch(chunks: end - chunk, isHole: isHole))
            }
            chunk = end
        }
        return stretches
    }

    /// Takes a further hole of `count` bytes off what holes there may be.
    /// - Returns: false where it may be none, and from then on.
    private func spend(holeOf count: UInt64) -> Bool {
        holesLeft.withLock { left in
            guard count <= left else {
                left = 0
                return false
            }
            left -= count
            return true
        }
    }

    /// Bytes from `offset` on that are a hole: 0 where there is data or where the file system cannot tell.
    private func holeLength(at offset: UInt64) -> UInt64 {
        guard mayHaveHoles else { return 0 }
        let data = lseek(descriptor.raw, Int(offset), rmcp_seek_data())
        if data < 0 { return errno == ENXIO ? length - offset : 0 }
        return min(UInt64(data), length) - min(offset, UInt64(data))
    }

    /// End of the data at `offset`: behind it, and at the end of the file at the latest.
    private func dataEnd(after offset: UInt64) -> UInt64 {
        guard mayHaveHoles, offset < length else { return length }
        let hole = lseek(descriptor.raw, Int(offset), rmcp_seek_hole())
        return hole > Int(offset) ? min(UInt64(hole), length) : length
    }
}
