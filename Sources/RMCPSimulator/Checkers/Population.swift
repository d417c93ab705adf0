import RMCPProtocol

/// The nodes of a world, as checkers look at them.
protocol Population {
    var senders: [SenderNode] { get }
    var receivers: ContiguousArray<ReceiverNode> { get }
    var repairNodes: [RepairNode] { get }
    var delivery: Delivery { get }
}

extension Population {
    var allReceivers: [Int] { Array(receivers.indices) }

    func address(ofReceiver index: Int) -> SocketAddress { delivery.address(ofReceiver: index) }
}
