import CLinuxNetwork
import Glibc
import RMCPProtocol

/// Where a datagram came from.
struct DatagramOrigin {
    var source: SocketAddress
    /// What was left of it; nil where the socket does not tell.
    var timeToLive: UInt8?
}

/// One region of memory that a batch of datagrams is received into, with one system call, and then sliced.
@safe final class DatagramSlab {
    /// As long as the longest train of datagrams that the kernel coalesces.
    private static let stride = 65_536
    private let buffers: Int
    private let memory: UnsafeMutableRawBufferPointer
    private let received: UnsafeMutableBufferPointer<rmcp_received>
    private var lastOverflow: UInt32 = 0
    /// Datagrams that did not fit their buffer.
    private(set) var truncated: UInt64 = 0
    /// Datagrams that the socket dropped, since this was last taken.
    private var overflow: UInt64 = 0

    init(buffers: Int) {
        self.buffers = min(buffers, 64)
        unsafe memory = .allocate(byteCount: self.buffers * Self.stride, alignment: 4_096)
        unsafe received = .allocate(capacity: self.buffers)
        unsafe received.initialize(repeating: rmcp_received())
    }

    deinit {
        unsafe memory.deallocate()
        unsafe received.deallocate()
    }

    func takeOverflow() -> UInt64 {
        defer { overflow = 0 }
        return overflow
    }

    /// Receives once and hands over each datagram with where it came from; the number of buffers that were filled. The
    /// bytes are valid during the call.
    func receive(from raw: Int32, _ body: (UnsafeRawBufferPointer, DatagramOrigin) -> Void) -> Int {
        let count = unsafe Int(rmcp_receive(raw, memory.baseAddress, Self.stride, UInt32(buffers), received.baseAddress))
        guard count > 0 else { return 0 }
        for index in 0..<count {
            let entry = unsafe received[index]
            if entry.has_overflow != 0 {
                overflow += UInt64(entry.overflow &- lastOverflow)
                lastOverflow = entry.overflow
            }
            guard entry.truncated == 0, let source = SocketAddress(entry.address) else {
                truncated += 1
                continue
            }
            let origin = DatagramOrigin(source: source, timeToLive: UInt8(exactly: entry.ttl))
            let filled = unsafe UnsafeRawBufferPointer(rebasing: memory[index * Self.stride..<index * Self.stride + Int(entry.length)])
            let segment = entry.segment > 0 ? Int(entry.segment) : filled.count
            var offset = 0
            while offset < filled.count {
                let end = min(offset + segment, filled.count)
                unsafe body(UnsafeRawBufferPointer(rebasing: filled[offset..<end]), origin)
                offset = end
            }
        }
        return count
    }
}
