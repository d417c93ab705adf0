import RMCPProtocol
import Testing

/// Addresses, sessions and keys as text.
@Suite struct AddressTextTests {
    @Test(
        "RFC 5952, 4, and RFC 4291, 2.5.5.2",
        arguments: [
            (0, 0, "::"), (0, 1, "::1"), (1 << 48, 0, "1::"), (0x2001_0DB8_0000_0000, 0x0000_0001_0000_0001, "2001:db8::1:0:1"),
            (0x2001_0DB8_0000_0001, 0x0001_0001_0001_0001, "2001:db8:0:1:1:1:1:1"), (0x2001_0000_0000_0001, 0x0000_0000_0000_0001, "2001:0:0:1::1"),
            (0xFF15_0000_0000_0000, 0x7627, "ff15::7627"), (0, 0xFFFF_0A00_0001, "::ffff:10.0.0.1"),
        ] as [(UInt64, UInt64, String)])
    func v6(high: UInt64, low: UInt64, text: String) {
        let address = SocketAddress(family: .ipv6, high: high, low: low, port: 17_627)
        #expect(address.host == text && address.text == "[\(text)]:17627")
    }

    @Test func v4() { #expect(SocketAddress.ipv4(239, 255, 0, 1, port: 9).text == "239.255.0.1:9") }

    @Test func sessions() { #expect(SessionID(high: 0x12, low: .max).text == "0000000000000012ffffffffffffffff") }
}
