import RMCPProtocol

/// Passage of a payload over a link: what is left of it, and when that is through.
extension Link {
    /// A node puts it on its own link; nil when nothing gets through.
    mutating func send(_ payload: Payload, at now: Instant, using random: inout RandomSource) -> (Payload, Instant)? {
        let (bytes, datagrams) = payload.size
        guard let time = pass(bytes: bytes, datagrams: datagrams, at: now), let left = survivors(of: payload, using: &random) else { return nil }
        return (left, time)
    }

    /// A node puts one control datagram on its link: when it is through, nil when it is lost.
    mutating func send(_ bytes: [UInt8], at now: Instant, using random: inout RandomSource) -> Instant? {
        guard let time = pass(bytes: bytes.count + DatagramOverhead.bytes, datagrams: 1, at: now) else { return nil }
        let kind = unsafe PacketHeader.kind(of: bytes.span.bytes)
        return loses(kind: kind, length: bytes.count, using: &random) ? nil : time
    }

    /// A payload comes down the link to its node. What is lost on the way takes its time all the same.
    mutating func receive(_ payload: Payload, at now: Instant, using random: inout RandomSource) -> (Payload, Instant)? {
        guard isUp, let left = survivors(of: payload, using: &random) else { return nil }
        let (bytes, datagrams) = payload.size
        return pass(bytes: bytes, datagrams: datagrams, at: now).map { (left, $0) }
    }

    /// A payload passes a link that many share: a full queue drops packets, not trains.
    mutating func passPackets(of payload: Payload, at now: Instant, using random: inout RandomSource) -> (Payload, Instant)? {
        guard isUp, var left = survivors(of: payload, using: &random) else { return nil }
        if case .train(let train, let mask) = left {
            let room = room(at: now) / (DataHeader.length + Int(train.batch.payloadLength) + DatagramOverhead.bytes)
            if room > 0, room < mask.nonzeroBitCount {
                drop(datagrams: mask.nonzeroBitCount - room)
                left = .train(train, mask: Self.first(room, of: mask))
            }
        }
        let (bytes, datagrams) = left.size
        return pass(bytes: bytes, datagrams: datagrams, at: now).map { (left, $0) }
    }

    private static func first(_ count: Int, of mask: UInt64) -> UInt64 {
        var kept: UInt64 = 0
        var rest = mask
        for _ in 0..<count {
            kept |= rest & (~rest &+ 1)
            rest &= rest &- 1
        }
        return kept
    }

    /// The part of a payload that is not lost; nil when nothing is left.
    mutating func survivors(of payload: Payload, using random: inout RandomSource) -> Payload? {
        switch payload {
        case .control(let datagram):
            return loses(kind: datagram.packet?.header.kind, length: datagram.bytes.count, using: &random) ? nil : payload
        case .packet(let bytes, _):
            let kind = unsafe PacketHeader.kind(of: bytes.span.bytes)
            return loses(kind: kind, length: bytes.count, using: &random) ? nil : payload
        case .train(let train, let mask):
            let left = survivors(of: mask, using: &random) { DataHeader.length + train.batch.payloadRange(at: $0).count }
            if left == mask { return payload }
            return left == 0 ? nil : .train(train, mask: left)
        }
    }
}

extension LinkModel {
    /// A flipped bit or a cut end; also what that does to a fingerprint. Nil when the datagram stays as it is.
    func damage(_ bytes: [UInt8], using random: inout RandomSource) -> ([UInt8], UInt64)? {
        if random.chance(truncation) {
            return (Array(bytes.prefix(Int.random(in: 0..<bytes.count, using: &random))), 1)
        }
        guard random.chance(corruption) else { return nil }
        var bytes = bytes
        let position = Int.random(in: 0..<bytes.count, using: &random)
        bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        return (bytes, position >= DataHeader.length ? 1 << UInt64(position & 63) : 0)
    }
}
