import Glibc
import RMCPContent

/// Threads that look at what a walk comes to next: file systems answer several at once, those of a network above all.
///
/// The walk says which directory it is in, and asks for what it comes to there, in its order, which is that of the catalog. Threads open and
/// read what lies before it, the nearest first, up to a bound. Whatever is no ordinary file or directory is left to the walk, which says what
/// is wrong with it.
///
/// ```
///   walk ──enter, leave──▶ levels ──nearest name──▶ threads ──▶ found ──finding(at:)──▶ walk
/// ```
final class WalkAhead: @unchecked Sendable {
    /// A regular file of one name, without holes and not long, which could be opened.
    struct File: Sendable {
        var status: stat
        var attributes: [CatalogAttribute]
    }

    /// A directory that could be read.
    struct Directory: Sendable {
        var descriptor: OwnedDescriptor
        var status: stat
        var names: DirectoryNames
        /// The first of its names; nil for what is left to the walk.
        var files: [File?]
    }

    enum Finding: Sendable {
        case file(File)
        case directory(Directory)
    }

    /// A directory that the walk is in.
    private struct Level {
        var number: Int
        var descriptor: OwnedDescriptor
        var path: [UInt8]
        var names: DirectoryNames
        /// The first name that nobody looks at yet.
        var next: Int
    }

    private struct Place: Hashable {
        var level: Int
        var index: Int
    }

    /// Consecutive names of a directory, looked at by one thread at a time.
    private struct Run {
        var place: Place
        var files: [File?]

        func contains(_ place: Place) -> Bool { place.level == self.place.level && files.indices.contains(place.index - self.place.index) }
    }

    private enum Job {
        case files(Place, Level)
        case directory(Place, Level)
    }

    private enum Result {
        case run([File?])
        case directory(Directory)
        case nothing
    }

    /// Threads beside the walk's own, so that there is one for each processor. With one more a walk of 160,000 names takes a sixth longer.
    static var threads: Int { HostLimits.workerThreads - 1 }
    /// Names that one thread looks at at a time, in half a millisecond in memory: little beside that is spent on handing them over.
    private static let runLength = 256
    /// Entries that a walk passes before it has help: a thread takes about as long to start.
    private static let passedFirst = 256
    /// Entries that may be known ahead: 3 MB. Whoever finds so many lets the walk come nearer.
    private static let heldLimit = 16_384
    /// Bytes of attributes that count as another entry.
    private static let entryLength = 192
    /// Entries that a directory counts as besides, since its descriptor is open: 128 are at most.
    private static let directoryWeight = 128

    private let excluded: ExcludedNames
    private let attributes: TreeSelection.Attributes
    private let threads: Int
    private let monitor = Monitor()
    // State behind the monitor:
    private var levels: [Level] = []
    private var levelCount = 0
    private var found: [Place: Result] = [:]
    private var underWay: Set<Place> = []
    private var held = 0
    /// The run that the walk is in.
    private var current: Run?
    private var passed = 0
    private var isStarted = false
    private var isOver = false

    init(_ selection: TreeSelection, excluded: ExcludedNames, threads: Int) {
        self.excluded = excluded
        attributes = selection.attributes
        self.threads = threads
    }

    // MARK: The walk

    /// The walk is in a directory now.
    /// - Parameters:
    ///   - path: below the root.
    ///   - prepared: what was found of the directory before.
    func enter(_ descriptor: OwnedDescriptor, _ path: [UInt8], _ names: DirectoryNames, _ prepared: Directory?) {
        monitor.withLock {
            levelCount += 1
            let files = prepared?.files ?? []
            levels.append(Level(number: levelCount, descriptor: descriptor, path: path, names: names, next: files.count))
            if !files.isEmpty { current = Run(place: Place(level: levelCount, index: 0), files: files) }
            passed += 1
            monitor.notifyAll()
        }
        startThreads()
    }

    func leave() { monitor.withLock { _ = levels.popLast() } }

    /// Finding of a name of the directory that the walk is in; nil where the walk has to look itself. Waits for who looks at it just now.
    func finding(at index: Int) -> Finding? {
        monitor.withLock {
            passed += 1
            guard let level = levels.last else { return nil }
            let place = Place(level: level.number, index: index)
            if let current, current.contains(place) { return Self.finding(in: current, place) }
            while underWay.contains(place) { monitor.wait() }
            guard let result = found.removeValue(forKey: place) else {
                levels[levels.count - 1].next = max(level.next, index + 1)
                return nil
            }
            held -= Self.weight(result)
            monitor.notifyAll()
            switch result {
            case .nothing: return nil
            case .directory(let directory): return .directory(directory)
            case .run(let files):
                let run = Run(place: place, files: files)
                current = run
                return Self.finding(in: run, place)
            }
        }
    }

    private static func finding(in run: Run, _ place: Place) -> Finding? { run.files[place.index - run.place.index].map { .file($0) } }

    /// Number of findings that the walk has not come to.
    var foundCount: Int { monitor.withLock { found.count } }

    /// The walk is over. Threads that hang in a file system go with the process.
    func end() {
        monitor.withLock {
            isOver = true
            levels = []
            found = [:]
            monitor.notifyAll()
        }
    }

    // MARK: Threads

    private func startThreads() {
        let isDue = monitor.withLock {
            guard !isStarted, passed >= Self.passedFirst, threads > 0 else { return false }
            isStarted = true
            return true
        }
        // The walk goes on alone where there are none.
        if isDue { for number in 0..<threads { _ = try? HostThread(quiet: "rmcp-walk-\(number)") { [self] in work() } } }
    }

    private func work() {
        var reader = AttributeReader(attributes)
        while let job = nextJob() {
            switch job {
            case .files(let place, let level): note(.run(files(of: level.names, from: place.index, in: level.descriptor, level.path, &reader)), at: place)
            case .directory(let place, let level): note(directory(level.names[place.index], of: level, &reader).map { .directory($0) } ?? .nothing, at: place)
            }
        }
    }

    /// The next one, which is waited for; nil when the walk is over.
    private func nextJob() -> Job? {
        monitor.withLock {
            while !isOver {
                if held < Self.heldLimit, let job = nearest() { return job }
                monitor.wait()
            }
            return nil
        }
    }

    private func nearest() -> Job? {
        for depth in levels.indices.reversed() {
            let names = levels[depth].names
            while levels[depth].next < names.count {
                let place = Place(level: levels[depth].number, index: levels[depth].next)
                let run = Self.run(of: names, from: place.index)
                levels[depth].next = max(run.upperBound, place.index + 1)
                guard !run.isEmpty || names.isDirectory(place.index) else { continue }
                underWay.insert(place)
                return run.isEmpty ? .directory(place, levels[depth]) : .files(place, levels[depth])
            }
        }
        return nil
    }

    /// Names up to the next that is no file.
    private static func run(of names: DirectoryNames, from first: Int) -> Range<Int> {
        let limit = min(names.count, first + runLength)
        var end = first
        while end < limit, names.isFile(end) { end += 1 }
        return first..<end
    }

    private func note(_ result: Result, at place: Place) {
        monitor.withLock {
            underWay.remove(place)
            if !isOver {
                found[place] = result
                held += Self.weight(result)
            }
            monitor.notifyAll()
        }
    }

    private static func weight(_ result: Result) -> Int {
        switch result {
        case .run(let files): weight(files)
        case .directory(let directory): directoryWeight + directory.names.count + weight(directory.files)
        case .nothing: 1
        }
    }

    private static func weight(_ files: [File?]) -> Int {
        files.reduce(files.count) { $0 + ($1?.attributes.reduce(0) { $0 + $1.length } ?? 0) / entryLength }
    }

    // MARK: Looking

    private func directory(_ name: [UInt8], of level: Level, _ reader: inout AttributeReader) -> Directory? {
        let path = path(name, below: level.path)
        guard !excluded.contain(path, isDirectory: true), let descriptor = TreeScan.open(name, in: level.descriptor.raw, O_DIRECTORY),
            let status = FileSystem.host.status(of: descriptor.raw)
        else { return nil }
        // A mount may have to be left out.
        guard status.st_dev == FileSystem.host.status(of: level.descriptor.raw)?.st_dev, let names = DirectoryNames(of: descriptor.raw) else { return nil }
        return Directory(descriptor: descriptor, status: status, names: names, files: files(of: names, from: 0, in: descriptor, path, &reader))
    }

    private func files(
        of names: DirectoryNames, from first: Int, in directory: OwnedDescriptor, _ path: [UInt8], _ reader: inout AttributeReader
    ) -> [File?] {
        Self.run(of: names, from: first).map { index in
            let name = names[index]
            if !excluded.isEmpty, excluded.contain(self.path(name, below: path), isDirectory: false) { return nil }
            guard let descriptor = TreeScan.open(name, in: directory.raw, O_NONBLOCK), let status = FileSystem.host.status(of: descriptor.raw),
                status.kind == S_IFREG, status.st_nlink == 1, status.st_size < TreeScan.reservedLength,
                status.bytesTaken >= UInt64(clamping: status.st_size), let attributes = reader.attributes(of: descriptor.raw, on: status.st_dev)
            else { return nil }
            return File(status: status, attributes: attributes)
        }
    }

    private func path(_ name: [UInt8], below path: [UInt8]) -> [UInt8] { path.isEmpty ? name : path + [UInt8(ascii: "/")] + name }
}
