/// Public keys as people exchange them: one line, like ssh's.
extension PublicKey {
    /// The first word of the line.
    public static let label = "rmcp-ed25519"

    /// `rmcp-ed25519 BASE64`.
    public var text: String { "\(Self.label) \(base64)" }

    /// The first characters of the key, for telling keys apart in messages.
    public var shortText: String { String(base64.prefix(12)) }

    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")

    /// RFC 4648, 4: three bytes are four digits, and what is missing of the last three is padded.
    private var base64: String {
        var result = ""
        let bytes = value.bytes
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            var bits = group.reduce(0) { $0 << 8 | Int($1) }
            bits <<= 8 * (3 - group.count)
            for digit in 0...group.count { result.append(Self.digits[bits >> (18 - 6 * digit) & 0x3F]) }
            result += String(repeating: "=", count: 3 - group.count)
        }
        return result
    }
}
