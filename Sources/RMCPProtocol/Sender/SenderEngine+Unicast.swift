/// Unicast where multicast is not delivered. Only a child that has shown its address's cookie is served so: nobody else can be made to
/// receive a stream that they did not ask for.
extension SenderEngine {
    /// Takes note of how a child must be reached.
    mutating func noteDelivery(_ report: StatusReport, of name: ChildName, at source: SocketAddress, now: Instant) {
        let isUnderWay = report.histogram.active > 0 || report.histogram.tree.repairNodes > 0
        guard report.isDeaf || report.wantsStream, isUnderWay else { return unicastChildren.remove(name) }
        if unicastChildren.note(name, at: source, isRelay: report.wantsStream, configuration: configuration, now: now) {
            events.append(.unicastFallback(children: unicastChildren.deafCount))
        }
    }

    /// The next packets for a unicast child, in turn.
    mutating func nextUnicast(at now: Instant) -> Transmit? {
        for step in 0..<unicastChildren.count {
            let index = unicastChildren.index(inTurn: step)
            guard let transmit = nextAnswer(to: .child(index), at: now) else { continue }
            unicastChildren.endTurn(of: index)
            return transmit
        }
        return nil
    }

    mutating func sendUnicastHeartbeats(at now: Instant) {
        for index in unicastChildren.indices where unicastChildren.takeHeartbeat(of: index, at: now) {
            sayHeartbeat(to: .peer(unicastChildren[index].address), at: now)
        }
    }

    /// The next copy of the stream for a relay.
    mutating func nextCopy() -> Transmit? {
        guard let (copy, address) = unicastChildren.nextCopy() else { return nil }
        switch copy {
        case .packet(let packet): return paced(packet, to: .peer(address))
        case .batch(let batch):
            let copied = batch.redirected(to: .peer(address), firstSequence: unicastChildren.sequence(for: address))
            counters.relayedBytes += UInt64(account(copied))
            return .data(copied)
        }
    }
}
