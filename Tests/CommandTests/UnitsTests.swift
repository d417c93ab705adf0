import RMCPProtocol
import RMCPReport
import Testing

@testable import rmcp

@Suite struct UnitsTests {
    @Test(arguments: [
        ("500ms", 0.5), ("10s", 10), ("5m", 300), ("2h", 7_200), ("0s", 0), ("1.5s", 1.5), ("3", 3),
    ])
    func times(text: String, seconds: Double) { #expect(Units.interval(text) == .seconds(seconds)) }

    @Test(arguments: ["", "s", "-1s", "1x", "ten", "1 s", "1e3s", "ms", "99999999999h", "١s"])
    func badTimes(text: String) { #expect(Units.interval(text) == nil) }

    @Test(arguments: [("800k", 800_000), ("100M", 100_000_000), ("2.5G", 2_500_000_000), ("1", 1), ("64000", 64_000)])
    func rates(text: String, bits: UInt64) { #expect(Units.rate(text) == bits) }

    @Test(arguments: ["0", "0M", "-5M", "fast", "M", "1.2.3M", "1MM"])
    func badRates(text: String) { #expect(Units.rate(text) == nil) }

    @Test func whatPeopleRead() {
        #expect(Units.size(0) == "0 B")
        #expect(Units.size(1_023) == "1023 B")
        #expect(Units.size(1_536) == "1.5 KiB")
        #expect(Units.size(512 << 20) == "512.0 MiB")
        #expect(Units.rate(bitsPerSecond: 2_400_000_000) == "2.4 Gb/s")
        #expect(Units.time(.milliseconds(420)) == "0.4 s")
        #expect(Units.time(.seconds(185)) == "3:05")
        #expect(Units.time(.seconds(3_723)) == "1:02:03")
        #expect(Units.fixed(-0.04, digits: 1) == "0.0")
        #expect(Units.fixed(9.96, digits: 1) == "10.0")
    }
}
