import BenchmarkSupport
import Glibc
import NIOCore
import NIOPosix

/// Counts what arrives and lets it go.
final class Discarder: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private var arrivals = Arrivals()

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        envelope.data.withUnsafeReadableBytes { bytes in
            arrivals.note(bytes, segment: envelope.metadata?.segmentSize ?? bytes.count)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        arrivals.endRead()
        guard arrivals.expected != nil else { return }
        arrivals.report()
        context.close(promise: nil)
    }
}

func receive(_ options: Options, on group: MultiThreadedEventLoopGroup) throws {
    guard let device = try System.enumerateDevices().first(where: { $0.name == options.interface && $0.address?.protocol == .inet })
    else { fail("no interface: \(options.interface)") }
    let address = try SocketAddress(ipAddress: options.group, port: Int(options.port))
    var bootstrap = DatagramBootstrap(group: group)
        .channelOption(.socketOption(.so_rcvbuf), value: 32 << 20)
        .channelOption(.datagramVectorReadMessageCount, value: Layout.readBuffers)
        .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: Layout.readBuffers * Layout.readStride))
        .channelOption(.maxMessagesPerRead, value: 16)
        .channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Discarder()) }
        }
    if options.coalescing {
        bootstrap = bootstrap.channelOption(.datagramReceiveOffload, value: true).channelOption(.datagramReceiveSegmentSize, value: true)
    }
    let channel = try bootstrap.bind(to: address).wait()
    guard let multicast = channel as? any MulticastChannel else { fail("not a multicast channel") }
    // Beyond net.core.rmem_max, where the user may.
    if let provider = channel as? any SocketOptionProvider {
        try? provider.unsafeSetSocketOption(level: .socket, name: .init(rawValue: SO_RCVBUFFORCE), value: CInt(32 << 20)).wait()
    }
    try multicast.joinGroup(address, device: device).wait()
    let limit = channel.eventLoop.scheduleTask(in: .milliseconds(Int64(options.limit * 1_000))) { fail("nothing more came") }
    say("ready")
    try channel.closeFuture.wait()
    limit.cancel()
}
