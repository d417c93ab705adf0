import RMCPProtocol
import Testing

@testable import RMCPHost

@Suite struct RouteTests {
    @Test func theLoopbackAddressIsReachedThroughLoopback() throws {
        let loopback = try #require(try NetworkInterface.all().first { $0.isLoopback })
        let route = try #require(try Route.lookUp(.ipv4(127, 0, 0, 1, port: 9)))
        #expect(route == Route(interfaceIndex: loopback.index, source: .ipv4(127, 0, 0, 1, port: 0)))
        let named = try #require(try Route.lookUp(.ipv4(239, 255, 76, 27, port: 9), through: loopback.index))
        #expect(named.interfaceIndex == loopback.index)
    }

    @Test func messagesAreReadAsTheyWereWritten() {
        var message = NetlinkMessage(kind: 26, flags: 1, body: [UInt8](1...12))
        message.append(attribute: 1, [10, 0, 0, 1])
        message.append(attribute: 4, [7])
        message.append(attribute: 7, [UInt8](repeating: 9, count: 16))
        let padding: [UInt8] = [0, 0, 0]
        let second = NetlinkMessage(kind: 3, flags: 0, body: [])
        let read = NetlinkMessage.all(in: (message.bytes + second.bytes + padding)[...])
        #expect(read.map(\.kind) == [26, 3] && read.map(\.flags) == [1, 0])
        let attributes = read[0].attributes(after: 12)
        #expect(attributes.mapValues(Array.init) == [1: [10, 0, 0, 1], 4: [7], 7: [UInt8](repeating: 9, count: 16)])
    }

    @Test func whatIsCutShortIsLeftOut() {
        var message = NetlinkMessage(kind: 24, flags: 2, body: [UInt8](repeating: 0, count: 12))
        message.append(attribute: 4, [1, 0, 0, 0])
        let bytes = message.bytes
        for length in 0..<bytes.count { #expect(NetlinkMessage.all(in: bytes[..<length]).isEmpty, "\(length) bytes") }
        // A length below that of a header would never end.
        for length in 0..<16 as Range<UInt8> {
            #expect(NetlinkMessage.all(in: ([length, 0, 0, 0] + bytes.dropFirst(4))[...]).isEmpty)
        }
        for length in [0, 1, 3, 9, 255] as [UInt8] {
            var damaged = bytes
            damaged[28] = length
            #expect(NetlinkMessage.all(in: damaged[...])[0].attributes(after: 12).isEmpty)
        }
    }

    @Test func anAddressHasFourBytesOrSixteen() {
        #expect(SocketAddress(networkBytes: [192, 0, 2, 1]) == .ipv4(192, 0, 2, 1, port: 0))
        let bytes = [0xFE, 0x80] + [UInt8](repeating: 0, count: 13) + [5]
        #expect(SocketAddress(networkBytes: bytes[...]) == SocketAddress(family: .ipv6, high: 0xFE80_0000_0000_0000, low: 5, port: 0))
        for count in [0, 3, 5, 15, 17] { #expect(SocketAddress(networkBytes: [UInt8](repeating: 1, count: count)[...]) == nil) }
    }
}
