import RMCPContent
import RMCPProtocol
import Testing

/// What a decoder must not take: damage, lies about lengths, frames made to hurt.
@Suite struct ChunkRefusalTests {
    /// A record that vouches for `encoded`, as a hostile or broken sender could sign it.
    private func record(encoded: [UInt8], contentLength: Int, content: [UInt8] = []) -> ChunkRecord {
        ChunkRecord(
            kind: .compressed, contentLength: UInt32(contentLength), encodedLength: UInt32(encoded.count),
            encodedDigest: digest(encoded), contentDigest: digest(content))
    }

    private func isCompressionError(_ error: any Error) -> Bool {
        if case .compression = error as? ContentError { true } else { false }
    }

    /// A frame put together by hand (RFC 8878, 3.1.1): single segment, content size in one byte, one raw block.
    private let hello = bytes(hex: "28B52FFD 20 05 290000 68656C6C6F")

    @Test func aFrameMadeByHandDecodes() throws {
        let content = Array("hello".utf8)
        let record = record(encoded: hello, contentLength: 5, content: content)
        let decoder = try ChunkDecoder()
        try decoder.verify(hello, record)
        #expect(try decoder.decode(hello, record) == content)
    }

    @Test func contentOfAnotherLengthOrDigestIsRefused() throws {
        let content = Array("hello".utf8)
        let decoder = try ChunkDecoder()
        #expect(throws: ContentError.contentMismatch) {
            try decoder.decode(hello, record(encoded: hello, contentLength: 6, content: content))
        }
        #expect(throws: ContentError.contentMismatch) {
            try decoder.decode(hello, record(encoded: hello, contentLength: 5, content: Array("hullo".utf8)))
        }
        #expect { try decoder.decode(hello, record(encoded: hello, contentLength: 4, content: content)) } throws: {
            isCompressionError($0)
        }
    }

    @Test func damagedEncodedBytesAreRefused() throws {
        var random = RandomSource(seed: 5)
        for sample in [Sample.text, .random] {
            let (record, encoded) = try ChunkEncoder(level: 3).encode(sample.content(20_000))
            let decoder = try ChunkDecoder()
            try decoder.verify(encoded, record)
            for _ in 0..<300 {
                var bent = encoded
                bent[Int(random.next() % UInt64(bent.count))] ^= 1 << UInt8(random.next() % 8)
                #expect(throws: ContentError.encodedDigestMismatch) { try decoder.verify(bent, record) }
            }
            for other in [Array(encoded.dropLast()), encoded + [0], []] {
                #expect(throws: ContentError.encodedDigestMismatch) { try decoder.verify(other, record) }
            }
        }
    }

    /// Damage that was signed all the same: the decoder gives an error or content that is not the record's, never a
    /// crash, never a byte beyond the chunk (`decode` in the support file looks), never the wrong content.
    @Test func damagedFramesNeverGiveWrongContent() throws {
        var random = RandomSource(seed: 6)
        let content = Sample.text.content(20_000)
        let (good, encoded) = try ChunkEncoder(level: 3).encode(content)
        let decoder = try ChunkDecoder()
        var refused = 0
        for round in 0..<2_000 {
            var bent = encoded
            if round % 4 == 0 {
                bent = Array(bent[..<Int(random.next() % UInt64(bent.count))])
            } else {
                for _ in 0...Int(random.next() % 4) {
                    bent[Int(random.next() % UInt64(bent.count))] ^= 1 << UInt8(random.next() % 8)
                }
            }
            do {
                #expect(try decoder.decode(bent, good) == content)
            } catch {
                refused += 1
            }
        }
        #expect(refused > 1_900)
        // And it is none the worse for it.
        #expect(try decoder.decode(encoded, good) == content)
    }

    // MARK: Bombs

    /// A window of 128 KiB, no content size, and blocks that each say one byte 131072 times: 4 bytes for 128 KiB.
    private func bomb(blocks: Int) -> [UInt8] {
        var frame = bytes(hex: "28B52FFD 00 38")
        for index in 0..<blocks {
            let header = 131_072 << 3 | 1 << 1 | (index == blocks - 1 ? 1 : 0)
            frame += [UInt8(header & 0xFF), UInt8(header >> 8 & 0xFF), UInt8(header >> 16), 0x41]
        }
        return frame
    }

    @Test func theBombIsAGoodFrame() throws {
        let frame = bomb(blocks: 8)
        let content = [UInt8](repeating: 0x41, count: 8 * 131_072)
        #expect(try ChunkDecoder().decode(frame, record(encoded: frame, contentLength: content.count, content: content)) == content)
    }

    @Test(arguments: [1, 100_000, 131_072, 1 << 20]) func aBombThatHidesItsSizeIsRefused(contentLength: Int) throws {
        // 2 GiB in 64 KiB.
        let frame = bomb(blocks: 16_384)
        let record = record(encoded: frame, contentLength: contentLength, content: [UInt8](repeating: 0x41, count: contentLength))
        let decoder = try ChunkDecoder()
        try decoder.verify(frame, record)
        #expect { try decoder.decode(frame, record) } throws: { isCompressionError($0) }
    }

    /// A frame that is honest about being larger than its record.
    @Test func aFrameLargerThanItsRecordIsRefused() throws {
        let content = Sample.text.content(50_000)
        let (good, encoded) = try ChunkEncoder(level: 3).encode(content)
        let decoder = try ChunkDecoder()
        for length in [1, 25_000, 49_999] {
            let record = record(encoded: encoded, contentLength: length, content: Array(content[..<length]))
            #expect { try decoder.decode(encoded, record) } throws: { isCompressionError($0) }
        }
        #expect(try decoder.decode(encoded, good) == content)
    }

    /// Several frames in one chunk are as much as their sum.
    @Test func aSecondFrameDoesNotGetPastTheLength() throws {
        let two = hello + hello
        let record = record(encoded: two, contentLength: 5, content: Array("hello".utf8))
        #expect { try ChunkDecoder().decode(two, record) } throws: { isCompressionError($0) }
    }

    @Test func aBufferShorterThanTheContentIsRefused() throws {
        let record = record(encoded: hello, contentLength: 5, content: Array("hello".utf8))
        #expect(throws: ContentError.bufferTooSmall) { try ChunkDecoder().decode(hello, record, margin: -1) }
    }

    // MARK: Kept chunks

    @Test func keptContentIsHeldAgainstTheRecord() throws {
        let content = Sample.text.content(5_000)
        let (record, _) = try ChunkEncoder(level: 3).encode(content)
        func isContent(_ bytes: [UInt8], of record: ChunkRecord) -> Bool {
            bytes.withUnsafeBytes { ContentDigester.plain.matches($0, record) }
        }
        #expect(isContent(content, of: record))
        var bent = content
        bent[4_999] ^= 1
        #expect(!isContent(bent, of: record))
        #expect(!isContent(Array(content.dropLast()), of: record) && !isContent(content + [0], of: record))
        let zero = ChunkRecord.zero(contentLength: 100)
        #expect(isContent([UInt8](repeating: 0, count: 100), of: zero))
        #expect(!isContent([UInt8](repeating: 0, count: 99), of: zero))
        #expect(!isContent([UInt8](repeating: 0, count: 99) + [1], of: zero))
    }
}
