import BenchmarkSupport
import Glibc
import NIOCore
import NIOPosix

/// Writes batches while the channel is writable. A datagram is one ByteBuffer in SwiftNIO, so header and payload are copied
/// into it; `--prebuilt` leaves that out, which no program that has something to send can.
final class BatchSender: ChannelInboundHandler {
    struct Start: Sendable {}
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    private let options: Options
    private let destination: SocketAddress
    private let source = UnsafeRawBufferPointer(Layout.makeSource())
    private var sent = Departures()
    private var quota: Quota
    private var prebuilt = ByteBuffer()
    private var over = false

    init(_ options: Options, destination: SocketAddress) {
        self.options = options
        self.destination = destination
        quota = sent.quota(options)
    }

    /// The channel is active before its options are all set: it starts when it is told to.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is Start else { return }
        prebuilt = batch(context.channel.allocator)
        sent = Departures()
        quota = sent.quota(options)
        fill(context)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { fill(context) }
    }

    private func fill(_ context: ChannelHandlerContext) {
        while context.channel.isWritable, !over {
            guard quota.lasts(sent: sent.datagrams) else { return end(context) }
            if options.segmentation {
                let buffer = options.prebuilt ? prebuilt : batch(context.channel.allocator)
                context.write(wrapOutboundOut(AddressedEnvelope(remoteAddress: destination, data: buffer)), promise: nil)
                sent.datagrams += UInt64(Layout.batch)
            } else {
                var buffer = context.channel.allocator.buffer(capacity: Layout.datagram)
                append(sent.datagrams, to: &buffer)
                context.write(wrapOutboundOut(AddressedEnvelope(remoteAddress: destination, data: buffer)), promise: nil)
                sent.datagrams += 1
            }
            // Single datagrams go out in vectors of several.
            if options.segmentation || sent.datagrams % UInt64(Layout.batch) == 0 { context.flush() }
        }
        // What is flushed inside the loop may have made the channel writable again without telling.
        context.flush()
    }

    private func batch(_ allocator: ByteBufferAllocator) -> ByteBuffer {
        var buffer = allocator.buffer(capacity: Layout.batch * Layout.datagram)
        for index in 0..<UInt64(Layout.batch) { append(sent.datagrams + index, to: &buffer) }
        return buffer
    }

    private func append(_ sequence: UInt64, to buffer: inout ByteBuffer) {
        let start = Layout.sourceOffset(of: sequence)
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: Layout.datagram) { memory in
            let base = memory.baseAddress.unsafelyUnwrapped
            Layout.writeHeader(base, sequence: sequence)
            memcpy(base + Layout.header, source.baseAddress.unsafelyUnwrapped + start, Layout.payload)
            return Layout.datagram
        }
    }

    private func end(_ context: ChannelHandlerContext) {
        over = true
        sent.report()
        // Often enough that one gets through, and late enough that the last data has been read.
        for count in 1...20 {
            context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(Int64(20 * count))) { [self] in
                var buffer = context.channel.allocator.buffer(capacity: Layout.header)
                buffer.writeInteger(UInt64.max, endianness: .little)
                buffer.writeInteger(sent.datagrams, endianness: .little)
                buffer.writeInteger(UInt64(0), endianness: .little)
                context.writeAndFlush(wrapOutboundOut(AddressedEnvelope(remoteAddress: destination, data: buffer)), promise: nil)
                if count == 20 { context.close(promise: nil) }
            }
        }
    }
}

func send(_ options: Options, on group: MultiThreadedEventLoopGroup) throws {
    guard let device = try System.enumerateDevices().first(where: { $0.name == options.interface && $0.address?.protocol == .inet }),
        let local = device.address
    else { fail("no interface: \(options.interface)") }
    let destination = try SocketAddress(ipAddress: options.group, port: Int(options.port))
    guard case .v4(let address) = local else { fail("no address of IPv4") }
    var bootstrap = DatagramBootstrap(group: group)
        .channelOption(.socketOption(.so_sndbuf), value: 4 << 20)
        .channelOption(.writeBufferWaterMark, value: .init(low: 1 << 20, high: 2 << 20))
        .channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(BatchSender(options, destination: destination))
            }
        }
    if options.segmentation {
        bootstrap = bootstrap.channelOption(.datagramSegmentSize, value: CInt(Layout.datagram))
    }
    let channel = try bootstrap.bind(to: SocketAddress(ipAddress: "0.0.0.0", port: 0)).wait()
    guard let provider = channel as? any SocketOptionProvider else { fail("no socket options") }
    try provider.setIPMulticastIF(address.address.sin_addr).wait()
    channel.pipeline.fireUserInboundEventTriggered(BatchSender.Start())
    try channel.closeFuture.wait()
}
