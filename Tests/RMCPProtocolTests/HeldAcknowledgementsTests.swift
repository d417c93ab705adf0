import Testing

@testable import RMCPProtocol

@Suite struct HeldAcknowledgementsTests {
    private func address(_ number: UInt8) -> SocketAddress { .ipv4(10, 0, 0, number, port: 4_000) }
    private func name(_ number: UInt8) -> ChildName { ChildName(UInt32(number), at: address(number)) }

    private func held(limit: Int = 8) -> HeldAcknowledgements {
        var configuration = Configuration()
        configuration.memory.maximumControlQueue = limit
        configuration.feedback.acknowledgementDelay = .milliseconds(100)
        return HeldAcknowledgements(configuration: configuration)
    }

    @Test func aLaterStatusTakesThePlaceOfTheEarlierOne() {
        var held = held()
        #expect(held.hold(sequence: 1, of: name(1), at: address(1), now: .zero) == nil)
        #expect(held.hold(sequence: 2, of: name(1), at: address(1), now: .milliseconds(50)) == nil)
        #expect(held.count == 1 && held.nextDue == .milliseconds(100))
        #expect(held.release(dueAt: .milliseconds(99)) == nil)
        let first = held.release(dueAt: .milliseconds(100))
        #expect(first?.sequence == 2 && first?.address == address(1) && held.count == 0 && held.nextDue == nil)
    }

    @Test func withoutRoomTheOldestIsSaid() {
        var held = held(limit: 2)
        for number: UInt8 in 1...2 { #expect(held.hold(sequence: 7, of: name(number), at: address(number), now: .zero) == nil) }
        #expect(held.hold(sequence: 7, of: name(3), at: address(3), now: .zero)?.child == name(1))
        #expect(held.release()?.child == name(2) && held.release()?.child == name(3) && held.release() == nil)
    }
}
