import Testing

@testable import RMCPHost
@testable import RMCPProtocol

/// Payloads in the buffers of assembly slots, and those that are kept aside.
@Suite struct SlotBuffersTests {
    private static let payload = 1_000

    private static func placement(_ packet: Int, slot: Int = 0, isDuplicate: Bool = false) -> Placement {
        Placement(slot: slot, chunk: 5, payloadOffset: 4, offset: packet * payload, length: payload, isDuplicate: isDuplicate)
    }

    private static func place(_ byte: UInt8, _ placement: Placement, in buffers: inout SlotBuffers) -> Bool {
        let datagram = [UInt8](repeating: 0xFF, count: 4) + [UInt8](repeating: byte, count: payload)
        return datagram.withUnsafeBytes { buffers.place($0, placement) }
    }

    @Test func whatDiffersIsKeptAside() throws {
        let memory = ChunkMemory(limit: 16_384, fewest: 2)
        var buffers = SlotBuffers(slots: 2, account: memory.open(chunkLength: 8_000))
        // Before the first of a slot there is nothing to differ from.
        #expect(Self.place(9, Self.placement(0, isDuplicate: true), in: &buffers))
        #expect(Self.place(1, Self.placement(0), in: &buffers) && Self.place(2, Self.placement(1), in: &buffers))
        for _ in 0..<3 { #expect(Self.place(2, Self.placement(1, isDuplicate: true), in: &buffers)) }
        #expect(buffers.takeAlternates(of: 0).isEmpty)
        for _ in 0..<3 { #expect(Self.place(7, Self.placement(1, isDuplicate: true), in: &buffers)) }
        #expect(Self.place(8, Self.placement(1, isDuplicate: true), in: &buffers))
        let taken = buffers.take(0)
        let buffer = try #require(taken)
        #expect(buffer.bytes[Self.payload] == 2)
        // The buffer comes back with all that is in it, and what is placed goes on in it.
        buffers.put(buffer, at: 0)
        #expect(Self.place(3, Self.placement(2), in: &buffers) && buffer.bytes[2 * Self.payload] == 3 && buffer.bytes[0] == 1)
        let alternates = buffers.takeAlternates(of: 0)
        #expect(alternates.map(\.offset) == [Self.payload, Self.payload] && alternates.map { $0.bytes[0] } == [7, 8])
        #expect(buffers.takeAlternates(of: 0).isEmpty && buffers.takeAlternates(of: 1).isEmpty)
        buffers.giveBackAll()
    }

    /// Of a flood a megabyte is kept, and another chunk in the slot has none of it.
    @Test func whatIsKeptIsBounded() {
        let memory = ChunkMemory(limit: 1 << 20, fewest: 1)
        let account = memory.open(chunkLength: 1 << 20)
        let pool = account.pool
        var buffers = SlotBuffers(slots: 1, account: account)
        for packet in 0..<1_000 { #expect(Self.place(0, Self.placement(packet), in: &buffers)) }
        for byte in 1...3 as ClosedRange<UInt8> {
            for packet in 0..<1_000 { #expect(Self.place(byte, Self.placement(packet, isDuplicate: true), in: &buffers)) }
        }
        // Less of a session that may be anybody's.
        #expect(buffers.takeAlternates(of: 0).reduce(0) { $0 + $1.bytes.count } == (1 << 16) / Self.payload * Self.payload)
        memory.noteVerified(account)
        for byte in 1...3 as ClosedRange<UInt8> {
            for packet in 0..<1_000 { #expect(Self.place(byte, Self.placement(packet, isDuplicate: true), in: &buffers)) }
        }
        #expect(buffers.takeAlternates(of: 0).reduce(0) { $0 + $1.bytes.count } == (1 << 20) / Self.payload * Self.payload)
        // Payloads that were taken make room again.
        #expect(Self.place(4, Self.placement(0, isDuplicate: true), in: &buffers))
        if let buffer = buffers.take(0) { pool.giveBack(buffer) }
        #expect(Self.place(5, Self.placement(0), in: &buffers))
        #expect(buffers.takeAlternates(of: 0).isEmpty)
        buffers.giveBackAll()
        #expect(pool.lentCount == 0)
    }
}
