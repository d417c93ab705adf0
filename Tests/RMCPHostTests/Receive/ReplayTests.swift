import RMCPContent
import TestSupport
import Testing

@testable import RMCPHost
@testable import RMCPProtocol

/// Somebody repeats ANNOUNCEs of old sessions and makes up DATA of theirs, none of which is what a sender has signed.
@Suite struct ReplayTests {
    private static let chunks = 96

    private func version(_ name: String, created: UInt64, seed: UInt64, chunks: Int) -> ScheduleVersion {
        var random = RandomSource(seed: seed)
        return ScheduleVersion(name: name, creationTime: created, chunks: chunks, random: &random)
    }

    /// Datagrams of a session that is over: its ANNOUNCE, and one packet of garbage for each chunk.
    private func replay(_ seed: UInt64, by receiver: ManualReceiver) throws -> [[UInt8]] {
        let version = version("old\(seed)", created: 1_000, seed: seed, chunks: Self.chunks)
        let sender = try ScheduleSender(version, key: receiver.key, number: 200 + Int(seed), wait: .seconds(60), seed: seed, at: receiver.now)
        let announce = try #require(sender.drive(at: receiver.now).map(\.1).first { PacketHeader.kind(of: $0.span.bytes) == .announce })
        let header = try PacketHeader(of: announce.span.bytes)
        return [announce]
            + (0..<UInt32(Self.chunks)).map { chunk in
                var writer = ByteWriter()
                PacketHeader(kind: .data, sessionTag: header.sessionTag, transmitter: header.transmitter, sequence: chunk + 1).write(to: &writer)
                writer.writeUInt32(chunk)
                writer.writeUInt16(0)
                writer.writeUInt16(0)
                return writer.bytes + [UInt8](repeating: 0xEE, count: 1_000)
            }
    }

    /// All slots of three sessions are filled, and stay so: whoever comes then has as much as it needs, and soon most of it.
    @Test(arguments: [3, 40]) func garbageKeepsNobodyOut(sessions count: Int) throws {
        let receiver = try ManualReceiver(memoryLimit: 128 * ScheduleVersion.chunkLength)
        let source = SocketAddress.ipv4(10, 9, 9, 9, port: 4_000)
        let replays = try (1...UInt64(count)).map { try replay($0, by: receiver) }
        for replay in replays {
            receiver.take(replay[0], from: source)
            // Their storage opens.
            _ = receiver.run(for: .milliseconds(5), until: { _ in false })
        }
        for replay in replays { for datagram in replay { receiver.take(datagram, from: source) } }
        let memory = try #require(receiver.sessions?.memory)
        #expect(receiver.sessions?.sessions.count == count && memory.candidateBytes == memory.candidateLimit)
        let honest = version("new", created: 2_000, seed: 77, chunks: 60)
        let sender = try receiver.send(honest)
        let began = receiver.now
        #expect(receiver.run(until: { $0.completions == 1 }), "\(sender.engine.sessionPhase) \(receiver.sessions?.sessions.count ?? 0)")
        #expect(receiver.content("new") == honest.content)
        #expect(receiver.now - began < .seconds(3), "it took \(receiver.now - began)")
        #expect(memory.candidateBytes <= memory.candidateLimit)
    }

    /// One that comes alone has what it always had, once its first chunk was verified.
    @Test func oneThatComesAloneHasMostOfTheMemory() throws {
        let receiver = try ManualReceiver(memoryLimit: 128 * ScheduleVersion.chunkLength)
        try receiver.send(version("new", created: 2_000, seed: 77, chunks: 150))
        #expect(receiver.run(jobs: { !$0.isStore }, until: { $0.executor.waiting.count { $0.isStore } >= 20 }))
        let session = try #require(receiver.sessions?.sessions.values.first)
        #expect(session.engine.slots.count == 32 && session.share == .candidate)
        receiver.executor.run(where: { $0.isStore })
        #expect(receiver.run(until: { _ in session.lastProgress != nil }))
        #expect(session.engine.slots.count == 96 && session.share == .most)
        #expect(receiver.run(until: { $0.completions == 1 }))
        #expect(session.engine.counters.windowDrops == 0)
    }

    /// Pages without end of a session that shows no chunk: little is kept of them.
    @Test func tablesOfCandidatesAreBounded() throws {
        let receiver = try ManualReceiver()
        let sender = try receiver.send(version("a", created: 1_000, seed: 1, chunks: 2))
        #expect(receiver.run(until: { $0.sessions?.sessions.isEmpty == false }))
        receiver.senders = []
        let session = try #require(receiver.sessions?.sessions.values.first)
        let signer = Ed25519Signer(receiver.key)
        for index in 0..<200 as Range<UInt32> {
            let records = (0..<20).map { _ in ChunkRecord.sample(of: randomBytes(4_096, seed: UInt64(index)), contentLength: 4_096) }
            let page = TablePage(index: index, firstChunk: index * 20, records: records)
            let signature = signer.signature(for: TablePage.signedMessage(session: session.announce.session, body: page.body))
            let datagram = Packet.page(page, body: page.body, signature).datagram(
                sessionTag: session.announce.session.tag, transmitter: sender.engine.transmitterID, isUnicast: false)
            receiver.take(datagram, from: sender.address)
        }
        #expect(session.engine.tableRecords > 1_000 && session.engine.tableRecords <= 2 * TableMemory.candidateLimit, "\(session.engine.tableRecords)")
    }
}
