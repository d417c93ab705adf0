/// Working memory of one worker.
@safe final class ChunkScratch: LentMemory {
    let bytes: UnsafeMutableRawBufferPointer
    let length: Int
    init(length: Int) {
        self.length = length
        unsafe bytes = .allocate(byteCount: length, alignment: 4_096)
    }
    deinit { unsafe bytes.deallocate() }
}
