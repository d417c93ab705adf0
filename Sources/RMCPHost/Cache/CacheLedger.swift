import Glibc
import RMCPReport
import Synchronization

/// Sessions of a cache: how much of the capacity each takes, when it was used, and so which must go when there is no
/// room.
///
/// Cache threads open and close sessions here while others reserve room for chunks. Whole sessions are evicted, least
/// recently used first, and never one in use. A victim is struck off and renamed under the lock; its files, which may
/// take a while, are removed outside of it.
final class CacheLedger: Sendable {
    /// Knowledge of a session, whether it is open or not. A line that is struck off never comes back: a session that
    /// is kept again gets a new one.
    struct Line: Sendable {
        var name: String
        var bytes: UInt64
        /// Nanoseconds since 1970.
        var lastUsed: Int64
        /// How many times it is open.
        var uses = 0
    }

    /// Figures for who must not wait for the lock: renaming under it may take as long as a disk takes.
    private final class Shown: Sendable {
        let bytes = Atomic<UInt64>(0)
        let evictedBytes = Atomic<UInt64>(0)
        let sessions = Atomic<Int>(0)
    }

    private struct State: ~Copyable {
        let shown: Shown
        var lines: [Int: Line] = [:] {
            didSet { shown.sessions.store(lines.count, ordering: .relaxed) }
        }
        var total: UInt64 = 0 {
            didSet { shown.bytes.store(total, ordering: .relaxed) }
        }
        var nextLine = 0
        var latestUse: Int64 = 0
        var evictions: UInt64 = 0

        init(shown: Shown) { self.shown = shown }

        /// Strikes off sessions that are not in use, least recently used first, until at least `bytes` and `count`
        /// sessions are gone or there is none left; their names.
        mutating func strike(bytes: UInt64, count: Int = 0, sparing: Int? = nil) -> [String] {
            var names: [String] = []
            var freed: UInt64 = 0
            let idle = lines.filter { $0.value.uses == 0 && $0.key != sparing }.sorted { $0.value.lastUsed < $1.value.lastUsed }
            for (number, line) in idle {
                if freed >= bytes, names.count >= count { break }
                lines[number] = nil
                names.append(line.name)
                freed += line.bytes
                evictions += 1
            }
            total -= min(total, freed)
            shown.evictedBytes.wrappingAdd(freed, ordering: .relaxed)
            return names
        }

        /// Bytes that could be freed for `number`.
        func idleBytes(sparing number: Int) -> UInt64 {
            lines.reduce(0) { $1.value.uses == 0 && $1.key != number ? $0 + $1.value.bytes : $0 }
        }

        mutating func change(_ number: Int, by body: (inout Line) -> Void) {
            guard var line = lines[number] else { return }
            total -= min(total, line.bytes)
            body(&line)
            total += line.bytes
            lines[number] = line
        }

        /// The time of a use: later than any before, so that clocks that are set back do not change the order.
        mutating func stamp() -> Int64 {
            latestUse = max(CacheLedger.now(), latestUse &+ 1)
            return latestUse
        }
    }

    /// Number of a line that there is not, of a session that the cache keeps nothing of.
    static let noLine = -1

    let directory: CacheDirectory
    private let capacity: UInt64
    /// Bytes of the file system that are left to others.
    private let kept: UInt64
    private let shown = Shown()
    private let state: LockedValue<State>
    /// Held while room is made on the file system: what one thread removes is no longer missing when the next one looks.
    private let eviction = LockedValue<Void>(())
    /// Number of times that room was made so.
    private let clearances = Atomic<UInt64>(0)
    private let outOfSpace = Atomic<Bool>(false)

    init(directory: CacheDirectory, capacity: UInt64, kept: UInt64 = 0) {
        self.kept = kept
        state = LockedValue(State(shown: shown))
        self.directory = directory
        self.capacity = capacity
    }

    // MARK: What there is

    var total: UInt64 { state.withLock { $0.total } }
    var evictions: UInt64 { state.withLock { $0.evictions } }
    /// Waits for nothing: the network thread asks.
    var figures: CacheFigures {
        CacheFigures(
            bytes: shown.bytes.load(ordering: .relaxed), limit: capacity, evictedBytes: shown.evictedBytes.load(ordering: .relaxed),
            sessions: shown.sessions.load(ordering: .relaxed))
    }
    /// True where it was the file system that had no room for what was refused last, and not the capacity.
    var hasRunOutOfSpace: Bool { outOfSpace.load(ordering: .relaxed) }

    /// Nil once it was struck off.
    func line(_ number: Int) -> Line? { state.withLock { $0.lines[number] } }

    // MARK: Sessions that come and go

    /// Writes down a session that is in the directory; its line's number.
    func add(_ line: Line) -> Int {
        state.withLock { state in
            let number = state.nextLine
            state.nextLine += 1
            state.lines[number] = line
            state.total += line.bytes
            state.latestUse = max(state.latestUse, line.lastUsed)
            return number
        }
    }

    /// False when the session was evicted meanwhile.
    func begin(_ number: Int) -> Bool {
        state.withLock { state in
            guard state.lines[number] != nil else { return false }
            state.change(number) { $0.uses += 1 }
            return true
        }
    }

    /// How many uses are left.
    func end(_ number: Int) -> Int {
        let left = state.withLock { state in
            state.change(number) { $0.uses = max(0, $0.uses - 1) }
            return state.lines[number]?.uses ?? 0
        }
        trim()
        return left
    }

    /// Notes a use, unless the last one was noted within `interval` nanoseconds; its time, to be written down.
    func touch(_ number: Int, unlessWithin interval: Int64 = 0) -> Int64? {
        state.withLock { state in
            guard let line = state.lines[number] else { return nil }
            guard interval == 0 || Self.now() &- line.lastUsed >= interval else { return nil }
            let stamp = state.stamp()
            state.change(number) { $0.lastUsed = stamp }
            return stamp
        }
    }

    /// Strikes a session off, whether it is in use or not, and removes it.
    func remove(_ number: Int) {
        let name = state.withLock { state -> String? in
            state.change(number) { $0.bytes = 0 }
            return state.lines.removeValue(forKey: number).map { directory.setAside($0.name) }
        }
        if let name { directory.remove(name) }
    }

    // MARK: Room

    /// Evicts what is over the capacity or over the number of sessions.
    func trim() {
        let names = state.withLock { state -> [String] in
            let count = state.lines.count - CacheLimits.sessions
            let excess = state.total > capacity ? state.total - capacity : 0
            guard count > 0 || excess > 0 else { return [] }
            return state.strike(bytes: excess, count: max(0, count)).map { directory.setAside($0) }
        }
        for name in names { directory.remove(name) }
    }

    /// Accounts for `bytes` more of a session, and evicts others if they do not fit. False when evicting all that may
    /// go would not make room: then none is evicted.
    func reserve(_ bytes: UInt64, for number: Int) -> Bool {
        guard shortage(of: bytes) > 0 else { return reserve(bytes, for: number, lacking: 0) }
        return eviction.withLock { _ in reserve(bytes, for: number, lacking: shortage(of: bytes)) }
    }

    /// Bytes by which the file system has too little for `bytes` more.
    private func shortage(of bytes: UInt64) -> UInt64 {
        guard kept > 0, let free = directory.freeBytes else { return 0 }
        return bytes.addingClamped(kept).subtractingClamped(free)
    }

    private func reserve(_ bytes: UInt64, for number: Int, lacking shortage: UInt64) -> Bool {
        let names = state.withLock { state -> [String]? in
            guard state.lines[number] != nil else { return nil }
            let (wanted, isTooMuch) = state.total.addingReportingOverflow(bytes)
            guard !isTooMuch else { return nil }
            let excess = max(wanted > capacity ? wanted - capacity : 0, shortage)
            guard excess == 0 || state.idleBytes(sparing: number) >= excess else {
                outOfSpace.store(shortage > 0, ordering: .relaxed)
                return nil
            }
            let names = excess == 0 ? [] : state.strike(bytes: excess, sparing: number).map { directory.setAside($0) }
            state.change(number) { $0.bytes += bytes }
            return names
        }
        guard let names else { return false }
        for name in names { directory.remove(name) }
        return true
    }

    func release(_ bytes: UInt64, of number: Int) {
        state.withLock { state in state.change(number) { $0.bytes -= min($0.bytes, bytes) } }
    }

    /// Corrects the account by what was found on disk.
    func set(_ bytes: UInt64, for number: Int) {
        state.withLock { state in state.change(number) { $0.bytes = bytes } }
    }

    /// Does what takes `bytes` of the file system. When that is full, whoever fills it, others are evicted and it is
    /// tried once more; false when that does not help either.
    func withRoom(_ bytes: UInt64, for number: Int, _ body: () throws(HostError) -> Void) throws(HostError) -> Bool {
        let before = clearances.load(ordering: .acquiring)
        if try hasRoom(body) { return true }
        return try eviction.withLock { _ throws(HostError) in
            // Another thread has made room meanwhile.
            if clearances.load(ordering: .acquiring) != before, try hasRoom(body) { return true }
            outOfSpace.store(true, ordering: .relaxed)
            let names = state.withLock { state in state.strike(bytes: bytes, count: 1, sparing: number).map { directory.setAside($0) } }
            guard !names.isEmpty else { return false }
            for name in names { directory.remove(name) }
            clearances.wrappingAdd(1, ordering: .releasing)
            return try hasRoom(body)
        }
    }

    /// - Returns: false where `body` finds the file system full.
    private func hasRoom(_ body: () throws(HostError) -> Void) throws(HostError) -> Bool {
        do throws(HostError) {
            try body()
            return true
        } catch {
            guard error.kind == .diskFull else { throw error }
            return false
        }
    }

    private static func now() -> Int64 {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }
}
