import Foundation
import RMCPContent
import TestSupport
import Testing

@testable import RMCPHost
@testable import RMCPProtocol

/// What cache threads and the network thread say to each other while sessions come and go.
@Suite(.serialized) struct RepairCacheTests {
    private let now = Poller.now()

    /// A cache's network end, with one cache thread.
    private final class Bench {
        let place = CachePlace()
        let wakeUp: WakeUp
        let cache: RepairCache

        init() throws {
            wakeUp = try WakeUp()
            cache = try RepairCache(threads: 1, wakeUp: wakeUp)
            cache.start(path: place.path, capacity: 1 << 30)
            guard case .started(let opened, let kept) = try next().result else { throw HostError("it does not start") }
            #expect(kept.isEmpty)
            cache.use(opened)
        }

        /// The next result that anybody waits for.
        func next() throws -> CacheOutput {
            let poller = Poller()
            _ = poller.watch(wakeUp.descriptor.raw)
            let deadline = Poller.now() + .seconds(20)
            while Poller.now() < deadline {
                if let output = cache.collect() { return output }
                poller.wait(until: deadline)
                wakeUp.clear()
            }
            throw HostError("no result")
        }

        func arrival(_ sample: CacheSample) -> RepairArrival {
            RepairArrival(announce: sample.announce, signature: .none, datagram: sample.datagram, since: .zero, ticket: cache.issueTicket())
        }

        func open(_ arrival: RepairArrival) throws -> (bundle: CachedBundle, table: [[UInt8]]) {
            #expect(cache.open(arrival))
            return try opened(arrival)
        }

        func opened(_ arrival: RepairArrival) throws -> (bundle: CachedBundle, table: [[UInt8]]) {
            let output = try next()
            guard case .opened(let bundle, let table, _) = output.result else { throw HostError("\(output)") }
            #expect(output.generation == arrival.ticket.generation && cache.takeArrival(output.generation) != nil)
            return (bundle, table)
        }

        func buffer(_ sample: CacheSample, _ chunk: UInt32) throws -> ChunkBuffer {
            guard let buffer = cache.pool(for: sample.announce.chunkLength).take() else { throw HostError("no buffer") }
            unsafe buffer.bytes.copyBytes(from: sample.encoded(chunk))
            return buffer
        }

        func store(_ sample: CacheSample, _ chunk: UInt32, in bundle: CachedBundle, _ ticket: CacheTicket) throws {
            cache.submit(.store(bundle, slot: 0, chunk: chunk, record: sample.record(chunk), try buffer(sample, chunk)), for: ticket)
        }
    }

    @Test("A session that returns while its predecessor's jobs are under way waits for them, and has what they kept")
    func returning() throws {
        let bench = try Bench()
        let sample = CacheSample()
        let first = bench.arrival(sample)
        let (bundle, table) = try bench.open(first)
        #expect(table.isEmpty && bundle.isNew)
        try bench.store(sample, 3, in: bundle, first.ticket)
        guard case .stored(0, 3, _, isKept: true) = try bench.next().result else { throw HostError("not stored") }
        bench.cache.submit(.keep(bundle, [sample.page(0), sample.end]), for: first.ticket)
        // Its result has not been collected yet, whatever the thread has done.
        bench.cache.leave(bundle, of: sample.announce.session.tag, first.ticket)
        let second = bench.arrival(sample)
        let (again, kept) = try bench.open(second)
        #expect(again === bundle && kept == [sample.page(0), sample.end] && sample.isVerified(3, in: again))
        #expect(second.ticket.generation > first.ticket.generation && !second.ticket.isOver && first.ticket.isOver)
        // It was never closed in between, and is open once.
        bench.cache.leave(again, of: sample.announce.session.tag, second.ticket)
        guard case .closed = try bench.next().result else { throw HostError("not closed") }
        #expect(!sample.mayBe(3, in: again) && !bench.cache.hasDepartures && !bench.cache.isBusy)
        bench.cache.shutDown()
    }

    @Test("A session that returns while its predecessor's part is being closed gets it anew, with everything in it")
    func returningAtTheEnd() throws {
        let bench = try Bench()
        let sample = CacheSample()
        let first = bench.arrival(sample)
        let (bundle, _) = try bench.open(first)
        try bench.store(sample, 5, in: bundle, first.ticket)
        _ = try bench.next()
        bench.cache.leave(bundle, of: sample.announce.session.tag, first.ticket)
        let second = bench.arrival(sample)
        #expect(bench.cache.open(second))
        guard case .closed = try bench.next().result else { throw HostError("not closed") }
        let (again, _) = try bench.opened(second)
        #expect(sample.isVerified(5, in: again))
    }

    @Test("A session that the disk does not let begin is served all the same, and nothing of it is kept")
    func unkept() throws {
        let bench = try Bench()
        try FileManager.default.removeItem(atPath: bench.place.path)
        let sample = CacheSample()
        let arrival = bench.arrival(sample)
        #expect(bench.cache.open(arrival))
        let output = try bench.next()
        guard case .opened(let bundle, let table, let fault?) = output.result else { throw HostError("\(output)") }
        #expect(bundle.keepsNothing && table.isEmpty && !fault.description.isEmpty && bench.cache.takeArrival(output.generation) != nil)
        try bench.store(sample, 3, in: bundle, arrival.ticket)
        guard case .stored(0, 3, _, isKept: false) = try bench.next().result else { throw HostError("not passed on") }
        #expect(!sample.mayBe(3, in: bundle))
        bench.cache.leave(bundle, of: sample.announce.session.tag, arrival.ticket)
        guard case .closed = try bench.next().result else { throw HostError("not closed") }
        #expect(!bench.cache.hasDepartures && !bench.cache.isBusy)
        bench.cache.shutDown()
    }

    @Test("Another bundle under a session's id takes the place of the one before it once that is over")
    func another() throws {
        let bench = try Bench()
        let sample = CacheSample()
        let first = bench.arrival(sample)
        let (bundle, _) = try bench.open(first)
        bench.cache.submit(.keep(bundle, [sample.end]), for: first.ticket)
        bench.cache.leave(bundle, of: sample.announce.session.tag, first.ticket)
        var other = sample
        other.announce.name = "another"
        let (again, table) = try bench.open(bench.arrival(other))
        #expect(again !== bundle && again.isNew && table.isEmpty)
    }

    @Test("Jobs of a session that is over are not done, and its buffers come back")
    func cancelled() throws {
        let bench = try Bench()
        let sample = CacheSample()
        let first = bench.arrival(sample)
        let (bundle, _) = try bench.open(first)
        let pool = bench.cache.pool(for: sample.announce.chunkLength)
        let before = free(pool)
        first.ticket.end()
        try bench.store(sample, 1, in: bundle, first.ticket)
        bench.cache.submit(.fetch(bundle, chunk: 1, record: sample.record(1), try bench.buffer(sample, 1)), for: first.ticket)
        bench.cache.submit(.check(bundle, chunk: 1, record: sample.record(1), purpose: .consult), for: first.ticket)
        bench.cache.leave(bundle, of: sample.announce.session.tag, first.ticket)
        guard case .closed = try bench.next().result else { throw HostError("not closed") }
        #expect(free(pool) == before)
        let (again, _) = try bench.open(bench.arrival(sample))
        #expect(!sample.mayBe(1, in: again))
        // One that is over before it began is not opened, and lets the next one in.
        bench.cache.leave(again, of: sample.announce.session.tag, bench.cache.issueTicket())
        let waiting = bench.arrival(sample)
        #expect(bench.cache.open(waiting) && bench.cache.arrivalCount == 1)
        bench.cache.cancel(waiting)
        #expect(bench.cache.arrivalCount == 0)
        guard case .closed = try bench.next().result else { throw HostError("not closed") }
    }

    /// How many buffers the pool can give.
    private func free(_ pool: BufferPool) -> Int {
        var taken: [ChunkBuffer] = []
        while let buffer = pool.take() { taken.append(buffer) }
        for buffer in taken { pool.giveBack(buffer) }
        return taken.count
    }

    @Test("However many sessions come while a disk does not answer, few wait for it")
    func bounded() throws {
        let bench = try Bench()
        let accepted = (1...100 as ClosedRange<UInt64>).count { bench.cache.open(bench.arrival(CacheSample($0))) }
        #expect(accepted == HostLimits.repairArrivals && bench.cache.arrivalCount == accepted)
    }

    // MARK: Late results

    private func daemon(_ place: CachePlace) throws -> RepairLoop {
        let daemon = try RepairLoop(
            RepairNodeRequest(
                group: LoopbackGroup.next(), interfaceName: "lo", region: nil, regionInterfaceName: nil, regionTimeToLive: 0,
                upstream: nil, cachePath: place.path, cacheSize: 1 << 30, trust: TrustPolicy(trustedKeys: [], allowsUnsigned: true),
                configuration: Configuration()))
        daemon.cache.use(try ChunkCache(path: place.path, capacity: 1 << 30))
        return daemon
    }

    private func session(_ sample: CacheSample, in daemon: RepairLoop) throws -> RepairSession {
        daemon.admit(sample.announce, .none, nil, at: now)
        let deadline = Poller.now() + .seconds(20)
        daemon.loop.run { time, _ in
            daemon.collect(at: now)
            return daemon.sessions[sample.announce.session.tag] != nil || time >= deadline ? .over : .wait(until: deadline)
        }
        guard let session = daemon.sessions[sample.announce.session.tag] else { throw HostError("it does not begin") }
        return session
    }

    private func sample() -> CacheSample {
        var sample = CacheSample()
        sample.announce.contentLength = 3 * UInt64(sample.announce.chunkLength)
        return sample
    }

    private enum Late: CaseIterable {
        case stored, notKept, rejected, kept, absent, restored, fetched, damaged, failed, dropped, written

        func result(_ buffer: ChunkBuffer) -> CacheOutput.Result {
            switch self {
            case .stored: .stored(slot: 0, chunk: 1, buffer, isKept: true)
            case .notKept: .stored(slot: 0, chunk: 1, buffer, isKept: false)
            case .rejected: .rejected(slot: 0, chunk: 1, buffer)
            case .kept: .checked(chunk: 1, isKept: true, purpose: .consult)
            case .absent: .checked(chunk: 1, isKept: false, purpose: .consult)
            case .restored: .checked(chunk: 1, isKept: true, purpose: .restore)
            case .fetched: .fetched(chunk: 1, buffer)
            case .damaged: .damaged(chunk: 1, buffer)
            case .failed: .failed(slot: 0, chunk: 1, buffer, HostError("a disk that fails"))
            case .dropped: .dropped(buffer)
            case .written: .kept
            }
        }
    }

    @Test("A late result of a session that ended says nothing of the one that came back with its id, and gives its buffer back", arguments: Late.allCases)
    private func late(_ kind: Late) throws {
        let place = CachePlace()
        let daemon = try daemon(place)
        let sample = sample()
        let first = try session(sample, in: daemon)
        let generation = first.ticket.generation
        daemon.close(first)
        let second = try session(sample, in: daemon)
        #expect(second !== first && second.ticket.generation > generation)
        // Everything is known of it, and nothing is held.
        for page in [sample.page(0), end(sample)] {
            let isTaken = second.engine.restore(page, at: now)
            #expect(isTaken)
        }
        #expect(second.engine.downstream.heldCount == 0 && second.engine.downstream.chunkTotal == 3)
        second.check(1, .restore)
        let pool = daemon.cache.pool(for: sample.announce.chunkLength)
        let before = free(pool)
        let buffer = try #require(pool.take())
        var told: [String] = []
        daemon.observer = { told.append("\($0)") }
        daemon.take(CacheOutput(generation: generation, result: kind.result(buffer)), at: now)
        #expect(second.engine.downstream.heldCount == 0 && second.restoring == 1 && second.buffer(of: 1) == nil && told.isEmpty)
        let isCarried = CacheOutput(generation: 0, result: kind.result(buffer)).buffer != nil
        #expect(free(pool) == (isCarried ? before : before - 1), "the buffer is the pool's again")
        // The same of the session itself is believed.
        guard kind == .stored else { return }
        daemon.take(CacheOutput(generation: second.ticket.generation, result: .stored(slot: 0, chunk: 1, buffer, isKept: true)), at: now)
        #expect(second.engine.downstream.heldCount == 1 && second.buffer(of: 1) === buffer)
    }

    // MARK: Memory

    @Test("A session has most of the memory once a chunk of it was verified, and no more than a little of its table before")
    func shares() throws {
        let place = CachePlace()
        let daemon = try daemon(place)
        let sample = sample()
        let session = try session(sample, in: daemon)
        let memory = daemon.cache.memory
        func fill() -> [ChunkBuffer] {
            var taken: [ChunkBuffer] = []
            while let buffer = session.account.pool.take(for: session.account) { taken.append(buffer) }
            for buffer in taken { session.account.pool.giveBack(buffer) }
            return taken
        }
        func restore(_ index: UInt32, _ records: [ChunkRecord]) -> Bool {
            let page = TablePage(index: index, firstChunk: index * 64, records: records)
            let datagram = Packet.page(page, body: page.body, .none).datagram(sessionTag: sample.announce.session.tag, transmitter: 5)
            return session.engine.restore(datagram, at: now)
        }
        #expect(session.share == .candidate && fill().count == memory.candidateLimit / 8_192)
        // Each page has two records that are not zero, and pages are not in one block.
        let taken = (0..<200 as Range<UInt32>).count { index in
            let zeros = [ChunkRecord](repeating: .zero(contentLength: 8_192), count: 62)
            return restore(index, [sample.record(1), sample.record(2)] + zeros)
        }
        #expect(taken > 20 && taken < 40 && session.engine.tableRecords() < 2 * TableMemory.candidateLimit, "\(taken) pages")
        daemon.take(CacheOutput(generation: session.ticket.generation, result: .checked(chunk: 1, isKept: true, purpose: .consult)), at: now)
        #expect(session.share == .idle && fill().count > memory.limit / 8_192 / 4 * 3)
        daemon.shareTables(at: now)
        let isTaken = restore(UInt32(taken), [sample.record(1)])
        #expect(isTaken)
        daemon.close(session)
        #expect(memory.lentBytes == 0 && memory.poolCount == 1)
    }

    /// Thirty chunks of 1 MiB, whose content nobody looks at.
    private func largeSample(_ number: UInt64) -> CacheSample {
        var sample = CacheSample(number, chunkLength: 1 << 20)
        sample.announce.contentLength = 30 << 20
        return sample
    }

    private func restoreTable(of sample: CacheSample, in session: RepairSession) {
        let record = ChunkRecord(kind: .stored, contentLength: 1 << 20, encodedLength: 1 << 20, encodedDigest: .zero, contentDigest: .zero)
        let page = TablePage(index: 0, firstChunk: 0, records: Array(repeating: record, count: 30))
        let isTaken = session.engine.restore(
            Packet.page(page, body: page.body, .none).datagram(sessionTag: sample.announce.session.tag, transmitter: 5), at: now)
        let total = EndOfTable(chunkCount: 30, pageCount: 1, contentLength: 30 << 20, encodedLength: 30 << 20, tableDigest: .zero)
        let isEndTaken = session.engine.restore(Packet.end(total, .none).datagram(sessionTag: sample.announce.session.tag, transmitter: 5), at: now)
        #expect(isTaken && isEndTaken)
    }

    /// A chunk comes, is verified and kept.
    private func store(_ chunk: UInt32, of session: RepairSession, in daemon: RepairLoop) throws {
        let buffer = try #require(session.account.pool.take(for: session.account), "chunk \(chunk) has no place")
        daemon.take(CacheOutput(generation: session.ticket.generation, result: .stored(slot: 0, chunk: chunk, buffer, isKept: true)), at: now)
        daemon.drive(session, at: now)
    }

    private func hearSender(of session: RepairSession) {
        let heartbeat = Heartbeat(
            phase: .streaming, timestamp: 1, groupRoundTrip: 1_000, statusInterval: 10_000, population: 1, position: .start, pageCount: 0, hasEnd: false,
            rate: 1_000_000_000, liveLossLimit: .max, livePressureLimit: .max)
        let bytes = Packet.heartbeat(heartbeat).datagram(sessionTag: session.announce.session.tag, transmitter: 5)
        let arrival = Arrival(source: .ipv4(127, 0, 0, 1, port: 4_000), toGroup: true, timeToLive: 1, at: now)
        _ = session.engine.handle(upstream: bytes.span.bytes, arrival: arrival, at: now)
        let hasUpstream = session.engine.hasUpstream
        #expect(hasUpstream)
    }

    @Test("Sessions that nobody asks for anything have no chunk in memory, however many come one after the other")
    func idleSessions() throws {
        let place = CachePlace()
        let daemon = try daemon(place)
        for number in 1...8 as ClosedRange<UInt64> {
            let sample = largeSample(number)
            let session = try session(sample, in: daemon)
            restoreTable(of: sample, in: session)
            for chunk in 0..<30 as Range<UInt32> { try store(chunk, of: session, in: daemon) }
            session.engine.endRestoring(at: now)
            daemon.drive(session, at: now + .seconds(1))
            let (held, lent) = (session.engine.downstream.heldCount, daemon.cache.memory.lentBytes)
            #expect(held == 30 && lent == 0 && session.share == .idle, "\(held), \(lent), \(session.share)")
        }
    }

    @Test("Most of the memory is for a session that somebody is above, and goes on to the next one when it is over")
    func mostGoesOn() throws {
        let place = CachePlace()
        let daemon = try daemon(place)
        let sessions = try (1...3 as ClosedRange<UInt64>).map { number in
            let session = try session(largeSample(number), in: daemon)
            restoreTable(of: largeSample(number), in: session)
            return session
        }
        try store(0, of: sessions[0], in: daemon)
        for session in sessions[1...] {
            hearSender(of: session)
            try store(0, of: session, in: daemon)
        }
        let shares = sessions.map(\.share)
        #expect(shares == [.idle, .most, .beside], "\(shares)")
        daemon.close(sessions[1])
        daemon.shareChunks()
        let share = sessions[2].share
        #expect(share == .most, "\(share)")
    }

    @Test("A full cache has one session give way at a time")
    func oneGivesWay() throws {
        let place = CachePlace()
        let daemon = try daemon(place)
        _ = daemon.endpoint.takeUp((1...4).map { (largeSample($0).announce, .none) }, notAfter: .max)
        let sessions = try (1...4 as ClosedRange<UInt64>).map { number in
            let session = try session(largeSample(number), in: daemon)
            restoreTable(of: largeSample(number), in: session)
            return session
        }
        for session in sessions[..<3] {
            for chunk in 0..<30 as Range<UInt32> { try store(chunk, of: session, in: daemon) }
            session.engine.endRestoring(at: now)
            daemon.drive(session, at: now + .seconds(1))
        }
        hearSender(of: sessions[3])
        var retired = 0
        daemon.observer = { if case .retired = $0 { retired += 1 } }
        for chunk in 0..<2 as Range<UInt32> {
            let buffer = try #require(sessions[3].account.pool.take(for: sessions[3].account))
            let result = CacheOutput.Result.stored(slot: Int(chunk), chunk: chunk, buffer, isKept: false)
            daemon.take(CacheOutput(generation: sessions[3].ticket.generation, result: result), at: now + .seconds(60))
        }
        #expect(retired == 1)
    }

    @Test("A chunk whose page came before an earlier one is looked for in the cache, and said to be there or not", arguments: [true, false])
    func earlyChunk(isKept: Bool) throws {
        let place = CachePlace()
        let daemon = try daemon(place)
        let sample = CacheSample()
        let session = try session(sample, in: daemon)
        if isKept { try sample.write(4, to: session.bundle) }
        hearSender(of: session)
        let arrival = Arrival(source: .ipv4(127, 0, 0, 1, port: 4_000), toGroup: true, timeToLive: 1, at: now)
        // Page 1 has the records of chunks 3 to 5.
        _ = session.engine.handle(upstream: sample.page(1).span.bytes, arrival: arrival, at: now)
        session.check(4, .consult)
        daemon.submitJobs(of: session, at: now)
        let deadline = Poller.now() + .seconds(20)
        daemon.loop.run { time, _ in
            daemon.collect(at: now)
            return !daemon.cache.isBusy || time >= deadline ? .over : .wait(until: deadline)
        }
        let state = session.engine.upstream?.ledger[4]
        #expect(state == (isKept ? .done : .absent))
    }

    private func end(_ sample: CacheSample) -> [UInt8] {
        let encodedLength = (0..<3).reduce(UInt64(0)) { $0 + UInt64(sample.record($1).encodedLength) }
        let end = EndOfTable(
            chunkCount: 3, pageCount: 1, contentLength: 3 * UInt64(sample.announce.chunkLength), encodedLength: encodedLength, tableDigest: .zero)
        return Packet.end(end, .none).datagram(sessionTag: sample.announce.session.tag, transmitter: 5)
    }
}
