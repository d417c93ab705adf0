import RMCPContent
import RMCPProtocol
import Testing

@Suite struct KeyTextTests {
    /// Keys whose base64 was made elsewhere.
    private let base64 = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    private let hex = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    private let otherBase64 = "/FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU="

    private func key() throws -> PublicKey { PublicKey(try #require(Bytes32(bytes: bytes(hex: hex)))) }

    // MARK: Public keys

    @Test func aLineIsLabelAndBase64() throws {
        let key = try key()
        #expect(PublicKeyText.line(for: key) == "rmcp-ed25519 " + base64)
        #expect(PublicKeyText.line(for: key, comment: "me@lab") == "rmcp-ed25519 \(base64) me@lab")
        #expect(key.shortText == "11qYAYKxCrfV")
    }

    @Test func linesAreReadInEveryFormThatIsAllowed() throws {
        let key = try key()
        for line in [
            base64, "  \(base64)  ", "rmcp-ed25519 \(base64)", "rmcp-ed25519\t\(base64)", "rmcp-ed25519   \(base64) a comment of words",
        ] { #expect(PublicKeyText.parse(line: line) == key, "\(line)") }
    }

    @Test func badLinesAreRefused() {
        let zeros = String(repeating: "A", count: 43) + "="
        for line in [
            "", " ", "rmcp-ed25519", "rmcp-ed25519 ", "ssh-ed25519 \(base64)", "\(base64) comment", "rmcp-ed25519-private \(base64)",
            "RMCP-ED25519 \(base64)", String(base64.dropLast()), String(base64.dropFirst(4)), base64 + base64, "AAAA\(base64)",
            "rmcp-ed25519 !!!!", "rmcp-ed25519 comment \(base64)", zeros, "rmcp-ed25519 \(zeros)",
        ] { #expect(PublicKeyText.parse(line: line) == nil, "\(line)") }
    }

    @Test func randomKeysComeBack() throws {
        var random = RandomSource(seed: 8)
        for _ in 0..<200 {
            let key = PublicKey(Bytes32(random.next(), random.next(), random.next(), random.next()))
            #expect(PublicKeyText.parse(line: PublicKeyText.line(for: key)) == key)
            #expect(PublicKeyText.parse(line: PublicKeyText.line(for: key, comment: "c")) == key)
        }
    }

    // MARK: Files of public keys

    @Test(arguments: ["\n", "\r\n"]) func filesHaveCommentsAndBlankLines(newline: String) throws {
        let text = ["# trusted", "", "rmcp-ed25519 \(base64) me", "   ", "  # more", "  \(otherBase64)", ""].joined(separator: newline)
        let keys = try PublicKeyText.parse(file: text, path: "keys")
        #expect(keys.map { PublicKeyText.line(for: $0) } == ["rmcp-ed25519 \(base64)", "rmcp-ed25519 \(otherBase64)"])
    }

    /// One bad line is not skipped: the user would believe the key to be trusted.
    @Test func aBadLineIsNamed() {
        let text = "# trusted\n\nrmcp-ed25519 \(base64)\nrmcp-ed25519 nonsense\n"
        #expect { try PublicKeyText.parse(file: text, path: "/etc/keys") } throws: {
            "\($0)".hasPrefix("/etc/keys, line 4: not a public key")
        }
        // A private key in its place is no public key either.
        #expect(throws: ContentError.self) { try PublicKeyText.parse(file: SigningKey().fileText, path: "k") }
    }

    @Test(arguments: ["", "\n\n", "# nothing\n"]) func aFileWithoutKeysIsRefused(text: String) {
        #expect(throws: ContentError.invalidKey("k: no public key in it")) { try PublicKeyText.parse(file: text, path: "k") }
    }

    // MARK: Private keys

    @Test func aNewPrivateKeyComesBack() throws {
        let key = SigningKey()
        let again = try SigningKey(parsing: key.fileText)
        #expect(again.publicKey == key.publicKey && again.fileText == key.fileText)
        let signature = Ed25519Signer(again).signature(for: [1, 2, 3])
        #expect(Ed25519Verifier().isValid(signature, for: [1, 2, 3], by: key.publicKey))
        #expect(SigningKey().publicKey != key.publicKey)
        // The file says that it is secret, and the public key is not hidden in it.
        #expect(key.fileText.hasPrefix("# ") && !key.fileText.contains(PublicKeyText.line(for: key.publicKey)))
    }

    @Test func aKnownPrivateKeyHasItsPublicKey() throws {
        let secret = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
        for text in [
            "rmcp-ed25519-private \(secret)\n", "# comment\r\n\r\nrmcp-ed25519-private \(secret)\r\n", "rmcp-ed25519-private \(secret) me",
        ] { #expect(try SigningKey(parsing: text).publicKey == key()) }
    }

    @Test func badPrivateKeysAreRefused() {
        let secret = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
        for text in [
            "", "# rmcp-ed25519-private \(secret)", secret, "rmcp-ed25519 \(secret)", "rmcp-ed25519-private",
            "rmcp-ed25519-private \(secret.dropFirst(4))", "rmcp-ed25519-private AAAA\(secret)", "rmcp-ed25519-private ????",
            "something else\nrmcp-ed25519-private \(secret)",
        ] { #expect(throws: ContentError.self, "\(text)") { try SigningKey(parsing: text) } }
    }
}
