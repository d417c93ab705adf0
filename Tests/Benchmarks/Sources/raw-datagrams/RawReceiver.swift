import BenchmarkSupport
import CLinux
import Glibc

/// Receives into one slab, and counts; or also digests and writes chunks, which is the least that a receiver must do.
struct RawReceiver {
    private let options: Options
    private let socket: GroupSocket
    private let slab = UnsafeMutableRawBufferPointer.allocate(byteCount: Layout.readBuffers * Layout.readStride, alignment: 4_096)
    private let received = UnsafeMutableBufferPointer<rmcp_received>.allocate(capacity: Layout.readBuffers)
    private let store: ChunkStore?

    init(_ options: Options) {
        self.options = options
        slab.initializeMemory(as: UInt8.self, repeating: 0)
        received.initialize(repeating: rmcp_received())
        store = options.store.map { ChunkStore(path: $0, megabytes: options.megabytes ?? 256) }
        socket = GroupSocket(options)
    }

    func run() {
        say("ready")
        var arrivals = Arrivals()
        let deadline = Clock.now() + options.limit
        while arrivals.expected == nil {
            let count = rmcp_receive(socket.raw, slab.baseAddress, Layout.readStride, UInt32(Layout.readBuffers), received.baseAddress)
            if count <= 0 {
                socket.wait(for: POLLIN, milliseconds: 100)
                if Clock.now() > deadline { fail("nothing more came") }
                continue
            }
            for index in 0..<Int(count) {
                let start = index * Layout.readStride
                let bytes = UnsafeRawBufferPointer(rebasing: slab[start..<start + Int(received[index].length)])
                let segment = received[index].segment > 0 ? Int(received[index].segment) : bytes.count
                arrivals.note(bytes, segment: segment)
                store?.place(bytes, segment: segment)
            }
            arrivals.endRead()
        }
        if let store {
            store.finish()
            arrivals.extend()
        }
        arrivals.report()
    }
}
