import TestSupport
import Testing

@testable import RMCPProtocol

@Suite struct AssemblySlotsTests {
    @Test func followsAModel() {
        var random = RandomSource(seed: 91)
        var slots = AssemblySlots(count: 12, storageQueue: 12, standstill: .milliseconds(50), packetCapacity: 100)
        var model: [UInt32: Int] = [:]
        var withHost: Set<UInt32> = []
        for step in 0..<5_000 {
            let chunk = UInt32(random.int(0...30))
            if let slot = model[chunk], random.chance(0.5) {
                slots.release(slot)
                model[chunk] = nil
                withHost.remove(chunk)
            } else if let slot = model[chunk] {
                // Said twice over, it counts once.
                let isWithHost = random.chance(0.5)
                for _ in 0..<2 { slots.setWithHost(slot, isWithHost) }
                if isWithHost { withHost.insert(chunk) } else { withHost.remove(chunk) }
                #expect(slots[slot].isWithHost == isWithHost)
            } else {
                let now = Instant.milliseconds(Int64(step))
                let slot = slots.allocate(chunk: chunk, isCatchUp: step % 2 == 0, at: now)
                if let slot {
                    #expect(!model.values.contains(slot), "a slot was given to two chunks")
                    #expect(slots[slot].isInUse && slots[slot].chunk == chunk && slots[slot].received.isEmpty)
                    #expect(slots[slot].isCatchUp == (step % 2 == 0) && !slots[slot].isWithHost && slots[slot].hold.until == now)
                    // Dirt that the next owner must not find.
                    slots[slot].received.insert(random.int(0...99))
                    slots.setWithHost(slot, true)
                    withHost.insert(chunk)
                    slots[slot].hold.ask(for: .seconds(1_000), isCertain: true, at: now)
                    model[chunk] = slot
                } else {
                    #expect(model.count == 12)
                }
            }
            #expect(slots.usedCount == model.count && slots.freeCount == 12 - model.count)
            // Those that wait for packets are no sign of a slow host.
            #expect(slots.storageShare == Double(withHost.count) / 12)
            // Lookups twice over: the second is answered by the shortcut for the chunk last asked for.
            let probe = UInt32(random.int(0...30))
            for _ in 0..<2 {
                let found = slots.slot(ofChunk: probe)
                #expect(found == model[probe])
            }
        }
    }

    @Test func aCoverOfTheChunkBeforeHasExpired() throws {
        var slots = AssemblySlots(count: 1, storageQueue: 1, standstill: .milliseconds(50), packetCapacity: 10)
        let allocated = slots.allocate(chunk: 4, isCatchUp: false, at: .zero)
        let slot = try #require(allocated)
        slots[slot].hold.postpone(PacketSet(0..<3), until: .distantFuture, limit: 1, at: .zero)
        slots.release(slot)
        // Released once more by mistake, it must not be free twice.
        slots.release(slot)
        #expect(slots.freeCount == 1)
        #expect(slots.allocate(chunk: 5, isCatchUp: false, at: .milliseconds(3)) == slot)
        #expect(!slots[slot].hold.isConfirmed(at: .milliseconds(3)))
        #expect(slots.allocate(chunk: 6, isCatchUp: false, at: .zero) == nil)
        #expect(slots.slot(ofChunk: 4) == nil && slots.slot(ofChunk: 5) == slot)
    }

    @Test func aStorageThatStandsStillGetsAllSlots() throws {
        var slots = AssemblySlots(count: 12, storageQueue: 4, standstill: .milliseconds(50), packetCapacity: 10)
        var now = Instant.zero + .seconds(9)
        func handOver(_ chunk: UInt32) throws -> Int {
            let allocated = slots.allocate(chunk: chunk, isCatchUp: false, at: now)
            let slot = try #require(allocated)
            slots.setWithHost(slot, true)
            return slot
        }
        // Nothing waited until now, however long that was.
        let first = try handOver(0)
        _ = try handOver(1)
        #expect(slots.storageShare == 0.5)
        now = now + .milliseconds(40)
        slots.noteStored(at: now)
        slots.release(first)
        now = now + .milliseconds(40)
        _ = try handOver(2)
        #expect(slots.storageShare == 0.5)
        // Fifty since it stored anything.
        now = now + .milliseconds(10)
        _ = try handOver(3)
        #expect(slots.storageShare == 3.0 / 12)
        // And it stays so: such a disk does it again.
        slots.noteStored(at: now)
        #expect(slots.storageShare == 3.0 / 12)
    }
}
