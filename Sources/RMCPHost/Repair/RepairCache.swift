import RMCPProtocol
import RMCPReport

/// A session that has been accepted and whose part of the cache is being opened. Nothing is served of it before.
struct RepairArrival {
    var announce: Announce
    var signature: Signature
    /// The ANNOUNCE, for the cache.
    var datagram: [UInt8]
    /// Offer by which it was accepted; nil for a session that the cache has from before.
    var offer: SessionOffer?
    var since: Instant
    let ticket: CacheTicket
    /// False while a predecessor of the same tag has jobs under way.
    var isBegun = false
}

/// The network thread's end of the cache: it gives the cache threads their jobs, and knows whose results are still to
/// come.
///
/// A session that ends lets go of its part of the cache only when the last of its jobs is done; one that returns meanwhile waits for
/// that, and then takes over what its predecessor has open. So each part is worked on for one session at a time, and
/// nothing of it is lost.
final class RepairCache {
    private struct Departure {
        var tag: UInt32
        var bundle: CachedBundle
        let ticket: CacheTicket
    }

    private let workers: WorkerPool<CacheJob, CacheOutput>
    private var cache: ChunkCache?
    let memory = ChunkMemory(fewest: 2 * HostLimits.fewestSlots)
    private var lastGeneration: UInt64 = 0
    /// Jobs whose results have not come, by their owner's generation.
    private var outstanding: [UInt64: Int] = [:]
    /// Sessions that wait for their part to be open, by generation. Bounded by `HostLimits.repairArrivals`.
    private var arrivals: [UInt64: RepairArrival] = [:]
    /// Sessions that are over and have jobs under way, by generation. Each had its part open, so there are no more than
    /// sessions at one time, and those that came in their place.
    private var departures: [UInt64: Departure] = [:]

    init(threads: Int = HostLimits.workerThreads, wakeUp: WakeUp) throws(HostError) {
        workers = try WorkerPool(name: "rmcp-cache", threads: threads, wakeUp: wakeUp) {
            let worker = CacheWorker()
            return { worker.run($0) }
        }
    }

    // MARK: Jobs

    func issueTicket() -> CacheTicket {
        lastGeneration += 1
        return CacheTicket(generation: lastGeneration)
    }

    func submit(_ work: CacheJob.Work, for ticket: CacheTicket) {
        outstanding[ticket.generation, default: 0] += 1
        workers.submit(CacheJob(ticket: ticket, work: work))
    }

    /// Whether a cache thread has anything to do.
    var isBusy: Bool { workers.outstanding > 0 }

    /// The next result that anybody waits for.
    func collect() -> CacheOutput? {
        while let output = workers.collect() {
            let left = (outstanding[output.generation] ?? 1) - 1
            outstanding[output.generation] = left > 0 ? left : nil
            guard let departure = departures[output.generation] else { return output }
            if let buffer = output.buffer { giveBack(buffer) }
            if case .closed = output.result {
                departures[output.generation] = nil
                beginWaiting()
                return output
            }
            if left == 0 { leave(departure) }
        }
        return nil
    }

    /// Opens the cache; `started` or `notOpened` follows.
    func start(path: String, capacity: UInt64, kept: UInt64 = 0) { submit(.start(path: path, capacity: capacity, kept: kept), for: issueTicket()) }

    func use(_ cache: ChunkCache) { self.cache = cache }
    var figures: CacheFigures { cache?.figures ?? CacheFigures() }
    /// What to do so that more is kept, for the user.
    var adviceOnRoom: String {
        cache?.hasRunOutOfSpace ?? false ? "make room on its file system, of which --reserve is left to others" : "give it more with --cache-size"
    }

    // MARK: Sessions that come and go

    var arrivalCount: Int { arrivals.count }
    /// Whether a session that is over still has its part of the cache open.
    var hasDepartures: Bool { !departures.isEmpty }

    /// Has a session's part opened; `opened` or `notOpened` follows. False when too many are waiting for that.
    func open(_ arrival: RepairArrival) -> Bool {
        guard arrivals.count < HostLimits.repairArrivals else { return false }
        arrivals[arrival.ticket.generation] = arrival
        beginWaiting()
        return true
    }

    /// The session of a result of `open`.
    func takeArrival(_ generation: UInt64) -> RepairArrival? {
        defer { beginWaiting() }
        return arrivals.removeValue(forKey: generation)
    }

    func arrival(of session: SessionID) -> RepairArrival? { arrivals.values.first { $0.announce.session == session && !$0.ticket.isOver } }

    /// A datagram has come of a session that waits for its part to be open.
    /// - Parameter countsUnicast: as `SessionOffer.note`.
    func note(_ datagram: RawSpan, from source: SocketAddress, ofTag tag: UInt32, countsUnicast: Bool) {
        for (generation, arrival) in arrivals where arrival.announce.session.tag == tag && !arrival.ticket.isOver {
            arrivals[generation]?.offer?.note(datagram, from: source, countsUnicast: countsUnicast)
        }
    }

    /// The session is not wanted any more.
    func cancel(_ arrival: RepairArrival) {
        arrival.ticket.end()
        if arrivals[arrival.ticket.generation]?.isBegun == false { arrivals[arrival.ticket.generation] = nil }
    }

    func cancelArrivals() { for arrival in Array(arrivals.values) { cancel(arrival) } }

    /// The session is over. What it has open is closed, or taken over, as soon as its last job is done.
    /// - Parameter unkept: pages that are yet to be written down.
    func leave(_ bundle: CachedBundle, of tag: UInt32, _ ticket: CacheTicket, unkept: [[UInt8]] = []) {
        ticket.end()
        if !unkept.isEmpty { submit(.keep(bundle, unkept), for: ticket) }
        let departure = Departure(tag: tag, bundle: bundle, ticket: ticket)
        departures[ticket.generation] = departure
        if outstanding[ticket.generation] == nil { leave(departure) }
    }

    private func leave(_ departure: Departure) {
        guard let cache else { return }
        let successors = arrivals.values.filter { !$0.isBegun && $0.announce.session.tag == departure.tag }
        if let successor = successors.min(by: { $0.ticket.generation < $1.ticket.generation }) {
            departures[departure.ticket.generation] = nil
            begin(successor, replacing: departure.bundle)
        } else {
            submit(.close(cache, departure.bundle), for: departure.ticket)
        }
    }

    private func beginWaiting() {
        let waiting = arrivals.values.filter { !$0.isBegun }.sorted { $0.ticket.generation < $1.ticket.generation }
        for arrival in waiting where !isInUse(arrival.announce.session.tag) { begin(arrival, replacing: nil) }
    }

    private func isInUse(_ tag: UInt32) -> Bool {
        departures.values.contains { $0.tag == tag } || arrivals.values.contains { $0.isBegun && $0.announce.session.tag == tag }
    }

    private func begin(_ arrival: RepairArrival, replacing predecessor: CachedBundle?) {
        guard let cache else { return }
        arrivals[arrival.ticket.generation]?.isBegun = true
        submit(.open(cache, arrival.announce, datagram: arrival.datagram, replacing: predecessor), for: arrival.ticket)
    }

    // MARK: Memory

    func pool(for chunkLength: UInt32) -> BufferPool { memory.pool(for: Int(chunkLength)) }

    func giveBack(_ buffer: ChunkBuffer) { memory.giveBack(buffer) }

    /// Ends the cache threads, unless one of them is still with a disk that does not answer: that one ends with the process.
    func shutDown() { if !isBusy { workers.shutDown() } }
}
