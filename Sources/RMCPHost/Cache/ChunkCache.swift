import CLinuxNetwork
import Glibc
import RMCPProtocol

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
/// verified before it is used. Owned by the network thread; its bundles are shared with the workers.
final class ChunkCache {
    private let ledger: CacheLedger
    /// Those of them that were evicted are let go when somebody looks.
    private var kept: [SessionID: CachedBundle] = [:]

    /// Opens the cache and finds what is in it, evicting what is over the capacity.
    /// - Parameter capacity: bytes on disk. Open sessions' announcements are kept in any case, a few blocks for each.
    init(path: String, capacity: UInt64) throws(HostError) {
        ledger = CacheLedger(directory: try CacheDirectory(path: path), capacity: capacity)
        for name in ledger.directory.sessionNames() {
            // What is no directory is not ours, and is not in the way until a session of that name comes.
            guard let session = ledger.directory.open(name) else { continue }
            var status = stat()
            guard unsafe fstat(session.raw, &status) == 0, let (announce, datagram) = CachedBundle.load(session, name: name) else {
                ledger.directory.remove(name)
                continue
            }
            let lastUsed = Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
            let line = ledger.add(CacheLedger.Line(name: name, bytes: CacheFile.diskUse(of: session), lastUsed: max(0, lastUsed)))
            keep(CachedBundle(announce: announce, datagram: datagram, isNew: false, line: line, ledger: ledger))
        }
        ledger.trim()
    }

    /// Bytes that are kept, of all sessions.
    var bytes: UInt64 { ledger.total }
    /// Sessions evicted since the cache was opened.
    var evictions: UInt64 { ledger.evictions }
    /// True once the file system was full before the capacity was used up: somebody else fills it.
    var hasRunOutOfSpace: Bool { ledger.hasRunOutOfSpace }

    /// The sessions that are kept, most recently used first.
    func bundles() -> [CachedBundle] {
        forgetEvicted()
        let lines = kept.values.compactMap { bundle in ledger.line(bundle.line).map { (bundle, $0.lastUsed) } }
        return lines.sorted { $0.1 > $1.1 }.map { $0.0 }
    }

    /// The kept bundle of a session, or a new one. What was kept under the session's id and is of another key or cut
    /// differently is replaced. Each `open` needs its `close`: until then the bundle is not evicted.
    /// - Parameter datagram: the ANNOUNCE as it came, verified by the caller.
    func open(announce: Announce, datagram: [UInt8]) throws(HostError) -> CachedBundle {
        if let bundle = kept[announce.session], let line = ledger.line(bundle.line) {
            if bundle.isOf(announce) {
                if try reopen(bundle, announce: announce, datagram: datagram) { return bundle }
            } else if line.uses > 0 {
                throw HostError("session \(announce.session.text) is in use with another announcement")
            }
            ledger.remove(bundle.line)
        }
        return try make(announce, datagram)
    }

    /// False when what is kept cannot be used, or is gone.
    private func reopen(_ bundle: CachedBundle, announce: Announce, datagram: [UInt8]) throws(HostError) -> Bool {
        guard ledger.begin(bundle.line) else { return false }
        do throws(HostError) {
            try bundle.begin(announce: announce, datagram: datagram)
            return true
        } catch {
            let others = ledger.end(bundle.line)
            // A full disk is no reason to throw away what is on it, and neither may those lose it who use it.
            if error.kind == .diskFull || others > 0 { throw error }
            return false
        }
    }

    private func make(_ announce: Announce, _ datagram: [UInt8]) throws(HostError) -> CachedBundle {
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
        keep(bundle)
        return bundle
    }

    /// Ends one use of a bundle. It stays until others need its room.
    func close(_ bundle: CachedBundle) {
        // First, or it might be taken for the least recently used.
        bundle.touch()
        if ledger.end(bundle.line) == 0 { bundle.end() }
    }

    /// Accounts for `bytes` more of a bundle in use, and evicts others if they do not fit; false when nothing more can
    /// be evicted. Any thread's; `CachedBundle.write` does this for its chunks.
    func reserve(_ bytes: UInt64, for bundle: CachedBundle) -> Bool { ledger.reserve(bytes, for: bundle.line) }

    private func keep(_ bundle: CachedBundle) {
        kept[bundle.announce.session] = bundle
        // Also when somebody has put any number of sessions into the directory.
        if kept.count >= 2 * CacheLimits.sessions {
            ledger.trim()
            forgetEvicted()
        }
    }

    private func forgetEvicted() { kept = kept.filter { ledger.line($0.value.line) != nil } }
}
