public struct SocketAddress: Hashable, Sendable {
    public var high: UInt64
    public var low: UInt64
    public var port: UInt16
    public init(high: UInt64, low: UInt64, port: UInt16) {
        self.high = high
        self.low = low
        self.port = port
    }
}
