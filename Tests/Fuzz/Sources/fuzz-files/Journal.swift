import FuzzSupport
import Glibc

@testable import RMCPHost
@testable import RMCPProtocol

/// The journal of a session that was interrupted, whatever became of its file since: it may forget chunks and must not
/// fail, and what is noted from now on must be there when it is opened again.
func checkJournal(_ bytes: [UInt8]) {
    write(bytes, to: name)
    let record = ChunkRecord(
        kind: .stored, contentLength: 900, encodedLength: 900, encodedDigest: Digest(Bytes32(1, 2, 3, 4)),
        contentDigest: Digest(Bytes32(1, 2, 3, 4)))
    let session = SessionID(high: 11, low: 12)
    withJournal { journal in
        for chunk: UInt32 in [0, 1, Limits.maximumChunks, .max] { _ = journal.has(chunk: chunk, record: record) }
        require(!journal.has(chunk: .max, record: record), "an identity is taken for a chunk")
        append(to: journal, record, session)
    }
    withJournal { journal in
        require(!journal.isEmpty && journal.has(chunk: 6, record: record), "a noted chunk is forgotten")
        require(journal.identity(in: session) == 99, "a noted identity is forgotten")
        journal.remove()
    }
}

private func append(to journal: ChunkJournal, _ record: ChunkRecord, _ session: SessionID) {
    do {
        try journal.append(chunk: 6, record: record)
        try journal.note(identity: 99, in: session)
    } catch { fatalError("\(error)") }
}

private func withJournal(_ body: (ChunkJournal) -> Void) {
    do {
        guard let journal = try ChunkJournal.open(stem: ".fuzz", chunkLength: 1_000, in: directory) else { fatalError("the journal is locked") }
        body(journal)
    } catch { fatalError("\(error)") }
}

private let name = ".fuzz.rmcp-journal"

/// A directory of this process's own; scripts/fuzz removes what is left in TMPDIR.
private let directory: OwnedDescriptor = {
    let base = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp"
    let path = "\(base)/rmcp-fuzz-\(getpid())"
    guard unsafe mkdir(path, 0o700) == 0 || errno == EEXIST else { fatalError("cannot make \(path)") }
    let raw = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard raw >= 0 else { fatalError("cannot open \(path)") }
    return OwnedDescriptor(raw)
}()

private func write(_ bytes: [UInt8], to name: String) {
    let raw = unsafe openat(directory.raw, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard raw >= 0 else { fatalError("cannot write the journal") }
    let file = OwnedDescriptor(raw)
    guard unsafe write(file.raw, bytes, bytes.count) == bytes.count else { fatalError("cannot write the journal") }
}
