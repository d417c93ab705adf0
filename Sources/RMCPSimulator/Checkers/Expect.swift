import RMCPProtocol

/// Demands that a scenario may make of its world's end. Each answers what is wrong, in words; nothing where all is well.
enum Expect {
    static func that(_ condition: Bool, _ otherwise: @autoclosure () -> String) -> [String] { condition ? [] : [otherwise()] }

    /// Every receiver has every sender's bundle, and every sender knows it.
    static func allComplete(_ nodes: some Population) -> [String] {
        nodes.senders.filter(\.isRunning).flatMap {
            complete(nodes, sender: $0.index, receivers: nodes.allReceivers) + outcome(nodes, sender: $0.index, .complete)
        }
    }

    static func complete(_ nodes: some Population, sender index: Int = 0, receivers: [Int]) -> [String] {
        let session = nodes.senders[index].engine.session
        return receivers.map { nodes.receivers[$0] }.filter { $0.record.completed[session] == nil }.map { receiver in
            let state = receiver.record.failed[session].map { "\($0)" } ?? progress(of: session, at: receiver)
            return "receiver \(receiver.index) did not complete sender \(index)'s bundle: \(state)"
        }
    }

    private static func progress(of id: SessionID, at receiver: ReceiverNode) -> String {
        guard let session = receiver.session(id.tag) else { return "not joined" }
        return "\(session.engine.chunksDone) of \(session.engine.chunkTotal ?? 0) chunks, \(session.engine.state); \(session.engine.diagnosis)"
    }

    // MARK: At the sender

    static func outcome(_ nodes: some Population, sender index: Int = 0, _ kind: SenderOutcome.Kind) -> [String] {
        let sender = nodes.senders[index]
        guard let outcome = sender.outcome else { return ["sender \(index) is not done: \(sender.engine.sessionPhase), expected \(kind)"] }
        return outcome.kind == kind ? [] : ["sender \(index) ends with \(outcome.kind), expected \(kind)"]
    }

    /// Every sender is done, with whatever outcome: a receiver that fell silent may be counted as lost.
    static func ended(_ nodes: some Population) -> [String] {
        nodes.senders.filter { $0.outcome == nil }.map { "sender \($0.index) is not done: \($0.engine.sessionPhase)" }
    }

    /// DATA that left the sender is at most `factor` times the encoded bundle.
    static func copies(_ nodes: some Population, sender index: Int = 0, atMost factor: Double) -> [String] {
        let engine = nodes.senders[index].engine
        let data = engine.counters.firstBytes + engine.counters.repairBytes + engine.counters.catchUpBytes
        let copies = Double(data) / Double(max(1, engine.encodedLength))
        return copies <= factor ? [] : ["\(copies) copies left sender \(index), expected at most \(factor)"]
    }

    // MARK: At receivers

    /// Receivers are done, and took no longer than this from the start of the stream.
    static func finish(_ nodes: some Population, receivers: [Int], within seconds: Double) -> [String] {
        guard let start = nodes.senders[0].startedAt else { return ["never started"] }
        return receivers.compactMap { index in
            guard let done = nodes.receivers[index].record.completed[nodes.senders[0].engine.session] else { return "receiver \(index) did not finish" }
            let time = (done - start).inSeconds
            return time <= seconds ? nil : "receiver \(index) took \(time) s, expected at most \(seconds)"
        }
    }

    /// One receiver ends with `state`, of which the sender is told, and those before it have everything.
    static func failed(_ nodes: some Population, receiver index: Int, as state: ReceiverState) -> [String] {
        let sender = nodes.senders[0]
        let failure = nodes.receivers[index].record.failed[sender.engine.session]
        return complete(nodes, receivers: Array(0..<index)) + outcome(nodes, .partial)
            + that(failure == state, "receiver \(index) ends with \(failure.map { "\($0)" } ?? "nothing")")
            + that(sender.outcome?.receivers.count(state) == 1, "the sender does not know the reason")
    }

    static func refused(_ nodes: some Population, receiver index: Int, as reasons: [SessionRefusal]) -> [String] {
        let refusals = nodes.receivers[index].record.refusals
        return that(refusals == reasons, "refusals of receiver \(index) were \(refusals)")
    }

    // MARK: In a tree

    static func everybodyBelowARepairNode(_ nodes: some Population) -> [String] {
        nodes.receivers.filter { $0.record.lastDepth <= 1 }.map { "receiver \($0.index) ended below the sender and not its repair node" }
    }

    /// Repair nodes had so many parents above them when those last changed: 1 below the sender.
    static func depths(_ nodes: some Population, ofRepairNodes depths: [Int]) -> [String] {
        let found = nodes.repairNodes.map(\.record.depth)
        return that(found == depths, "repair nodes had \(found) parents above them, expected \(depths)")
    }

    /// Each of some repair nodes was the last parent of so many receivers.
    static func parent(_ nodes: some Population, of count: Int, each indices: ClosedRange<Int>) -> [String] {
        indices.flatMap { index in
            let address = nodes.delivery.address(ofRepairNode: index)
            let children = nodes.receivers.count { $0.record.lastParent == address }
            return that(children >= count, "\(children) receivers ended below repair node \(index), expected \(count) or more")
        }
    }

    static func everybodyListens(_ nodes: some Population, toOneOf indices: ClosedRange<Int>) -> [String] {
        let regions = Set(indices.map { Addressing.region(ofRepairNode: $0) })
        return nodes.receivers.filter { regions.isDisjoint(with: $0.endpoint.regions.joined) }.map { "receiver \($0.index) listens to none of \(indices)" }
    }

    /// Chunks that were received before a parent died are not fetched again.
    static func nobodyStartedAgain(_ nodes: some Population) -> [String] {
        let content = Double(nodes.senders[0].engine.encodedLength)
        return nodes.receivers.compactMap { receiver in
            let fetched = Double(receiver.record.fetchedBytes)
            return fetched < content * 1.1 ? nil : "receiver \(receiver.index) fetched \(fetched / content) copies"
        }
    }

    /// Bytes that went down a relay's link are at most so many copies of the bundle.
    static func crossed(_ nodes: some Population, relay: Int, atMost limit: Double) -> [String] {
        let copies = Double(nodes.delivery.repairSites[relay].downlink.carriedBytes) / Double(max(1, nodes.senders[0].engine.encodedLength))
        return copies <= limit ? [] : ["\(copies) copies crossed the relay's link, expected at most \(limit)"]
    }

    // MARK: Of faults

    /// Packets of a kind were lost, of which the next `count` were to be lost at some nodes.
    static func lost(_ nodes: some Population, _ kind: PacketKind, of count: Int) -> [String] {
        func left(_ link: Link) -> Int { link.dropNext[kind] ?? count }
        let someAtReceivers = nodes.receivers.contains { left($0.uplink) < count || left(nodes.delivery.downlinks[$0.index]) < count }
        let someAtNodes = nodes.repairNodes.contains { left($0.uplink) < count || left(nodes.delivery.repairSites[$0.index].downlink) < count }
        return that(someAtReceivers || someAtNodes, "no packet of kind \(kind) came where it was to be lost")
    }

    /// Silence between two times, and only there.
    /// - Parameter heard: when something was, in seconds.
    static func nothingHeard(_ heard: [Double], between start: Double, and end: Double) -> [String] {
        that(heard.contains { $0 < start }, "nothing was heard before \(start) s")
            + that(heard.contains { $0 > end }, "nothing was heard after \(end) s")
            + that(!heard.contains { $0 > start && $0 <= end }, "something was heard between \(start) and \(end) s")
    }
}
