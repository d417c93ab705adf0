import RMCPProtocol

let tablePaths: [EnginePath] = [
    // What a chunk still lacks, as when a NAK is made.
    EnginePath("packet-set-missing", per: "chunk") {
        var received = PacketSet(capacity: Fixture.packetsPerChunk)
        received.insert(0..<Fixture.packetsPerChunk)
        received.subtract(scattered(count: 8, seed: 1))
        return { count in
            for _ in 0..<count { consume(received.missing(in: 0..<Fixture.packetsPerChunk).count) }
            return count
        }
    },
    EnginePath("packet-set-union", per: "chunk", isHot: true) {
        let requests = (0..<16).map { scattered(count: 8, seed: UInt64($0)) }
        return { count in
            var pending = PacketSet(capacity: Fixture.packetsPerChunk)
            for index in 0..<count {
                pending.formUnion(requests[index & 15])
                if index & 63 == 63 { pending.removeAll() }
            }
            consume(pending.count)
            return count
        }
    },
    EnginePath("packet-set-insert", per: "packet", isHot: true) {
        { count in
            var received = PacketSet(capacity: Fixture.packetsPerChunk)
            var packet = 0
            for _ in 0..<count {
                received.insert(packet)
                packet += 1
                if packet == Fixture.packetsPerChunk {
                    packet = 0
                    received.removeAll()
                }
            }
            consume(received.count)
            return count
        }
    },
    // What the sender asks of it for each batch.
    EnginePath("token-bucket", per: "batch", isHot: true) {
        { count in
            var now = Fixture.start
            var bucket = TokenBucket(rate: 10_000_000_000, burst: 65_536, at: now)
            for _ in 0..<count {
                now = now + Fixture.packetTime
                if bucket.mayTransmit(at: now) { bucket.consume(1_424) }
                consume(Int(truncatingIfNeeded: bucket.nextTransmission(at: now).nanoseconds))
            }
            return count
        }
    },
]
