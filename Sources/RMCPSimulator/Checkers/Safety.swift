import RMCPProtocol

/// Rules that hold whatever the scenario. The world has each thing looked at as it is done; what breaks a rule fails the
/// run.
struct Safety {
    private(set) var violations: [String] = []
    /// Content that each session's sender has.
    var contents: [SessionID: SimulatedContent] = [:]

    mutating func report(_ violation: String) { violations.append(violation) }

    /// A host sends bytes that it does not hold.
    mutating func reportUnheld(chunk: UInt32, by node: String) { report("\(node) sends chunk \(chunk) without holding it") }

    /// A sender that says that all receivers are complete has none on its books, or on those of a repair node, that is not.
    mutating func checkSuccess(of sender: SenderNode, among nodes: some Population) {
        let engine = sender.engine
        guard engine.waitsForReceivers else { return }
        for node in nodes.receivers where node.isRunning && node.record.completed[engine.session] == nil {
            guard let identity = node.record.identities[engine.session] else { continue }
            let address = nodes.address(ofReceiver: node.index)
            let isCounted =
                engine.counts(identity, at: address)
                || nodes.repairNodes.contains { node in
                    node.isRunning && node.sessions.contains { $0.engine.session == engine.session && $0.engine.downstream.counts(identity, at: address) }
                }
            guard isCounted, node.session(engine.session.tag)?.isCommitted != true else { continue }
            report("sender \(sender.index) says complete, and receiver \(node.index), which had joined, is not")
        }
    }

    /// A receiver says that it is complete when its bundle is durable, and not before.
    mutating func checkDurable(_ session: ReceiverNode.Session, at node: ReceiverNode) {
        if !session.isCommitted { report("receiver \(node.index) says complete before its bundle is durable") }
    }

    /// A bundle that is presented is what the sender had, all of it.
    mutating func checkPresented(_ session: ReceiverNode.Session, by node: ReceiverNode) {
        guard let content = contents[session.id] else {
            return report("receiver \(node.index) presents \(session.diskName), which nobody sent")
        }
        let chunks = node.disk.presented(session.diskName)
        guard chunks.count == Int(content.chunkCount) else {
            return report("receiver \(node.index) presents \(chunks.count) chunks of \(content.chunkCount)")
        }
        for chunk in 0..<content.chunkCount where chunks[Int(chunk)] != SimulatedDisk.mark(content.record(of: chunk).contentDigest) {
            return report("receiver \(node.index) presents a wrong chunk \(chunk)")
        }
    }
}
