/// How the datagrams look, which is how rmcp's do: a header, then a piece of a chunk.
public enum Layout {
    public static let header = 24
    public static let payload = 1_376
    public static let datagram = header + payload
    /// Datagrams in one segmentation batch: the most that stay below 65,507 bytes.
    public static let batch = 46
    /// Datagrams in a chunk: just below 1 MiB.
    public static let chunk = 762
    public static let chunkBytes = chunk * payload
    /// Chunks that the sender takes turns in: more than the processor's caches hold of them.
    public static let sourceChunks = 32
    /// Buffers of one read, and bytes of each: a whole batch fits.
    public static let readBuffers = 16
    public static let readStride = 65_536

    /// Sequence number, and how many were sent in the datagram that ends a run (0 in all others).
    public static func writeHeader(_ memory: UnsafeMutableRawPointer, sequence: UInt64, total: UInt64 = 0) {
        memory.storeBytes(of: sequence, as: UInt64.self)
        memory.storeBytes(of: total, toByteOffset: 8, as: UInt64.self)
        memory.storeBytes(of: 0, toByteOffset: 16, as: UInt64.self)
    }

    public static func sequence(_ memory: UnsafeRawPointer) -> UInt64 { memory.loadUnaligned(as: UInt64.self) }

    /// The chunks to send, touched, so that no page faults while it is measured.
    public static func makeSource() -> UnsafeMutableRawBufferPointer {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: sourceChunks * chunkBytes, alignment: 4_096)
        var state: UInt64 = 1
        for offset in stride(from: 0, to: memory.count - 7, by: 8) {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            memory.storeBytes(of: state, toByteOffset: offset, as: UInt64.self)
        }
        return memory
    }

    /// Where in the source the payload of a datagram lies.
    public static func sourceOffset(of sequence: UInt64) -> Int {
        Int(sequence % UInt64(sourceChunks * chunk)) * payload
    }
}

/// Whether to go on sending.
public struct Quota: Sendable {
    private let datagrams: UInt64
    private let deadline: Double

    public init(_ options: Options, from start: Double) {
        if let megabytes = options.megabytes {
            datagrams = UInt64(megabytes) * 1_000_000 / UInt64(Layout.payload)
            deadline = .infinity
        } else {
            datagrams = .max
            deadline = start + options.seconds
        }
    }

    public func lasts(sent: UInt64) -> Bool { sent < datagrams && (deadline == .infinity || Clock.now() < deadline) }
}
