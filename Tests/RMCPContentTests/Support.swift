import RMCPContent
import RMCPProtocol
import Testing

/// Bytes of a hex literal; whatever is no hex digit merely sets fields apart.
func bytes(hex: String) -> [UInt8] {
    let digits = hex.compactMap(\.hexDigitValue)
    precondition(digits.count.isMultiple(of: 2), "half a byte")
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

func digest(_ content: [UInt8]) -> Digest { BLAKE3Digest().digest(of: content) }

/// Contents of the kinds that chunks have.
enum Sample: String, CaseIterable, CustomTestStringConvertible {
    case zeros, text, random

    var testDescription: String { rawValue }

    func content(_ length: Int, seed: UInt64 = 1) -> [UInt8] {
        var random = RandomSource(seed: seed)
        switch self {
        case .zeros: return Array(repeating: 0, count: length)
        case .random:
            var result: [UInt8] = []
            result.reserveCapacity(length + 8)
            while result.count < length {
                let word = random.next()
                for shift in stride(from: UInt64(0), to: 64, by: 8) { result.append(UInt8(truncatingIfNeeded: word >> shift)) }
            }
            return Array(result.prefix(length))
        case .text:
            let words = ["kernel ", "module ", "/usr/lib/", "systemd", "\n", "config=", "0x1f ", "the ", "of ", "loaded "].map { Array($0.utf8) }
            var result: [UInt8] = []
            result.reserveCapacity(length + 16)
            while result.count < length { result.append(contentsOf: words[Int(random.next() % 10)]) }
            return Array(result.prefix(length))
        }
    }
}

extension ChunkEncoder {
    /// The record, and what travels: the frame, or the content itself.
    func encode(_ content: [UInt8], room: Int? = nil) throws -> (ChunkRecord, encoded: [UInt8]) {
        var destination = [UInt8](repeating: 0xEE, count: room ?? content.count)
        let record = try content.withUnsafeBytes { content in
            try destination.withUnsafeMutableBytes { try encode(content: content, into: $0) }
        }
        switch record.kind {
        case .compressed: return (record, Array(destination.prefix(Int(record.encodedLength))))
        case .stored: return (record, content)
        case .zero: return (record, [])
        }
    }
}

extension ChunkDecoder {
    func verify(_ encoded: [UInt8], _ record: ChunkRecord) throws {
        try encoded.withUnsafeBytes { try verify($0, against: record) }
    }

    /// Decodes into a buffer with `margin` bytes behind the content, which must stay as they were.
    func decode(_ encoded: [UInt8], _ record: ChunkRecord, margin: Int = 64) throws -> [UInt8] {
        let length = Int(record.contentLength)
        var content = [UInt8](repeating: 0xEE, count: length + margin)
        defer { precondition(content.dropFirst(length).allSatisfy { $0 == 0xEE }, "written beyond the chunk") }
        try encoded.withUnsafeBytes { encoded in
            try content.withUnsafeMutableBytes { try decode(encoded, record: record, into: $0) }
        }
        return Array(content[..<length])
    }
}
