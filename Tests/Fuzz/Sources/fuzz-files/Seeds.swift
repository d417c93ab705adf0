import FuzzSupport

@testable import RMCPContent
@testable import RMCPProtocol

/// A good one of everything, and for files that are written piece by piece a torn one.
func seeds() -> [(name: String, bytes: [UInt8])] {
    func seed(_ name: String, _ kind: Kind, _ bytes: [UInt8]) -> (name: String, bytes: [UInt8]) { (name, [kind.rawValue] + bytes) }
    func seed(_ name: String, _ kind: Kind, _ text: String) -> (name: String, bytes: [UInt8]) { seed(name, kind, Array(text.utf8)) }
    let header: [UInt8] = Array("RMCPJRN1".utf8) + [0, 0, 3, 0xE8, 0, 0, 0, 0]
    let entry: [UInt8] = [0, 0, 0, 1, 0, 0, 3, 0xE8] + Array(repeating: 7, count: 32)
    let identity: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 9] + Array(repeating: 3, count: 32)
    // Not secret: 32 bytes of the same value.
    let secret = "rmcp-ed25519-private BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n"
    let key = PublicKeyText.line(for: PublicKey(Bytes32(1, 2, 3, 4)), comment: "somebody@somewhere")
    return [
        seed("journal", .journal, header + entry + identity), seed("journal-empty", .journal, []),
        seed("journal-other-length", .journal, header.prefix(10) + [0, 1, 0, 0, 0, 0] + entry),
        seed("journal-header-torn", .journal, Array(header.prefix(9))),
        seed("key", .signingKey, "# a comment\n" + secret), seed("key-torn", .signingKey, String(secret.dropLast(9))),
        seed("trust", .trust, "# whom to trust\n\n  " + key + "\n" + key.split(separator: " ")[1] + "\n"),
        seed("trust-bad", .trust, key + "\nnonsense\n"), seed("public-key", .publicKey, key),
        seed("name", .name, "größe.img"), seed("name-hidden", .name, ".x.rmcp-partial"), seed("name-outside", .name, "../\u{1B}[2J"),
        seed("content", .content, "the quick brown fox jumps over the lazy dog, again and again and again"),
        seed("content-zero", .content, Array(repeating: 0, count: 70)), seed("chunk", .chunk, chunk()),
    ]
}

private func chunk() -> [UInt8] {
    let content = Array(repeating: Array("compressible ".utf8), count: 60).flatMap { $0 }
    var frame = [UInt8](repeating: 0, count: content.count)
    let record = unsafe content.withUnsafeBytes { content in
        unsafe frame.withUnsafeMutableBytes { frame in
            unsafe try? ChunkEncoder(level: 1).encode(content: content, into: frame)
        }
    }
    guard let record, record.kind == .compressed else { fatalError("does not compress") }
    return TablePage(index: 0, firstChunk: 0, records: [record]).body + frame.prefix(Int(record.encodedLength))
}
