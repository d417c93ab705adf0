/// Cookies, which a child must show to be served at its address: a digest of the address and of the parent's secret, so that
/// nothing is kept for those who only ask (as with SYN cookies, RFC 4987, 3.6).
struct AddressCookies: Sendable {
    private let secret: CookieSecret
    private let digest: any MessageDigest

    /// Bytes: the secret, and an address with its family and port.
    private static let messageLength = 35

    init(secret: CookieSecret, digest: any MessageDigest) {
        self.secret = secret
        self.digest = digest
    }

    /// Never 0, which stands for none.
    func cookie(for address: SocketAddress) -> UInt64 {
        var writer = ByteWriter(capacity: Self.messageLength)
        writer.writeUInt64(secret.high)
        writer.writeUInt64(secret.low)
        writer.writeUInt8(address.family.rawValue)
        writer.writeUInt64(address.high)
        writer.writeUInt64(address.low)
        writer.writeUInt16(address.port)
        return digest.digest(of: writer.bytes).value.a | 1
    }
}
