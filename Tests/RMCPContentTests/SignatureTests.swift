import RMCPContent
import RMCPProtocol
import Testing

@Suite struct SignatureTests {
    /// RFC 8032, 7.1: tests 1 and 3. The private key as the key file has it, in base64.
    struct Vector: Sendable {
        var file: String
        var publicKey: String
        var message: String
        var signature: String
    }

    static let vectors = [
        Vector(
            file: "rmcp-ed25519-private nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=\n",
            publicKey: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", message: "",
            signature: "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
                + "d25bf5f0595bbe24655141438e7a100b"),
        Vector(
            file: "rmcp-ed25519-private xaqN9D+fg3vtt0QvMdy3sWbThTUHbwlLhc46LgtEWPc=\n",
            publicKey: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", message: "af82",
            signature: "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
                + "4a7c15e9716ed28dc027beceea1ec40a"),
    ]

    private func signature(_ bytes: [UInt8]) throws -> Signature {
        Signature(r: try #require(Bytes32(bytes: bytes.prefix(32))), s: try #require(Bytes32(bytes: bytes.dropFirst(32))))
    }

    @Test(arguments: vectors) func knownSignatures(vector: Vector) throws {
        let signer = Ed25519Signer(try SigningKey(parsing: vector.file))
        let key = PublicKey(try #require(Bytes32(bytes: bytes(hex: vector.publicKey))))
        #expect(signer.publicKey == key)
        let message = bytes(hex: vector.message)
        let signed = signer.signature(for: message)
        // Whether the signature is the RFC's to the bit is the library's business; that the RFC's verifies is ours.
        #expect(Ed25519Verifier().isValid(signed, for: message, by: key))
        #expect(Ed25519Verifier().isValid(try signature(bytes(hex: vector.signature)), for: message, by: key))
    }

    @Test func everyFlippedBitIsFoundOut() throws {
        let signer = Ed25519Signer(SigningKey())
        let verifier = Ed25519Verifier()
        let message = Array("rmcp page v1\n and some bytes of a page".utf8)
        let good = signer.signature(for: message)
        #expect(verifier.isValid(good, for: message, by: signer.publicKey))
        for bit in 0..<512 {
            var bent = good.r.bytes + good.s.bytes
            bent[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(!verifier.isValid(try signature(bent), for: message, by: signer.publicKey), "bit \(bit) of the signature")
        }
        for bit in 0..<message.count * 8 {
            var bent = message
            bent[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(!verifier.isValid(good, for: bent, by: signer.publicKey), "bit \(bit) of the message")
        }
        for bit in 0..<256 {
            var bent = signer.publicKey.value.bytes
            bent[bit / 8] ^= 1 << UInt8(bit % 8)
            let key = PublicKey(try #require(Bytes32(bytes: bent)))
            #expect(!verifier.isValid(good, for: message, by: key), "bit \(bit) of the key")
        }
        #expect(!verifier.isValid(good, for: message + [0], by: signer.publicKey))
        #expect(!verifier.isValid(.none, for: message, by: signer.publicKey))
        #expect(!verifier.isValid(Signature(r: good.s, s: good.r), for: message, by: signer.publicKey))
    }

    @Test func anotherKeyDoesNotVerify() {
        let (mine, theirs) = (Ed25519Signer(SigningKey()), Ed25519Signer(SigningKey()))
        #expect(mine.publicKey != theirs.publicKey)
        let message: [UInt8] = [1, 2, 3]
        #expect(!Ed25519Verifier().isValid(mine.signature(for: message), for: message, by: theirs.publicKey))
        #expect(!Ed25519Verifier().isValid(theirs.signature(for: message), for: message, by: mine.publicKey))
    }

    @Test func unsignedIsNoSignature() {
        #expect(UnsignedSigner().publicKey == .none)
        #expect(UnsignedSigner().signature(for: [1]) == .none)
    }

    /// The table's three signed messages by the real thing: one kind does not pass for another.
    @Test func anAnnounceDoesNotVerifyAsAnythingElse() {
        let signer = Ed25519Signer(SigningKey())
        var announce = Announce(
            session: SessionID(high: 1, low: 2), kind: .file, chunkLength: 1_000, payloadLength: 400, creationTime: 0,
            contentLength: 5, allocatedLength: 5, mode: 0o600, modificationTime: nil, name: "image", key: signer.publicKey)
        let signature = signer.signature(for: announce.signedMessage)
        #expect(Ed25519Verifier().isValid(signature, for: announce.signedMessage, by: announce.key))
        announce.name = "imagf"
        #expect(!Ed25519Verifier().isValid(signature, for: announce.signedMessage, by: announce.key))
        announce.name = "image"
        announce.session.low = 3
        #expect(!Ed25519Verifier().isValid(signature, for: announce.signedMessage, by: announce.key))
    }
}
