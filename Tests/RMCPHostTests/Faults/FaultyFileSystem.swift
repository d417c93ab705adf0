import CLinux
import Foundation
import RMCPProtocol

@testable import RMCPHost

/// A disk behind a page cache, over files on a real file system that play the cache.
///
/// What was written is on the disk once it was flushed, or by chance before; a failed flush says so once and leaves pages
/// that are clean and were never stored; names are on the disk once their directory was flushed, or by chance, in order.
/// `cutPower` puts the files into the state that the disk has.
final class FaultyFileSystem: FileSystem, @unchecked Sendable {
    private struct Key: Hashable {
        var device: UInt
        var inode: UInt
        init(_ status: stat) {
            device = UInt(status.st_dev)
            inode = UInt(status.st_ino)
        }
    }

    private final class File {
        /// What the disk has.
        var stored: [UInt8] = []
        var dirty: Set<Int> = []
        /// Clean pages that the disk does not have.
        var lost: Set<Int> = []
        var lengthIsDirty = false
        /// The shortest that the file has been since its length was stored: what was behind that is zero, or new.
        var cut = Int.max
        /// A write-back failed since the last flush.
        var hasError = false
    }

    private enum Change {
        case link(String, Key)
        case unlink(String)
        case rename(String, String)
    }

    private final class Folder {
        var path: String
        var stored: [String: Key] = [:]
        var pending: [Change] = []
        init(path: String) { self.path = path }
    }

    static let page = 512

    var random: RandomSource
    /// Chance of a fault at each call (0...1).
    var faultRate = 0.0
    /// The next flush of a file fails.
    var failsNextFlush = false
    /// Faults that were made.
    private(set) var faults = 0
    private var files: [Key: File] = [:]
    private var folders: [Key: Folder] = [:]

    init(seed: UInt64) { random = RandomSource(seed: seed) }

    private func strikes() -> Bool {
        guard faultRate > 0, Double.random(in: 0..<1, using: &random) < faultRate else { return false }
        faults += 1
        return true
    }

    private func fail(_ codes: Int32...) -> Int32 {
        errno = codes[Int.random(in: 0..<codes.count, using: &random)]
        return -1
    }

    private func file(_ descriptor: Int32) -> File? { super.status(of: descriptor).flatMap { $0.kind == S_IFREG ? files[Key($0)] : nil } }
    private func folder(_ descriptor: Int32) -> Folder? { super.status(of: descriptor).flatMap { folders[Key($0)] } }

    // MARK: Calls

    override func open(_ path: String, _ flags: Int32, mode: mode_t = 0) -> Int32 {
        if strikes() { return fail(EIO, EMFILE) }
        let raw = super.open(path, flags, mode: mode)
        guard raw >= 0, let status = super.status(of: raw) else { return raw }
        let key = Key(status)
        if status.kind == S_IFDIR, folders[key] == nil { folders[key] = Folder(path: path) }
        if status.kind == S_IFREG, files[key] == nil { adopt(path: path, descriptor: raw, key: key) }
        return raw
    }

    /// A file that was opened by its path: its folder has its name.
    private func adopt(path: String, descriptor: Int32, key: Key) {
        files[key] = File()
        let parent = (path as NSString).deletingLastPathComponent
        let raw = super.open(parent, O_RDONLY | O_DIRECTORY)
        defer { close(raw) }
        guard let status = super.status(of: raw) else { return }
        let folder = folders[Key(status)] ?? Folder(path: parent)
        folders[Key(status)] = folder
        folder.pending.append(.link((path as NSString).lastPathComponent, key))
    }

    override func open(_ name: String, in directory: Int32, _ flags: Int32, mode: mode_t = 0) -> Int32 {
        if strikes() { return flags & O_CREAT != 0 ? fail(ENOSPC, EIO) : fail(EIO, EMFILE) }
        let isNew = super.status(of: name, in: directory) == nil
        let raw = super.open(name, in: directory, flags, mode: mode)
        guard raw >= 0, let status = super.status(of: raw), status.kind == S_IFREG else { return raw }
        let key = Key(status)
        if files[key] == nil || isNew { files[key] = File() }
        if isNew { folder(directory)?.pending.append(.link(name, key)) }
        return raw
    }

    override func read(_ descriptor: Int32, _ bytes: UnsafeMutableRawPointer?, _ count: Int, at offset: Int) -> Int {
        if strikes() { return Int(fail(EIO, EINTR)) }
        return super.read(descriptor, bytes, count, at: offset)
    }

    override func write(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int, at offset: Int) -> Int {
        var count = count
        if strikes() {
            guard count > 1, Bool.random(using: &random) else { return Int(fail(EIO, ENOSPC, EINTR)) }
            count = Int.random(in: 1..<count, using: &random)
        }
        let written = super.write(descriptor, bytes, count, at: offset)
        note(descriptor, from: offset, count: written)
        return written
    }

    override func write(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
        var count = count
        if strikes() {
            guard count > 1, Bool.random(using: &random) else { return Int(fail(EIO, ENOSPC, EINTR)) }
            count = Int.random(in: 1..<count, using: &random)
        }
        let end = Int(super.status(of: descriptor)?.st_size ?? 0)
        let written = super.write(descriptor, bytes, count)
        note(descriptor, from: end, count: written)
        return written
    }

    private func note(_ descriptor: Int32, from offset: Int, count: Int) {
        guard count > 0, let file = file(descriptor) else { return }
        let pages = offset / Self.page...(offset + count - 1) / Self.page
        file.dirty.formUnion(pages)
        file.lost.subtract(pages)
        file.lengthIsDirty = true
    }

    override func truncate(_ descriptor: Int32, to length: Int) -> Int32 {
        if strikes() { return fail(EIO, ENOSPC) }
        guard let file = file(descriptor) else { return super.truncate(descriptor, to: length) }
        let old = Int(super.status(of: descriptor)?.st_size ?? 0)
        let result = super.truncate(descriptor, to: length)
        guard result == 0 else { return result }
        file.lengthIsDirty = true
        if length < old {
            file.cut = min(file.cut, length)
            let kept = (length + Self.page - 1) / Self.page
            file.dirty = file.dirty.filter { $0 < kept }
            file.lost = file.lost.filter { $0 < kept }
        }
        if length > 0 { file.dirty.insert((length - 1) / Self.page) }
        return 0
    }

    override func allocate(_ descriptor: Int32, mode: Int32, at offset: Int, _ length: Int) -> Int32 {
        if strikes() { return fail(EOPNOTSUPP, ENOSPC, EINTR, EIO) }
        let result = super.allocate(descriptor, mode: mode, at: offset, length)
        if result == 0, mode & RMCP_FALLOC_FL_PUNCH_HOLE != 0 {
            let size = Int(super.status(of: descriptor)?.st_size ?? 0)
            note(descriptor, from: offset, count: min(length, max(0, size - offset)))
        }
        return result
    }

    override func flush(_ descriptor: Int32) -> Int32 {
        if let folder = folder(descriptor) {
            if strikes() { return fail(EIO, ETIMEDOUT) }
            settle(folder, folder.pending.count)
            return 0
        }
        guard let file = file(descriptor) else { return 0 }
        if strikes() || file.hasError || failsNextFlush {
            failsNextFlush = false
            // Told once; what was under way is clean, and lost.
            file.hasError = false
            file.lost.formUnion(file.dirty)
            file.dirty = []
            // Codes of the disk come through: ENODATA is a bad sector.
            return fail(EIO, ENOSPC, ENODATA, ETIMEDOUT, EROFS, EREMOTEIO)
        }
        store(file, descriptor, file.dirty)
        return 0
    }

    private static func resized(_ file: File, to length: Int) -> [UInt8] {
        let kept = file.stored.prefix(min(file.cut, length))
        return kept + [UInt8](repeating: 0, count: length - kept.count)
    }

    /// Writes pages back.
    private func store(_ file: File, _ descriptor: Int32, _ pages: Set<Int>) {
        let length = Int(super.status(of: descriptor)?.st_size ?? 0)
        if file.lengthIsDirty {
            file.stored = Self.resized(file, to: length)
            file.lengthIsDirty = false
            file.cut = .max
        }
        // Whoever flushes may not read.
        let readable = super.open("/proc/self/fd/\(descriptor)", O_RDONLY)
        defer { close(readable) }
        for page in pages {
            let start = page * Self.page
            let count = min(Self.page, file.stored.count - start)
            guard count > 0 else { continue }
            file.stored.withUnsafeMutableBytes { _ = super.read(readable, $0.baseAddress?.advanced(by: start), count, at: start) }
        }
        file.dirty.subtract(pages)
    }

    override func dropCache(_ descriptor: Int32) {
        guard let file = file(descriptor) else { return }
        forget(file, descriptor, file.lost)
    }

    /// Clean pages go, and come back as the disk has them.
    private func forget(_ file: File, _ descriptor: Int32, _ pages: Set<Int>) {
        let length = Int(super.status(of: descriptor)?.st_size ?? 0)
        for page in pages {
            let start = page * Self.page
            let count = min(Self.page, length - start)
            guard count > 0 else { continue }
            var bytes = start < file.stored.count ? Array(file.stored[start..<min(file.stored.count, start + count)]) : []
            bytes += [UInt8](repeating: 0, count: count - bytes.count)
            _ = bytes.withUnsafeBytes { super.write(descriptor, $0.baseAddress, count, at: start) }
        }
        file.lost.subtract(pages)
    }

    override func setMode(_ descriptor: Int32, _ mode: mode_t) -> Int32 { super.setMode(descriptor, mode) }

    override func rename(_ name: String, to newName: String, in directory: Int32) -> Int32 {
        if strikes() { return fail(EIO, ENOSPC) }
        let result = super.rename(name, to: newName, in: directory)
        if result == 0 { folder(directory)?.pending.append(.rename(name, newName)) }
        return result
    }

    override func remove(_ name: String, in directory: Int32) -> Int32 {
        let result = super.remove(name, in: directory)
        if result == 0 { folder(directory)?.pending.append(.unlink(name)) }
        return result
    }

    override func lock(_ descriptor: Int32, _ operation: Int32) -> Int32 { super.lock(descriptor, operation) }

    // MARK: What happens by itself

    /// Some dirty pages are written back, one in ten of them in vain; some that are lost are forgotten.
    func breathe(_ descriptors: [Int32]) {
        for descriptor in descriptors {
            guard let file = file(descriptor) else { continue }
            let chosen = file.dirty.sorted().filter { _ in Bool.random(using: &random) }
            if faultRate > 0, Double.random(in: 0..<1, using: &random) < 0.1, !chosen.isEmpty {
                file.lost.formUnion(chosen)
                file.dirty.subtract(chosen)
                file.hasError = true
            } else {
                store(file, descriptor, Set(chosen))
            }
            forget(file, descriptor, Set(file.lost.sorted().filter { _ in Bool.random(using: &random) }))
        }
    }

    /// Everything of a file that was not flushed is written back in vain, and nobody is told.
    func lose(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0, let file = files[Key(status)] else { return }
        file.lost.formUnion(file.dirty)
        file.dirty = []
    }

    private func settle(_ folder: Folder, _ count: Int) {
        for change in folder.pending.prefix(count) {
            switch change {
            case .link(let name, let key): folder.stored[name] = key
            case .unlink(let name): folder.stored[name] = nil
            case .rename(let name, let newName): folder.stored[newName] = folder.stored.removeValue(forKey: name)
            }
        }
        folder.pending.removeFirst(count)
    }

    /// What the disk has of a file; nil where its name is not on the disk.
    func stored(_ name: String, in path: String) -> [UInt8]? {
        guard let folder = folders.values.first(where: { $0.path == path }), let key = folder.stored[name] else { return nil }
        return files[key]?.stored
    }

    /// The machine goes off and comes back: every folder has what was stored of it, and by chance some of what was not.
    /// No file may be open.
    func cutPower() {
        for folder in folders.values.sorted(by: { $0.path < $1.path }) {
            settle(folder, Int.random(in: 0...folder.pending.count, using: &random))
            folder.pending = []
            var contents: [String: [UInt8]] = [:]
            for (name, key) in folder.stored.sorted(by: { $0.key < $1.key }) { contents[name] = survivors(of: key, named: name, in: folder.path) }
            for name in (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [] {
                try? FileManager.default.removeItem(atPath: "\(folder.path)/\(name)")
            }
            folder.stored = [:]
            for (name, bytes) in contents { _ = FileManager.default.createFile(atPath: "\(folder.path)/\(name)", contents: Data(bytes)) }
        }
        let paths = folders.values.map(\.path)
        files = [:]
        folders = [:]
        for path in paths { readBack(path) }
    }

    /// What was flushed, and each page that was not, or not.
    private func survivors(of key: Key, named name: String, in path: String) -> [UInt8] {
        guard let file = files[key] else { return [] }
        // Under whatever name it has in the cache: the one that the disk has may be its former one.
        guard let cached = cached(key, in: path), !file.dirty.isEmpty || file.lengthIsDirty else { return file.stored }
        var bytes = file.stored
        if file.lengthIsDirty, Bool.random(using: &random) { bytes = Self.resized(file, to: cached.count) }
        for page in file.dirty.sorted() where Bool.random(using: &random) {
            let (start, end) = (page * Self.page, min((page + 1) * Self.page, bytes.count, cached.count))
            if start < end { bytes.replaceSubrange(start..<end, with: cached[start..<end]) }
        }
        return bytes
    }

    private func cached(_ key: Key, in path: String) -> [UInt8]? {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] {
            var status = stat()
            if lstat("\(path)/\(name)", &status) == 0, Key(status) == key { return FileManager.default.contents(atPath: "\(path)/\(name)").map(Array.init) }
        }
        return nil
    }

    /// Everything in a folder is stored.
    func readBack(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return }
        let folder = Folder(path: path)
        folders[Key(status)] = folder
        for name in (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] {
            guard lstat("\(path)/\(name)", &status) == 0, status.kind == S_IFREG else { continue }
            let file = File()
            file.stored = FileManager.default.contents(atPath: "\(path)/\(name)").map(Array.init) ?? []
            files[Key(status)] = file
            folder.stored[name] = Key(status)
        }
    }
}
