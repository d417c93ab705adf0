import BenchmarkSupport
import Crypto
import Glibc

/// Puts datagrams in their place in a chunk, and digests and writes each chunk: what no receiver can do without.
///
/// Nothing is asked for again: a datagram that was lost leaves what the chunk before had in its place.
final class ChunkStore {
    private let file: Int32
    private let capacity: Int
    private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: Layout.chunkBytes, alignment: 4_096)
    private var current: Int?
    private var folded: UInt8 = 0

    init(path: String, megabytes: Int) {
        file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { fail("open \(path): errno \(errno)") }
        capacity = max(megabytes * 1_000_000 / Layout.chunkBytes, 1)
        memory.initializeMemory(as: UInt8.self, repeating: 0)
        // Room is made and touched before it is measured: first use of memory is the machine's time, not the program's.
        for chunk in 0..<capacity { write(at: chunk) }
    }

    func place(_ bytes: UnsafeRawBufferPointer, segment: Int) {
        let base = memory.baseAddress.unsafelyUnwrapped
        var offset = 0
        while bytes.count - offset >= Layout.datagram {
            let datagram = bytes.baseAddress.unsafelyUnwrapped + offset
            let sequence = Int(truncatingIfNeeded: Layout.sequence(datagram))
            let chunk = sequence / Layout.chunk
            if chunk != current {
                finish()
                current = chunk
            }
            memcpy(base + (sequence - chunk * Layout.chunk) * Layout.payload, datagram + Layout.header, Layout.payload)
            offset += segment
        }
    }

    /// Digests and writes the chunk that datagrams were placed in last.
    func finish() {
        guard let chunk = current else { return }
        for byte in SHA256.hash(data: UnsafeRawBufferPointer(memory)) { folded ^= byte }
        write(at: chunk % capacity)
        current = nil
    }

    private func write(at chunk: Int) {
        guard pwrite(file, memory.baseAddress, memory.count, chunk * memory.count) == memory.count else { fail("write: errno \(errno)") }
    }
}
