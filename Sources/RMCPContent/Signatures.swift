import Crypto
import FoundationEssentials
public import RMCPProtocol

/// Signs with an Ed25519 private key (RFC 8032).
public struct Ed25519Signer: MessageSigner {
    private let key: Curve25519.Signing.PrivateKey
    public let publicKey: PublicKey

    public init(_ key: SigningKey) {
        self.key = key.key
        publicKey = key.publicKey
    }

    /// Signature of the message; `.none`, which receivers refuse, should the key fail.
    public func signature(for message: [UInt8]) -> Signature {
        // CryptoKit's signing throws where a hardware key may fail; this one is in memory. Were it to fail all the
        // same, receivers would refuse an empty signature.
        guard let data = try? key.signature(for: message), let r = Bytes32(bytes: data.prefix(32)),
            let s = Bytes32(bytes: data.dropFirst(32))
        else { return .none }
        return Signature(r: r, s: s)
    }
}

/// For `--unsigned`: sessions that only receivers with `--allow-unsigned` take.
public struct UnsignedSigner: MessageSigner {
    public init() {}
    public var publicKey: PublicKey { .none }
    public func signature(for message: [UInt8]) -> Signature { .none }
}

/// Verifies Ed25519 signatures.
public struct Ed25519Verifier: MessageVerifier {
    public init() {}

    /// Verifies a signature; false also where the key is none.
    public func isValid(_ signature: Signature, for message: [UInt8], by key: PublicKey) -> Bool {
        guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: key.value.bytes) else { return false }
        return key.isValidSignature(signature.r.bytes + signature.s.bytes, for: message)
    }
}

/// An Ed25519 private key and how it is written down.
public struct SigningKey: Sendable {
    let key: Curve25519.Signing.PrivateKey
    private static let label = "rmcp-ed25519-private"

    /// A new key from the system's random numbers.
    public init() { key = Curve25519.Signing.PrivateKey() }

    /// Reads the text of a key file.
    public init(parsing text: String) throws(ContentError) {
        for line in text.split(whereSeparator: \.isNewline) where !line.hasPrefix("#") {
            let words = line.split(separator: " ")
            guard words.count >= 2, words[0] == Self.label, let bytes = Data(base64Encoded: String(words[1])),
                let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: bytes)
            else { break }
            self.key = key
            return
        }
        throw .invalidKey("not an rmcp private key; make one with: rmcp keygen -o FILE")
    }

    public var publicKey: PublicKey { PublicKey(Bytes32(bytes: key.publicKey.rawRepresentation) ?? .zero) }

    /// The text of the private key file.
    public var fileText: String {
        "# Private key of rmcp. Keep it secret; others trust its public line.\n"
            + "\(Self.label) \(key.rawRepresentation.base64EncodedString())\n"
    }
}

/// Public keys as text: one line, like ssh's.
public enum PublicKeyText {
    /// Writes a key as `rmcp-ed25519 BASE64`, and behind that the comment.
    public static func line(for key: PublicKey, comment: String? = nil) -> String { comment.map { "\(key.text) \($0)" } ?? key.text }

    /// `rmcp-ed25519 BASE64 [comment]` or the bare base64.
    public static func parse(line: some StringProtocol) -> PublicKey? {
        let words = line.split(whereSeparator: \.isWhitespace)
        guard let first = words.first else { return nil }
        let encoded: Substring
        if first == PublicKey.label {
            guard words.count >= 2 else { return nil }
            encoded = Substring(words[1])
        } else {
            guard words.count == 1 else { return nil }
            encoded = Substring(first)
        }
        guard let data = Data(base64Encoded: String(encoded)), let bytes = Bytes32(bytes: data), bytes != .zero else { return nil }
        return PublicKey(bytes)
    }

    /// One key a line; blank lines and lines with # are skipped.
    public static func parse(file text: String, path: String) throws(ContentError) -> [PublicKey] {
        var keys: [PublicKey] = []
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let trimmed = line.drop(while: \.isWhitespace)
            if trimmed.isEmpty || trimmed.hasPrefix("#") { continue }
            guard let key = parse(line: trimmed) else {
                throw .invalidKey("\(path), line \(index + 1): not a public key; rmcp keygen prints lines of the form: rmcp-ed25519 BASE64")
            }
            keys.append(key)
        }
        guard !keys.isEmpty else { throw .invalidKey("\(path): no public key in it") }
        return keys
    }
}
