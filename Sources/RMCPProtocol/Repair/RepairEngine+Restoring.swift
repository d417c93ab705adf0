/// Sessions that the cache has from before: first their table, then each chunk that was found there, then all that is to be had.
extension RepairEngine {
    /// Takes a page or END that the cache kept. False when it is not authentic, or there is no room for it.
    public mutating func restore(_ datagram: [UInt8], at now: Instant) -> Bool {
        guard let (_, packet) = unsafe try? Packet.parse(datagram.span.bytes) else { return false }
        let key = downstream.announce.key
        func isAuthentic(_ signature: Signature, _ message: [UInt8]) -> Bool {
            !downstream.announce.isSigned || verifier.isValid(signature, for: message, by: key)
        }
        switch packet {
        case .page(let page, let body, let signature):
            guard tableRecords() < tableRoom.records, isAuthentic(signature, TablePage.signedMessage(session: session, body: body)) else { return false }
            downstream.adopt(page, body: body, signature: signature, at: now)
        case .end(let end, let signature):
            guard isAuthentic(signature, end.signedMessage(session: session)) else { return false }
            downstream.adopt(end, signature: signature)
        default: return false
        }
        return true
    }

    /// The record of a chunk, as far as the table is known.
    public func record(of chunk: UInt32) -> ChunkRecord? { downstream.record(of: chunk) }

    /// A chunk that the cache kept was verified.
    public mutating func restore(chunk: UInt32, at now: Instant) { downstream.hold(chunk, isResident: false, at: now) }

    /// Everything that the cache kept has been told of: what is whole is served without anybody above.
    public mutating func endRestoring(at now: Instant) {
        guard upstream == nil, isComplete else { return }
        downstream.follow(phase: .lingering, front: end, path: [TreePlace.nobody], distance: .max, rate: 0, at: now)
        downstream.endUpstream(at: now)
    }

    private var end: StreamPosition? { downstream.endOfTable.map { StreamPosition(chunk: $0.chunkCount, packet: 0) } }
}
