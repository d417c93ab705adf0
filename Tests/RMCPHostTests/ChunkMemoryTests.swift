import RMCPProtocol
import Testing

@testable import RMCPHost

/// One budget for the chunks of all sessions, of which those that have shown nothing have a quarter together.
@Suite struct ChunkMemoryTests {
    private static let page = 4_096

    /// A session that holds buffers and gives up the last one.
    private final class Session: ChunkHolder {
        let account: MemoryAccount
        var buffers: [ChunkBuffer] = []
        /// All that it has waits for storage.
        var isStuck = false

        init(_ memory: ChunkMemory, pages: Int = 1) {
            account = memory.open(chunkLength: UInt32(pages * page))
            account.holder = self
        }

        func giveUpBuffer(at now: Instant) -> Bool {
            guard !isStuck, let buffer = buffers.popLast() else { return false }
            account.pool.giveBack(buffer)
            return true
        }

        /// Takes as many as it is given, up to a limit.
        func fill(_ limit: Int = .max) {
            while buffers.count < limit, let buffer = account.pool.take(for: account, at: .zero) {
                buffer.bytes.storeBytes(of: 1, toByteOffset: 0, as: UInt8.self)
                buffers.append(buffer)
            }
        }

        func end(_ memory: ChunkMemory) {
            while giveUpBuffer(at: .zero) {}
            memory.close(account)
        }
    }

    private func memory(pages: Int, fewest: Int = 4) -> ChunkMemory { ChunkMemory(limit: pages * Self.page, fewest: fewest) }

    @Test func candidatesHaveAQuarterTogether() {
        let memory = memory(pages: 64)
        let sessions = (0..<3).map { _ in Session(memory) }
        for _ in 0..<3 { for session in sessions { session.fill() } }
        #expect(memory.candidateBytes == 16 * Self.page && memory.lentBytes == memory.candidateBytes)
        // Each has its part, and it stays so.
        #expect(sessions.allSatisfy { $0.buffers.count >= 5 }, "\(sessions.map(\.buffers.count))")
        // What is verified has all the rest, and leaves candidates their own.
        let honest = Session(memory)
        memory.noteVerified(honest.account)
        honest.fill()
        #expect(honest.buffers.count == 48 && memory.candidateBytes == 16 * Self.page)
        for session in sessions + [honest] { session.end(memory) }
        #expect(memory.lentBytes == 0 && memory.candidateBytes == 0)
    }

    /// Whoever comes when others have all gets a fair part of it at once, and keeps it.
    @Test func aCandidateThatComesLateHasItsPart() {
        let memory = memory(pages: 64)
        let others = (0..<3).map { _ in Session(memory) }
        for session in others { session.fill() }
        let honest = Session(memory)
        honest.fill()
        #expect(honest.buffers.count == 4, "\(others.map(\.buffers.count))")
        for _ in 0..<10 { for session in others { session.fill() } }
        #expect(honest.buffers.count == 4 && memory.candidateBytes == 16 * Self.page)
    }

    /// Where there are more candidates than buffers, the one goes without that was silent for longest.
    @Test func theLongestSilentGoesWithout() {
        let memory = memory(pages: 16)
        let others = (0..<4).map { _ in Session(memory) }
        for (index, session) in others.enumerated() {
            session.account.lastHeard = .zero + .milliseconds(Int64((index + 2) % 4))
            session.fill(1)
        }
        let honest = Session(memory)
        honest.fill()
        #expect(honest.buffers.count == 1 && others.map(\.buffers.count) == [1, 1, 0, 1])
        // What waits for storage is left where it is.
        for session in others + [honest] { session.isStuck = true }
        others[2].fill()
        #expect(others[2].buffers.isEmpty && honest.buffers.count == 1)
    }

    @Test func aVerifiedSessionCountsAsCandidateNoMore() {
        let memory = memory(pages: 64)
        let (first, second) = (Session(memory), Session(memory))
        first.fill(10)
        memory.noteVerified(first.account)
        #expect(memory.candidateBytes == 0 && memory.lentBytes == 10 * Self.page)
        second.fill()
        #expect(second.buffers.count == 16 && first.buffers.count == 10)
        // Some of it is left to those that are to come, whoever has the rest.
        second.end(memory)
        first.fill()
        #expect(first.buffers.count == 60)
        let third = Session(memory)
        third.fill()
        #expect(third.buffers.count == 4)
    }

    /// However long chunks are, a session alone has some, and a small memory is no reason to have none.
    @Test func thereIsAlwaysRoomForAFew() {
        let memory = memory(pages: 8)
        let long = Session(memory, pages: 8)
        long.fill()
        #expect(long.buffers.count == 1)
        memory.noteVerified(long.account)
        long.fill()
        #expect(long.buffers.count == 4)
    }

    /// Sessions of ever new chunk lengths share the budget: what is touched never is more, and pools of nobody are given back.
    @Test func lengthsShareOneBudget() {
        var random = RandomSource(seed: 5)
        let memory = memory(pages: 64)
        var sessions: [Session] = []
        var most = 0
        for _ in 0..<2_000 {
            if sessions.count < 6, Int.random(in: 0..<10, using: &random) < 3 {
                let session = Session(memory, pages: Int.random(in: 1...16, using: &random))
                if Bool.random(using: &random) { memory.noteVerified(session.account) }
                sessions.append(session)
            }
            guard !sessions.isEmpty else { continue }
            let index = Int.random(in: 0...sessions.count - 1, using: &random)
            switch Int.random(in: 0...3, using: &random) {
            case 0: sessions.remove(at: index).end(memory)
            case 1: _ = sessions[index].giveUpBuffer(at: .zero)
            default: sessions[index].fill(Int.random(in: 1...20, using: &random))
            }
            most = max(most, memory.residentBytes)
            #expect(memory.poolCount <= sessions.count + 1)
            #expect(memory.lentBytes == sessions.reduce(0) { $0 + $1.buffers.count * $1.account.pool.stride })
        }
        #expect(most > 48 * Self.page && most <= 64 * Self.page, "\(most / Self.page) pages")
        for session in sessions { session.end(memory) }
        #expect(memory.lentBytes == 0 && memory.candidateBytes == 0 && memory.poolCount <= 1)
    }

    /// Threads still have buffers of a session that is over: they come back to their pool, and it goes with them.
    @Test func whatComesBackLateComesBack() {
        let memory = memory(pages: 64)
        let (first, second) = (Session(memory, pages: 2), Session(memory, pages: 3))
        first.fill(2)
        let late = first.buffers.removeLast()
        first.end(memory)
        second.end(memory)
        #expect(memory.poolCount == 2 && memory.lentBytes == 2 * Self.page)
        memory.giveBack(late)
        #expect(memory.poolCount == 1 && memory.lentBytes == 0 && memory.candidateBytes == 0)
    }
}
