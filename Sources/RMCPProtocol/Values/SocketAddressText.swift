/// Addresses as people and configuration files write them.
extension SocketAddress {
    /// `ADDR:PORT` or `[V6]:PORT`.
    public var text: String { family == .ipv4 ? "\(host):\(port)" : "[\(host)]:\(port)" }

    /// The address alone.
    public var host: String { family == .ipv4 ? Self.dotted(low) : hostV6 }

    private static func dotted(_ address: UInt64) -> String {
        stride(from: 24, through: 0, by: -8).map { "\(address >> UInt64($0) & 0xFF)" }.joined(separator: ".")
    }

    /// RFC 5952, 4: the first of the longest runs of two zero groups or more is `::`. RFC 4291, 2.5.5.2: what maps an IPv4
    /// address ends in it.
    private var hostV6: String {
        if high == 0, low >> 32 == 0xFFFF { return "::ffff:\(Self.dotted(low))" }
        let groups = [high, low].flatMap { word in stride(from: 48, through: 0, by: -16).map { word >> UInt64($0) & 0xFFFF } }
        var longest = 0..<0
        var start = 0
        while start < groups.count {
            let end = groups[start...].firstIndex { $0 != 0 } ?? groups.count
            if end - start > longest.count { longest = start..<end }
            start = max(end, start + 1)
        }
        func text(_ groups: ArraySlice<UInt64>) -> String { groups.map { String($0, radix: 16) }.joined(separator: ":") }
        guard longest.count > 1 else { return text(groups[...]) }
        return "\(text(groups[..<longest.lowerBound]))::\(text(groups[longest.upperBound...]))"
    }
}
