import Foundation
import Testing

@testable import RMCPHost
@testable import RMCPProtocol

/// A loop's reasons to wake up, and to end.
@Suite struct HostLoopTests {
    private final class Pipe {
        let input: Int32
        let output: Int32
        init() {
            var ends: [Int32] = [0, 0]
            _ = Foundation.pipe(&ends)
            (input, output) = (ends[0], ends[1])
            for raw in ends { _ = fcntl(raw, F_SETFL, O_NONBLOCK) }
        }
        deinit { for raw in [input, output] { close(raw) } }
        func fill() { while write(output, [UInt8](repeating: 0, count: 4_096), 4_096) > 0 {} }
        func drain() {
            var bytes = [UInt8](repeating: 0, count: 4_096)
            while read(input, &bytes, bytes.count) > 0 {}
        }
    }

    @Test func tokensOutliveOthersThatAreForgotten() {
        let poller = Poller()
        let pipes = (0..<3).map { _ in Pipe() }
        let tokens = pipes.map { poller.watch($0.input) }
        poller.forget(tokens[1])
        // Nobody waits for this one, whatever comes.
        _ = write(pipes[1].output, [1], 1)
        _ = write(pipes[2].output, [1], 1)
        poller.wait(until: Poller.now() + .seconds(20))
        #expect(!poller.isReadable(tokens[0]) && poller.isReadable(tokens[2]))
        // The place of a token that was forgotten has nothing of it.
        let again = poller.watch(pipes[0].output)
        #expect(!poller.isReadable(again) && poller.isReadable(tokens[2]))
    }

    @Test func roomIsWaitedForWhereItIsWanted() {
        let poller = Poller()
        let pipe = Pipe()
        let token = poller.watch(pipe.output)
        pipe.fill()
        let begun = Poller.now()
        poller.wait(until: begun + .milliseconds(30), room: token)
        #expect(Poller.now() - begun >= .milliseconds(30))
        poller.wait(until: Poller.now() + .milliseconds(30))
        pipe.drain()
        let emptied = Poller.now()
        poller.wait(until: emptied + .seconds(20), room: token)
        #expect(Poller.now() - emptied < .seconds(10) && !poller.isReadable(token))
    }

    @Test func aWorkerWakesTheLoopAndASignalIsToldOnce() throws {
        let loop = try HostLoop()
        var turns: [Bool] = []
        loop.run { _, isStopped in
            turns.append(isStopped)
            switch turns.count {
            case 1: return .again
            case 2:
                loop.wakeUp.signal()
                return .wait(until: nil)
            case 3:
                pthread_kill(pthread_self(), SIGTERM)
                return .wait(until: nil)
            case 4: return .again
            default: return .over
            }
        }
        #expect(turns == [false, false, false, true, false])
        // Another run begins without what the one before has taken.
        loop.run { _, isStopped in
            turns.append(isStopped)
            return .over
        }
        #expect(turns.last == false)
    }

    @Test func whatWasSaidIsNotSaidAgainUntilMuchWas() {
        var warnings = Warnings()
        let said = ["a", "b", "a", "b", "c"].filter { warnings.remember($0) }
        #expect(said == ["a", "b", "c"])
        for number in 0..<HostLimits.rememberedWarnings { _ = warnings.remember("\(number)") }
        let isNewAgain = warnings.remember("a")
        #expect(isNewAgain)
    }

    @Test func residentBuffersKeepWhatIsWantedUntilThereIsRoom() throws {
        let pool = BufferPool(bufferLength: 4_096, limit: 2)
        var resident = ResidentBuffers(pool: pool)
        let record = ChunkRecord.zero(contentLength: 5)
        for chunk in 0..<4 as Range<UInt32> { resident.want(chunk, record) }
        guard let first = resident.nextWanted(), let second = resident.nextWanted() else { throw HostError("there are two buffers") }
        let isWithout = resident.nextWanted() == nil
        #expect(first.chunk == 0 && second.chunk == 1 && isWithout)
        let old = resident.keep(first.buffer, of: 0)
        #expect(old == nil && resident[0] === first.buffer && resident.chunks == [0])
        let replaced = resident.keep(second.buffer, of: 0)
        #expect(replaced === first.buffer)
        pool.giveBack(first.buffer)
        let third = resident.nextWanted()?.chunk
        #expect(third == 2)
        let surrendered = [resident.surrender(0), resident.surrender(0)]
        let left = resident.surrenderAll()
        #expect(surrendered[0] === second.buffer && surrendered[1] == nil && left.isEmpty)
    }
}
