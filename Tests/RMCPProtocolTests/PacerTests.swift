import TestSupport
import Testing

@testable import RMCPProtocol

@Suite struct PacerTests {
    /// A link carries the headers, too: with IPv6 there are 20 bytes more of them in each datagram.
    @Test(arguments: [SocketAddress.Family.ipv4, .ipv6]) func theRateIsThatOfWholeDatagrams(family: SocketAddress.Family) {
        var configuration = Configuration()
        configuration.rate.fixedRate = 8_000_000
        configuration.packets.overhead = DatagramOverhead.bytes(over: family)
        var pacer = Pacer(configuration: configuration, datagramLength: 1_000, at: .zero)
        var now = Instant.zero
        var count = 0
        while now < .milliseconds(10_000) {
            if pacer.mayTransmit(at: now) {
                pacer.consume(1_000, datagrams: 1)
                count += 1
            } else {
                now = max(pacer.nextTransmission(at: now), now + .microseconds(1))
            }
        }
        let bytesOnTheWire = count * (family == .ipv4 ? 1_028 : 1_048)
        // But for the first burst.
        #expect((10_000_000..<10_070_000).contains(bytesOnTheWire), "\(bytesOnTheWire)")
    }
}
