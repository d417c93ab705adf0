import CLinux
import Glibc
import RMCPProtocol

/// Puts data batches on the wire: headers from a slab of its own, payload from the chunk's buffer, gathered by the
/// kernel. Nothing is copied and nothing is allocated per packet.
@safe final class DataTransmitter {
    private let headers: UnsafeMutableRawBufferPointer
    private let vectors: UnsafeMutableBufferPointer<iovec>
    var socket: DatagramSocket
    var group: SocketAddress
    /// A batch that the socket did not take whole.
    private var pending: (batch: DataBatch, buffer: ChunkBuffer, sent: Int)?

    init(socket: DatagramSocket, group: SocketAddress) {
        self.socket = socket
        self.group = group
        unsafe headers = .allocate(byteCount: DataBatch.capacity * DataHeader.length, alignment: 64)
        unsafe vectors = .allocate(capacity: DataBatch.capacity * 2)
    }

    deinit {
        unsafe headers.deallocate()
        unsafe vectors.deallocate()
    }

    var isBlocked: Bool { pending != nil }
    var pendingBatch: DataBatch? { pending?.batch }
    /// Datagrams of the pending batch that have not left.
    var pendingCount: Int { pending.map { $0.batch.count - $0.sent } ?? 0 }
    /// Must hold what it does until nothing is pending.
    var pendingBuffer: ChunkBuffer? { pending?.buffer }

    /// Keeps `batch` for `resume`, whose turn has not come.
    func wait(with batch: DataBatch, from buffer: ChunkBuffer) { pending = (batch, buffer, 0) }

    /// Sends `batch`, whose chunk is in `buffer`; what does not go now is kept for `resume`.
    func send(_ batch: DataBatch, from buffer: ChunkBuffer) -> SendResult {
        var sent = 0
        let result = transmit(batch, buffer, sent: &sent)
        if result != .sent { pending = (batch, buffer, sent) }
        return result
    }

    func resume() -> SendResult {
        guard let (batch, buffer, alreadySent) = pending else { return .sent }
        var sent = alreadySent
        let result = transmit(batch, buffer, sent: &sent)
        pending = result == .sent ? nil : (batch, buffer, sent)
        return result
    }

    /// Gives the pending batch up: its packets count as lost on the way.
    func dropPending() { pending = nil }

    private func transmit(_ batch: DataBatch, _ buffer: ChunkBuffer, sent: inout Int) -> SendResult {
        for index in 0..<batch.count {
            let header = unsafe UnsafeMutableRawBufferPointer(
                rebasing: headers[index * DataHeader.length..<(index + 1) * DataHeader.length])
            var span = unsafe MutableRawSpan(_unsafeBytes: header)
            batch.writeHeader(at: index, into: &span)
            let range = batch.payloadRange(at: index)
            unsafe vectors[index * 2] = iovec(iov_base: header.baseAddress, iov_len: DataHeader.length)
            unsafe vectors[index * 2 + 1] = iovec(
                iov_base: buffer.bytes.baseAddress?.advanced(by: range.lowerBound), iov_len: range.count)
        }
        let destination = if case .peer(let address) = batch.destination { address } else { group }
        return unsafe socket.send(
            pairs: UnsafeMutableBufferPointer(rebasing: vectors.prefix(batch.count * 2)),
            segment: DataHeader.length + Int(batch.payloadLength), to: destination, sent: &sent)
    }
}
