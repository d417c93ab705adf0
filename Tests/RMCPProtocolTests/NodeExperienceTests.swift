import Testing

@testable import RMCPProtocol

@Suite struct NodeExperienceTests {
    private let start = Instant.zero + .seconds(100)

    private func address(_ host: UInt8, port: UInt16 = 9) -> SocketAddress { .ipv4(10, 0, 0, host, port: port) }

    @Test func aHostIsLeftAloneForLongerEachTime() {
        var experience = NodeExperience()
        var now = start
        for seconds in [30, 60, 120, 240, 480, 960, 960] as [Double] {
            let pause = experience.noteUseless(at: address(1), pause: .seconds(30), now: now)
            #expect(pause == .seconds(seconds))
            // Whatever its port.
            #expect(experience.isShunned(address(1, port: 10), at: now + pause - .milliseconds(1)))
            #expect(!experience.isShunned(address(2), at: now))
            now = now + pause
            #expect(!experience.isShunned(address(1), at: now))
        }
        experience.noteUseful(at: address(1))
        #expect(experience.noteUseless(at: address(1), pause: .seconds(30), now: now) == .seconds(30))
    }

    @Test func fewAreTriedThatHaveGivenNothing() {
        var experience = NodeExperience()
        for _ in 0..<4 {
            #expect(experience.mayTry(limit: 4))
            experience.noteTrial()
        }
        #expect(!experience.mayTry(limit: 4))
        experience.noteUseful(at: address(1))
        #expect(experience.mayTry(limit: 4))
    }

    @Test func theMemoryOfHostsIsBounded() {
        var experience = NodeExperience()
        for host in 0..<40 as Range<UInt8> { _ = experience.noteUseless(at: address(host), pause: .seconds(30), now: start) }
        #expect((0..<40 as Range<UInt8>).filter { experience.isShunned(address($0), at: start) } == Array(24..<40))
    }
}
