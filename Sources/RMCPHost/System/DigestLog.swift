import RMCPProtocol

/// An `AppendLog` of what is known of chunks, under a journal of a receiver or of a cache.
///
/// Layout: 16 bytes of header (the journal's mark, chunk length as 32 bits, 4 reserved), then 40 bytes an entry (chunk,
/// a number, 32 bytes), all big-endian.
final class DigestLog: Sendable {
    struct Entry: Sendable {
        var chunk: UInt32
        /// A length, or what else a journal has to say beside the digest.
        var number: UInt32
        var value: Bytes32

        init(chunk: UInt32, number: UInt32, value: Bytes32) {
            self.chunk = chunk
            self.number = number
            self.value = value
        }

        fileprivate init(reading reader: inout ByteReader) throws(WireError) {
            chunk = try reader.readUInt32()
            number = try reader.readUInt32()
            value = try reader.readBytes32()
        }

        fileprivate func write(to writer: inout ByteWriter) {
            writer.writeUInt32(chunk)
            writer.writeUInt32(number)
            writer.writeBytes32(value)
        }
    }

    static let headerLength = 16
    static let entryLength = 40

    private let log: AppendLog
    /// Entries that were there, whatever was in them.
    let count: Int
    /// Whether there was no log of this mark and chunk length.
    let isNew: Bool

    /// Reads what is there, and begins anew where that is something else.
    /// - Parameters:
    ///   - mark: "RMCP" and four more letters.
    ///   - limit: entries that it may have.
    ///   - body: told each entry, in order. What was torn may have anything in it.
    init(
        _ descriptor: OwnedDescriptor, mark: UInt64, chunkLength: UInt32, limit: Int, path: String, files: FileSystem = .host,
        _ body: (Entry) -> Void
    ) throws(HostError) {
        log = AppendLog(descriptor, limit: Self.headerLength + Self.entryLength * limit, path: path, files: files)
        let header = Self.header(mark: mark, chunkLength: chunkLength)
        var count = 0
        var isNew = true
        try log.read { window throws(HostError) in
            guard let found = try window.bytes(at: 0, count: Self.headerLength), found.elementsEqual(header) else { return 0 }
            isNew = false
            while count < limit, let bytes = try window.bytes(at: Self.headerLength + count * Self.entryLength, count: Self.entryLength) {
                var reader = unsafe ByteReader(bytes.span.bytes)
                if let entry = try? Entry(reading: &reader) { body(entry) }
                count += 1
            }
            return Self.headerLength + count * Self.entryLength
        }
        if isNew { _ = try log.append(header) }
        self.count = count
        self.isNew = isNew
    }

    private static func header(mark: UInt64, chunkLength: UInt32) -> [UInt8] {
        var writer = ByteWriter(capacity: headerLength)
        writer.writeUInt64(mark)
        writer.writeUInt32(chunkLength)
        writer.writeUInt32(0)
        return writer.bytes
    }

    /// Notes an entry. At the limit it is left out, which costs that the chunk is fetched again after a restart.
    func append(_ entry: Entry) throws(HostError) {
        var writer = ByteWriter(capacity: Self.entryLength)
        entry.write(to: &writer)
        _ = try log.append(writer.bytes)
    }

    /// A whole log, for a file that is written anew.
    static func bytes(mark: UInt64, chunkLength: UInt32, _ entries: some Sequence<Entry>) -> [UInt8] {
        var writer = ByteWriter()
        writer.writeArray(header(mark: mark, chunkLength: chunkLength))
        for entry in entries { entry.write(to: &writer) }
        return writer.bytes
    }
}
