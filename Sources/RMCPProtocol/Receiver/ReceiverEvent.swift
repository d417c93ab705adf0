/// Where the host puts a DATA packet's payload: `length` bytes from `payloadOffset` of the datagram go to `offset` of
/// the slot's buffer. Of a packet that has come before, the payload replaces nothing: it is kept aside where it differs from the first
/// one, since only one of the two is true.
public struct Placement: Sendable, Hashable {
    /// Index of the slot: below the highest number of slots that the engine was ever given.
    public var slot: Int
    /// Chunk that the slot is for now.
    public var chunk: UInt32
    /// Bytes of the datagram before the payload.
    public var payloadOffset: Int
    /// Place in the encoded chunk, bytes: the payload ends within the chunk length.
    public var offset: Int
    /// Bytes, from 1 to the payload length.
    public var length: Int
    public var isDuplicate = false
}

/// Requests of the receiver engine to its host, and news for it.
public enum ReceiverEvent: Sendable, Hashable {
    /// Records of these chunks are known and the chunks are not here yet: the host says of each whether it has it from
    /// before (`StorageEvent.kept` or `.absent`). Only asked of a resumable session.
    case consult(Range<UInt32>)
    /// The slot's buffer holds all encoded bytes of the chunk: verify, decode, write, then say `.stored` or `.rejected`.
    case assembled(slot: Int, chunk: UInt32, record: ChunkRecord)
    /// The slot's buffer holds a chunk that was rejected: replace what is wrong by what was kept aside, and say `.examined`.
    case examine(slot: Int, chunk: UInt32, OutlineShape, values: [Digest])
    /// These chunks are zero: make holes of them, then say `.storedZeros`.
    case zeros(Range<UInt32>)
    /// Nothing has come for a while: join the group anew.
    case rejoin
    /// Multicast does not arrive, and joining anew does not help: the sender is asked to serve by unicast.
    case deaf
    /// Every chunk is stored and the table agrees with the signed END: make the bundle durable and visible, then say
    /// `.committed`.
    case commit(EndOfTable)
    /// The session is over for this receiver.
    case finished(ReceiverState)
    /// Another parent from now on; 0 is below the sender.
    case parentChanged(depth: Int)
    /// The parent's host has another address since: this one. What is for it goes there.
    case parentMoved(SocketAddress)
    /// The parent does not take this child. It is asked again later.
    case refused(AttachAnswer.Verdict)
    /// A repair node says that it has this key, which is not trusted; told of few.
    case untrusted(PublicKey)
    // Of a repair node alone: what its children need from it.
    /// An authentic page, as it was signed.
    case page(TablePage, body: [UInt8], Signature)
    /// The authentic END, once.
    case end(EndOfTable, Signature)
    /// An authentic ANNOUNCE with a shorter payload length, which takes the place of the one before.
    case announced(Announce, Signature)
    /// An authentic word of the sender; `isDirect` when it came from the sender itself, so that it tells how far the stream is here.
    case statement(Statement, Signature, isDirect: Bool)
}

/// News of the host's storage for the receiver engine.
public enum StorageEvent: Sendable, Hashable {
    /// The answer to `.consult`: the chunk is here from before, and was read back and verified.
    case kept(chunk: UInt32)
    /// The answer to `.consult`: the chunk is not here.
    case absent(chunk: UInt32)
    /// Verified and written; the slot's buffer is free.
    case stored(slot: Int, chunk: UInt32)
    /// The answer to `.zeros`: holes are made. Chunks among them that were not asked for change nothing.
    case storedZeros(Range<UInt32>)
    /// The bytes are not what the signed record says. They stay in the slot's buffer, which may be filled again.
    case rejected(slot: Int, chunk: UInt32)
    /// Subtrees of the chunk in the slot's buffer that are not as its outline says.
    case examined(slot: Int, chunk: UInt32, wrong: IndexRangeSet)
    /// The host has no buffer for this slot: what was placed is lost.
    case unavailable(slot: Int)
    /// The stored chunk can't be read back: it is fetched again.
    case damaged(chunk: UInt32)
    /// The bundle is on stable storage under its final name.
    case committed
    /// The bundle cannot be received here.
    case failed(ReceiverState)
    /// Datagrams that the socket dropped because the host did not come to read them.
    case overflow(datagrams: UInt64)
    /// Share of the socket's room (0...1) that waiting datagrams take.
    case backlog(share: Double)
}
