/// The reach of a multicast address, by its number alone.
enum MulticastScope: Hashable, Sendable {
    /// 224.0.0.0/24, which no router passes on.
    case link
    /// 232.0.0.0/8, which is joined together with a source.
    case sourceSpecific
    /// 239.0.0.0/8 (RFC 2365); a greater width reaches further.
    case administrative(width: Int)
    /// All other IPv4 groups.
    case wide
    /// IPv6: the scope that the address names (RFC 4291, section 2.7).
    case named(UInt8)

    private static let linkPrefix: [UInt8] = [224, 0, 0]
    private static let sourceSpecificByte: UInt8 = 232
    private static let administrativeByte: UInt8 = 239
    /// The local scope is 239.255.0.0/16, and may grow into the two below (RFC 2365, section 6.1).
    private static let firstLocalByte: UInt8 = 253
    private static let scopeNibble: UInt8 = 0xF
    private static let localWidth = 0
    private static let organizationWidth = 1

    /// Nil for what is no multicast address.
    init?(of address: SocketAddress) {
        guard address.isMulticast else { return nil }
        let bytes = address.addressBytes
        if address.family == .ipv6 {
            self = .named(bytes[1] & Self.scopeNibble)
        } else if bytes.starts(with: Self.linkPrefix) {
            self = .link
        } else if bytes[0] == Self.sourceSpecificByte {
            self = .sourceSpecific
        } else if bytes[0] == Self.administrativeByte {
            self = .administrative(width: bytes[1] >= Self.firstLocalByte ? Self.localWidth : Self.organizationWidth)
        } else {
            self = .wide
        }
    }

    func isWithin(_ other: MulticastScope) -> Bool {
        if case (.administrative(let own), .administrative(let limit)) = (self, other) { return own <= limit }
        return self == other
    }
}

extension SocketAddress {
    /// Whether receivers of `group` join this as a region: it has the group's family and port, and its scope, or a smaller one of
    /// those that administrators draw. Whoever advertises anything else would have a fleet join what it has nothing to do with.
    public func mayBeRegion(of group: SocketAddress) -> Bool {
        guard family == group.family, port == group.port, self != group, let own = MulticastScope(of: self), let limit = MulticastScope(of: group)
        else { return false }
        return own.isWithin(limit)
    }
}
