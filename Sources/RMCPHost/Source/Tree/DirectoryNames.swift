import Glibc

/// Names in a directory in the order of their bytes, packed: a directory may have a million of them.
struct DirectoryNames: Sendable {
    private var bytes: [UInt8] = []
    /// Beginning and end of each, and its kind as the directory has it (`d_type`).
    private var names: [(range: Range<UInt32>, kind: UInt8)] = []

    /// Nil with `errno` where the directory cannot be read.
    init?(of directory: Int32) {
        let copy = fcntl(directory, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { return nil }
        guard let stream = unsafe fdopendir(copy) else {
            close(copy)
            return nil
        }
        defer { _ = unsafe closedir(stream) }
        // The copy stands where the original does.
        unsafe rewinddir(stream)
        let nameOffset = MemoryLayout<dirent>.offset(of: \.d_name) ?? 0
        while true {
            errno = 0
            guard let entry = unsafe readdir(stream) else { break }
            let name = unsafe UnsafeRawPointer(entry).advanced(by: nameOffset).assumingMemoryBound(to: CChar.self)
            unsafe add(UnsafeRawBufferPointer(start: name, count: strlen(name)), kind: entry.pointee.d_type)
        }
        guard errno == 0 else { return nil }
        let bytes = bytes
        names.sort { bytes[$0.range.indices].lexicographicallyPrecedes(bytes[$1.range.indices]) }
    }

    private mutating func add(_ name: UnsafeRawBufferPointer, kind: UInt8) {
        let dot = UInt8(ascii: ".")
        if unsafe name.count <= 2 && name.allSatisfy({ $0 == dot }) { return }
        let start = UInt32(bytes.count)
        unsafe bytes.append(contentsOf: name)
        names.append((start..<UInt32(bytes.count), kind))
    }

    var count: Int { names.count }
    subscript(index: Int) -> [UInt8] { Array(bytes[names[index].range.indices]) }

    /// Kind that it had when the directory was read. File systems need not say.
    func isFile(_ index: Int) -> Bool { names[index].kind == UInt8(DT_REG) }
    func isDirectory(_ index: Int) -> Bool { names[index].kind == UInt8(DT_DIR) }
}

extension Range<UInt32> {
    /// The same for an array.
    var indices: Range<Int> { Int(lowerBound)..<Int(upperBound) }
}
