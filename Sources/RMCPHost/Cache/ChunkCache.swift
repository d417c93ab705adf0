import CLinux
import Glibc
import RMCPProtocol
import RMCPReport

/// A repair node's cache on disk: the encoded chunks of sessions that passed through, to repair from and to serve
/// latecomers with, also after the sender has gone and after a restart.
///
///     DIR/.rmcp-cache-lock      one process at a time
///     DIR/SESSION/announce      the signed ANNOUNCE
///     DIR/SESSION/table         the signed pages and END
///     DIR/SESSION/chunks        chunk i at i * chunk length; sparse
///     DIR/SESSION/journal       which chunks are there: a hint
///
/// Nothing that is found there is believed: torn and foreign files are removed or passed over, and what is whole is
/// verified before it is used. For cache threads alone: all of this waits for the disk, and for other threads that do.
final class ChunkCache: Sendable {
    private let ledger: CacheLedger
    /// Those of them that were evicted are let go when somebody looks. Locked for as long as a session is being opened:
    /// no two threads open the same one.
    private let kept = LockedValue<[SessionID: CachedBundle]>([:])

    /// Opens the cache and finds what is in it, evicting what is over the capacity.
    /// - Parameters:
    ///   - capacity: bytes on disk. Open sessions' announcements are kept in any case, a few blocks for each.
    ///   - kept: bytes of the file system that are left to others: sessions give way before they are touched.
    init(path: String, capacity: UInt64, kept: UInt64 = 0) throws(HostError) {
        ledger = CacheLedger(directory: try CacheDirectory(path: path), capacity: capacity, kept: kept)
        for name in ledger.directory.sessionNames() {
            // What is no directory is not ours, and is not in the way until a session of that name comes. What cannot be
            // read now may be readable next time.
            guard let session = ledger.directory.open(name) else { continue }
            do throws(HostError) {
                if try !load(name, from: session) { ledger.directory.remove(name) }
            } catch { continue }
        }
        ledger.trim()
    }

    /// False when there is no session in the directory.
    private func load(_ name: String, from session: OwnedDescriptor) throws(HostError) -> Bool {
        var status = stat()
        guard unsafe fstat(session.raw, &status) == 0 else { throw .system("read", name) }
        guard ledger.directory.isSound(name), let (announce, datagram) = try CachedBundle.load(session, name: name) else { return false }
        let lastUsed = Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
        let line = ledger.add(CacheLedger.Line(name: name, bytes: CacheFile.diskUse(of: session), lastUsed: max(0, lastUsed)))
        let bundle = CachedBundle(announce: announce, datagram: datagram, isNew: false, line: line, ledger: ledger)
        kept.withLock { keep(bundle, in: &$0) }
        return true
    }

    /// Bytes that are kept, of all sessions.
    var bytes: UInt64 { ledger.total }
    var figures: CacheFigures { ledger.figures }
    /// Sessions evicted since the cache was opened.
    var evictions: UInt64 { ledger.evictions }
    /// True where it was the file system that had no room for what was refused last, and not the capacity: somebody else fills it.
    var hasRunOutOfSpace: Bool { ledger.hasRunOutOfSpace }

    /// The sessions that are kept, most recently used first.
    func bundles() -> [CachedBundle] {
        let bundles = kept.withLock { kept in
            forgetEvicted(in: &kept)
            return Array(kept.values)
        }
        let lines = bundles.compactMap { bundle in ledger.line(bundle.line).map { (bundle, $0.lastUsed) } }
        return lines.sorted { $0.1 > $1.1 }.map { $0.0 }
    }

    /// The kept bundle of a session, or a new one. What was kept under the session's id and is of another key or cut
    /// differently is replaced. Each `open` needs its `close`: until then the bundle is not evicted.
    /// - Parameter datagram: the ANNOUNCE as it came, verified by the caller.
    func open(announce: Announce, datagram: [UInt8]) throws(HostError) -> CachedBundle {
        try kept.withLock { kept throws(HostError) in try open(announce, datagram, in: &kept) }
    }

    /// A bundle for a session that `open` failed for.
    func unkept(announce: Announce, datagram: [UInt8]) -> CachedBundle { CachedBundle(unkept: announce, datagram: datagram, ledger: ledger) }

    private func open(_ announce: Announce, _ datagram: [UInt8], in kept: inout [SessionID: CachedBundle]) throws(HostError) -> CachedBundle {
        if let bundle = kept[announce.session], let line = ledger.line(bundle.line) {
            guard bundle.isOf(announce) || line.uses == 0 else {
                throw HostError("session \(announce.session.text) is in use with another announcement", kind: .usage)
            }
            // What somebody has put a link or a directory into is damaged. Other errors are the caller's: a process that
            // has run out of descriptors must not lose what it has kept.
            let isUsable = bundle.isOf(announce) && (line.uses > 0 || ledger.directory.isSound(line.name))
            if isUsable, ledger.begin(bundle.line) {
                do throws(HostError) {
                    try bundle.begin(announce: announce, datagram: datagram)
                    return bundle
                } catch {
                    _ = ledger.end(bundle.line)
                    throw error
                }
            }
            ledger.remove(bundle.line)
        }
        return try make(announce, datagram, in: &kept)
    }

    private func make(_ announce: Announce, _ datagram: [UInt8], in kept: inout [SessionID: CachedBundle]) throws(HostError) -> CachedBundle {
        let line = ledger.add(
            CacheLedger.Line(name: announce.session.text, bytes: CacheLimits.sessionOverhead, lastUsed: 0, uses: 1))
        let bundle = CachedBundle(announce: announce, datagram: datagram, isNew: true, line: line, ledger: ledger)
        do throws(HostError) {
            try bundle.begin(announce: announce, datagram: datagram)
        } catch {
            ledger.remove(line)
            throw error
        }
        ledger.trim()
        keep(bundle, in: &kept)
        return bundle
    }

    /// Ends one use of a bundle. It stays until others need its room, unless its disk has failed.
    func close(_ bundle: CachedBundle) {
        // Nobody opens it meanwhile.
        kept.withLock { _ in
            // First, or it might be taken for the least recently used.
            bundle.touch()
            guard ledger.end(bundle.line) == 0 else { return }
            bundle.end()
            if bundle.isCondemned { ledger.remove(bundle.line) }
        }
    }

    /// Accounts for `bytes` more of a bundle in use, and evicts others if they do not fit; false when nothing more can
    /// be evicted. Any thread's; a bundle asks the ledger itself.
    func reserve(_ bytes: UInt64, for bundle: CachedBundle) -> Bool { ledger.reserve(bytes, for: bundle.line) }

    private func keep(_ bundle: CachedBundle, in kept: inout [SessionID: CachedBundle]) {
        kept[bundle.announce.session] = bundle
        // Also when somebody has put any number of sessions into the directory.
        if kept.count >= 2 * CacheLimits.sessions {
            ledger.trim()
            forgetEvicted(in: &kept)
        }
    }

    private func forgetEvicted(in kept: inout [SessionID: CachedBundle]) { kept = kept.filter { ledger.line($0.value.line) != nil } }
}
