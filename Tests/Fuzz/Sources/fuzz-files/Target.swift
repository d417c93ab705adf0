import FuzzSupport
import Glibc

@testable import RMCPContent
@testable import RMCPHost
@testable import RMCPProtocol

/// One input is one file or one piece of content from outside; its first byte says which.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var input = unsafe Input(start, count)
    switch Kind(rawValue: input.byte() % 8) {
    case .journal: checkJournal(input.rest())
    case .signingKey: checkSigningKey(input.rest())
    case .trust: checkTrust(input.rest())
    case .publicKey: checkPublicKey(input.rest())
    case .name: checkName(input.rest())
    case .chunk: checkChunk(input.rest())
    case .content: checkContent(input.rest())
    case nil: break
    }
    return 0
}

@_cdecl("LLVMFuzzerInitialize")
public func initialize(_: UnsafeMutableRawPointer?, _: UnsafeMutableRawPointer?) -> CInt {
    writeSeeds(seeds())
    return 0
}

enum Kind: UInt8 {
    case journal, signingKey, trust, publicKey, name, chunk, content
}

// MARK: Keys and names

private func checkSigningKey(_ bytes: [UInt8]) {
    guard let text = String(validating: bytes, as: UTF8.self), let key = try? SigningKey(parsing: text) else { return }
    let again = try? SigningKey(parsing: key.fileText)
    require(again?.publicKey == key.publicKey && key.publicKey != .none, "a key is not what its file says")
    let signature = Ed25519Signer(key).signature(for: bytes)
    require(Ed25519Verifier().isValid(signature, for: bytes, by: key.publicKey), "a key does not verify what it signed")
}

private func checkTrust(_ bytes: [UInt8]) {
    guard let text = String(validating: bytes, as: UTF8.self), let keys = try? PublicKeyText.parse(file: text, path: "trusted") else { return }
    require(!keys.isEmpty && !keys.contains(.none), "trusts nobody's key")
    let again = try? PublicKeyText.parse(file: keys.map { PublicKeyText.line(for: $0) }.joined(separator: "\n"), path: "trusted")
    require(again == keys, "\(keys.count) keys became \(again?.count ?? 0)")
    // None of these signed it, whatever points of the curve they are.
    for key in keys.prefix(2) { require(!Ed25519Verifier().isValid(.none, for: bytes, by: key), "an empty signature is taken") }
}

private func checkPublicKey(_ bytes: [UInt8]) {
    guard let text = String(validating: bytes, as: UTF8.self), let key = PublicKeyText.parse(line: text) else { return }
    require(key != .none, "the key that stands for none")
    require(PublicKeyText.parse(line: PublicKeyText.line(for: key, comment: "a comment")) == key, "\(text)")
    require(key.shortText.count == 12, "\(text)")
}

private func checkName(_ bytes: [UInt8]) {
    guard let name = String(validating: bytes, as: UTF8.self) else { return }
    let printable = BundleName.printable(name)
    require(printable.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }, "\(bytes) is printed with control characters")
    guard BundleName.objection(to: name) == nil else { return }
    require(!name.utf8.contains(0) && !name.utf8.contains(UInt8(ascii: "/")) && (1...255).contains(name.utf8.count), "took the name \(bytes)")
    require(name != "." && name != "..", "took the name \(bytes)")
}

// MARK: Chunks

// libFuzzer has one thread.
nonisolated(unsafe) private let decoder = try? ChunkDecoder()
nonisolated(unsafe) private let encoder = try? ChunkEncoder(level: 1)

/// A page of the table and behind it the encoded bytes of its first chunk.
private func checkChunk(_ bytes: [UInt8]) {
    var reader = unsafe ByteReader(bytes.span.bytes)
    guard let decoder = unsafe decoder, let page = try? TablePage(reading: &reader, chunkLengthLimit: 1 << 16), let record = page.records.first else { return }
    let encoded = bytes[reader.offset...]
    // Of the record's length to the byte, for AddressSanitizer to see what is written behind it.
    var content = [UInt8](repeating: 0xA5, count: Int(record.contentLength))
    unsafe encoded.withUnsafeBytes { encoded in
        unsafe content.withUnsafeMutableBytes { content in
            let isEncoded = (unsafe try? decoder.verify(encoded, against: record)) != nil
            require(!isEncoded || encoded.count == Int(record.encodedLength), "verified bytes of another length")
            // Called for verified bytes only; what a trusted sender signed may be no frame all the same.
            guard (unsafe try? decoder.decode(encoded, record: record, into: content)) != nil else { return }
            require(unsafe ContentDigester.plain.matches(UnsafeRawBufferPointer(content), record), "decoded to something else")
        }
    }
}

private func checkContent(_ bytes: [UInt8]) {
    guard let encoder = unsafe encoder, let decoder = unsafe decoder, !bytes.isEmpty else { return }
    // Repeated, or nothing would be long enough to be compressed.
    let content = Array([bytes, bytes, bytes, bytes].joined())
    var frame = [UInt8](repeating: 0, count: content.count)
    var decoded = [UInt8](repeating: 0, count: content.count)
    unsafe content.withUnsafeBytes { content in
        unsafe frame.withUnsafeMutableBytes { frame in
            guard let record = unsafe try? encoder.encode(content: content, into: frame) else { fatalError("does not encode") }
            require(Int(record.contentLength) == content.count && record.encodedLength <= record.contentLength, "\(record)")
            require(unsafe ContentDigester.plain.matches(content, record), "\(record) is of something else")
            guard record.kind == .compressed else { return }
            let encoded = unsafe UnsafeRawBufferPointer(rebasing: frame.prefix(Int(record.encodedLength)))
            unsafe decoded.withUnsafeMutableBytes { decoded in
                require((unsafe try? decoder.verify(encoded, against: record)) != nil, "does not verify")
                require((unsafe try? decoder.decode(encoded, record: record, into: decoded)) != nil, "does not decode")
                require(unsafe content.elementsEqual(UnsafeRawBufferPointer(decoded)), "decodes to something else")
            }
        }
    }
}
