/// Cookies, which a child must show to be served at its address: a digest of the address and of a number that only this parent knows, so that
/// nothing is kept for those who only ask (as with SYN cookies, RFC 4987, 3.6).
struct AddressCookies: Sendable {
    /// Number that only this parent knows.
    private let secret: UInt64
    private let digest: any MessageDigest

    /// Bytes: the secret, and an address with its family and port.
    private static let messageLength = 27

    init(secret: UInt64, digest: any MessageDigest) {
        self.secret = secret
        self.digest = digest
    }

    /// Never 0, which stands for none.
    func cookie(for address: SocketAddress) -> UInt64 {
        var writer = ByteWriter(capacity: Self.messageLength)
        writer.writeUInt64(secret)
        writer.writeUInt8(address.family.rawValue)
        writer.writeUInt64(address.high)
        writer.writeUInt64(address.low)
        writer.writeUInt16(address.port)
        return digest.digest(of: writer.bytes).value.a | 1
    }
}
