import Testing

@testable import RMCPProtocol

/// Conditions in which a receiver falls behind, and is back.
@Suite struct ProfileTests {
    private func heartbeat(loss: Int, pressure: Int) -> Heartbeat {
        Heartbeat(
            phase: .streaming, timestamp: 0, groupRoundTrip: 0, statusInterval: 10, population: 4, position: StreamPosition(chunk: 0, packet: 0), pageCount: 0,
            hasEnd: false, rate: 0, liveLossLimit: UInt8(loss), livePressureLimit: UInt8(pressure))
    }

    private func behind() -> Profile {
        var profile = Profile()
        _ = profile.follow(heartbeat(loss: LossBucket.count, pressure: Int(PressureBucket.severe)))
        profile.judgeHost(isFull: true, hasOverflowed: true, isStreaming: true, at: .zero)
        return profile
    }

    @Test func aHostThatIsOverrunFallsBehindWhereOthersKeepUp() {
        var profile = behind()
        #expect(profile.isBehind)
        // The penalty is two seconds, and a second of calm is waited for.
        let returns = (0..<40).filter { profile.judge(loss: 0, at: .milliseconds(Int64($0) * 100)) }
        #expect(returns == [30])
    }

    /// A parent without limits holds nobody back: most have fallen behind.
    @Test func nobodyIsBehindWhereMostAre() {
        var profile = behind()
        let stays = !profile.follow(heartbeat(loss: 12, pressure: PressureBucket.count))
        #expect(stays && profile.isBehind)
        let returns = profile.follow(heartbeat(loss: LossBucket.count, pressure: PressureBucket.count))
        #expect(returns && !profile.isBehind)
        let again = profile.follow(heartbeat(loss: LossBucket.count, pressure: PressureBucket.count))
        #expect(!again)
    }
}
