import Crypto
import Foundation
import RMCPProtocol
import Testing

@testable import RMCPContent

/// Bundles that are sealed for a group: its holders get it back, and nobody else learns or changes anything of it.
@Suite struct SealTests {
    static let key = GroupKey(bytes: Bytes32(1, 2, 3, 4))
    static let session = SessionID(high: 0x0102_0304_0506_0708, low: 9)
    static let salt = Bytes32(5, 6, 7, 8)

    private static func sealer(_ key: GroupKey = key, session: SessionID = session, salt: Bytes32 = salt) -> ChunkSealer {
        ChunkSealer(session: session, salt: salt, key: key)
    }

    private func encode(_ content: [UInt8], chunk: UInt32 = 7, level: Int = 3, by sealer: ChunkSealer = sealer()) throws -> (ChunkRecord, [UInt8]) {
        var destination = [UInt8](repeating: 0xEE, count: content.count)
        let encoder = try ChunkEncoder(level: level, sealer: sealer)
        let record = try content.withUnsafeBytes { content in
            try destination.withUnsafeMutableBytes { try encoder.encode(content: content, chunk: chunk, into: $0) }
        }
        return (record, Array(destination.prefix(Int(record.encodedLength))))
    }

    private func open(_ sealed: [UInt8], _ record: ChunkRecord, chunk: UInt32 = 7, by sealer: ChunkSealer = sealer()) throws -> [UInt8] {
        var bytes = sealed
        let decoder = try ChunkDecoder()
        try bytes.withUnsafeMutableBytes { try sealer.open($0, of: chunk, record) }
        guard record.kind == .compressed else { return bytes }
        var content = [UInt8](repeating: 0, count: Int(record.contentLength))
        try bytes.withUnsafeBytes { bytes in
            try content.withUnsafeMutableBytes {
                try decoder.decode(bytes, record: sealer.readable(record, of: chunk), digester: sealer.digester, into: $0)
            }
        }
        return content
    }

    @Test(arguments: [0, 3], Sample.allCases) func aChunkComesBack(level: Int, sample: Sample) throws {
        for length in [1, 15, 16, 17, 1_000, 65_537, 1 << 20] {
            let content = sample.content(length)
            let (record, sealed) = try encode(content, level: level)
            if sample == .zeros {
                #expect(record == .zero(contentLength: UInt32(length)))
                continue
            }
            #expect(record.isSealed && Int(record.encodedLength) == sealed.count && sealed.count <= length)
            #expect(record.encodedDigest == digest(sealed), "repair nodes could not verify it")
            #expect(try open(sealed, record) == content)
            #expect(content.withUnsafeBytes { Self.sealer().digester.matches($0, Self.sealer().readable(record, of: 7)) })
            // Nothing of it shows.
            if length >= 16 { #expect(!Data(sealed).contains(Data(content.prefix(16)))) }
            #expect(record.contentDigest != digest(content) && record.contentDigest != record.encodedDigest)
        }
    }

    @Test("Sealing again gives the same, so that an old chunk can be sent again") func isDeterministic() throws {
        let content = Sample.text.content(100_000)
        #expect(try encode(content) == encode(content))
    }

    @Test("What differs in anything is sealed under another nonce: two ciphertexts under one would give both away") func noncesDiffer() throws {
        // Stored chunks of one session and number whose contents differ in a bit: under one nonce the ciphertexts would, too.
        var content = Sample.random.content(4_096)
        let (_, first) = try encode(content, level: 0)
        content[0] ^= 1
        let (_, second) = try encode(content, level: 0)
        let equal = zip(first, second).filter { $0 == $1 }.count
        #expect(equal < 100, "\(equal) of 4096 bytes are the same")
        content[0] ^= 1
        let (_, elsewhere) = try encode(content, chunk: 8, level: 0)
        #expect(zip(first, elsewhere).filter { $0 == $1 }.count < 100)
    }

    @Test("Equal contents cannot be told: neither in one session nor in two") func equalityIsHidden() throws {
        let content = Sample.random.content(2_000)
        let (record, sealed) = try encode(content)
        let others = [
            try encode(content, chunk: 8), try encode(content, by: Self.sealer(salt: Bytes32(5, 6, 7, 9))),
            try encode(content, by: Self.sealer(session: SessionID(high: 1 << 32, low: 2))), try encode(content, by: Self.sealer(GroupKey())),
        ]
        for (other, bytes) in others {
            #expect(other.contentDigest != record.contentDigest && other.encodedDigest != record.encodedDigest && bytes != sealed && other.tag != record.tag)
        }
        // The group's own nodes can, so that what is here need not come again.
        let later = Self.sealer(session: SessionID(high: 1 << 32, low: 2), salt: Bytes32(9, 9, 9, 9))
        let (again, _) = try encode(content, by: later)
        #expect(later.readable(again, of: 7).contentDigest == Self.sealer().readable(record, of: 7).contentDigest)
    }

    @Test("Nothing opens that was changed, moved or sealed for others, and it stays as it is") func refusals() throws {
        let (record, sealed) = try encode(Sample.text.content(50_000))
        func expectRefusal(_ bytes: [UInt8], _ record: ChunkRecord, chunk: UInt32 = 7, by sealer: ChunkSealer = Self.sealer(), _ comment: Comment) {
            var copy = bytes
            #expect(throws: ContentError.sealMismatch, comment) { try copy.withUnsafeMutableBytes { try sealer.open($0, of: chunk, record) } }
            #expect(copy == bytes, comment)
        }
        for position in [0, 1, sealed.count / 2, sealed.count - 1] {
            var bent = sealed
            bent[position] ^= 0x80
            expectRefusal(bent, record, "byte \(position)")
        }
        expectRefusal(sealed, record, chunk: 8, "another chunk")
        expectRefusal(sealed, record, by: Self.sealer(GroupKey()), "another key")
        expectRefusal(sealed, record, by: Self.sealer(salt: .zero), "another salt")
        expectRefusal(sealed, record, by: Self.sealer(session: SessionID(high: 1 << 33, low: 0)), "another session")
        expectRefusal(Array(sealed.dropLast()), record, "too short")
        let tag = SealTag(high: record.tag.high, low: record.tag.low ^ 1)
        expectRefusal(sealed, record.sealed(tag: tag, encodedDigest: record.encodedDigest, maskedDigest: record.contentDigest), "another tag")
        var longer = record
        longer.contentLength += 1
        expectRefusal(sealed, longer, "another content length")
        expectRefusal(
            sealed,
            ChunkRecord(
                kind: record.kind, contentLength: record.contentLength, encodedLength: record.encodedLength, encodedDigest: record.encodedDigest,
                contentDigest: record.contentDigest), "not sealed")
    }

    // MARK: Details and keys

    private func announce(name: String = "disk.img") -> Announce {
        Announce(
            session: Self.session, kind: .file, chunkLength: 1 << 20, payloadLength: 1_376, creationTime: 1_700_000_000_000, contentLength: 5_000_000,
            allocatedLength: 4_000_000, mode: 0o640, modificationTime: FileTime(seconds: -5, nanoseconds: 7), name: name, key: PublicKey(Bytes32(7, 7, 7, 7)))
    }

    @Test(
        "An ANNOUNCE has its details for the group alone, in as many bytes whatever they are", arguments: ["a", "disk.img", String(repeating: "ü", count: 127)])
    func details(name: String) throws {
        let plain = announce(name: name)
        let sealed = try Self.sealer().seal(plain)
        let datagram = Packet.announce(sealed, .none).datagram(sessionTag: sealed.session.tag, transmitter: 1)
        #expect(datagram.count == Packet.solicitation.datagram(sessionTag: 0, transmitter: 1).count)
        #expect(name == "a" || !Data(datagram).contains(Data(name.utf8)))
        guard case .announce(let parsed, _) = try Packet.parse(datagram.span.bytes).1 else { throw CancellationError() }
        #expect(!parsed.isOpen && parsed.name == Announce.sealedName && parsed.contentLength == nil && parsed.mode == nil && parsed.modificationTime == nil)
        #expect(parsed == sealed.asSent && parsed.signedMessage == sealed.signedMessage)
        let opened = try #require(parsed.opened(by: GroupDetailsOpener(key: Self.key)))
        #expect(opened == sealed && opened.name == name && opened.contentLength == 5_000_000 && opened.mode == 0o640)
        #expect(opened.modificationTime == plain.modificationTime && opened.allocatedLength == 4_000_000)
        #expect(parsed.opened(by: GroupDetailsOpener(key: GroupKey())) == nil)
        guard case .sealed(var details) = parsed.secrecy else { throw CancellationError() }
        details.bytes[40] ^= 1
        var bent = parsed
        bent.secrecy = .sealed(details)
        #expect(bent.opened(by: GroupDetailsOpener(key: Self.key)) == nil)
    }

    @Test func keysAsText() throws {
        let key = GroupKey()
        let group = try GroupKeyFile(parsing: key.fileText)
        #expect(group.group?.bytes == key.bytes && group.control.bytes == key.control.bytes)
        let control = try GroupKeyFile(parsing: key.control.fileText)
        #expect(control.group == nil && control.control.bytes == key.control.bytes && key.control.bytes != key.bytes)
        for text in [
            "", "# nothing", "rmcp-group-key", "rmcp-group-key AAAA", SigningKey().fileText, "rmcp-group-key " + Data(count: 32).base64EncodedString(),
        ] {
            #expect(throws: ContentError.self, "\(text)") { try GroupKeyFile(parsing: text) }
        }
    }

    /// The derivation and the cipher as somebody else would write them from docs/protocol.md.
    @Test func isWhatTheProtocolSays() throws {
        func derive(_ info: String, salt: [UInt8], _ count: Int) -> [UInt8] {
            let prk = HMAC<SHA256>.authenticationCode(
                for: Self.key.bytes.bytes, using: SymmetricKey(data: salt.isEmpty ? [UInt8](repeating: 0, count: 32) : salt))
            var result: [UInt8] = []
            var block: [UInt8] = []
            for counter in 1...UInt8(count / 32) {
                block = Array(HMAC<SHA256>.authenticationCode(for: block + Array(info.utf8) + [counter], using: SymmetricKey(data: Array(prk))))
                result += block
            }
            return result
        }
        #expect(Self.key.control.bytes.bytes == derive("rmcp control v1", salt: [], 32))
        let keys = derive("rmcp session v1 01020304050607080000000000000009", salt: Self.salt.bytes, 128)
        let content = Sample.random.content(100)
        let (record, sealed) = try encode(content, chunk: 7)
        func keyed(_ key: ArraySlice<UInt8>, _ message: [UInt8]) -> [UInt8] {
            message.withUnsafeBytes { BLAKE3Digest.keyed(Bytes32(bytes: key)!, $0) }.bytes
        }
        let digestKeys = derive("rmcp content digest v1", salt: [], 64)
        let code = try AES.GCM.seal(
            [UInt8](), using: SymmetricKey(data: digestKeys[..<32]), nonce: AES.GCM.Nonce(data: [UInt8](repeating: 0, count: 12)), authenticating: content
        ).tag
        let contentDigest = keyed(digestKeys[32...], Array(code))
        let form: [UInt8] = [0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 100, 0, 0, 0, 100]
        let nonce = keyed(keys[32..<64], form + contentDigest).prefix(12)
        let box = try AES.GCM.seal(
            content, using: SymmetricKey(data: keys[..<32]), nonce: AES.GCM.Nonce(data: nonce),
            authenticating: bytes(hex: "0102030405060708 0000000000000009") + form)
        #expect(sealed == Array(box.ciphertext))
        #expect(record.tag.high == box.tag.prefix(8).reduce(0) { $0 << 8 | UInt64($1) })
        let pad = keyed(keys[64..<96], [0, 0, 0, 0, 0, 0, 0, 7])
        #expect(record.contentDigest.value.bytes == zip(contentDigest, pad).map { $0 ^ $1 })
    }
}
