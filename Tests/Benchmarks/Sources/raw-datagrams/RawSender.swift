import BenchmarkSupport
import CLinux
import Glibc

/// Sends batches gathered from headers and pieces of chunks, one system call each.
struct RawSender {
    private let options: Options
    private let socket: GroupSocket
    private let source = Layout.makeSource()
    private let headers = UnsafeMutableRawBufferPointer.allocate(byteCount: Layout.batch * Layout.header, alignment: 8)
    private let vectors = UnsafeMutableBufferPointer<iovec>.allocate(capacity: Layout.batch * 2)

    init(_ options: Options) {
        self.options = options
        socket = GroupSocket(options)
        vectors.initialize(repeating: iovec())
        // Pacing sleeps for tens of microseconds.
        _ = rmcp_set_timer_slack(1_000)
    }

    func run() {
        var sent = Departures()
        let quota = sent.quota(options)
        while quota.lasts(sent: sent.datagrams) {
            gather(from: sent.datagrams)
            if options.segmentation {
                transmit(0..<Layout.batch, segment: UInt16(Layout.datagram))
            } else {
                for index in 0..<Layout.batch { transmit(index..<index + 1, segment: 0) }
            }
            sent.datagrams += UInt64(Layout.batch)
            if options.rate > 0 {
                let due = Double(sent.datagrams) * Double(Layout.payload) / (options.rate * 1e6)
                let early = due - sent.elapsed()
                if early > 20e-6 { usleep(UInt32(early * 1e6)) }
            }
        }
        sent.report()
        // Often enough that one gets through, and late enough that the last data has been read.
        for _ in 0..<20 {
            usleep(20_000)
            Layout.writeHeader(headers.baseAddress.unsafelyUnwrapped, sequence: .max, total: sent.datagrams)
            var vector = iovec(iov_base: headers.baseAddress, iov_len: Layout.header)
            _ = socket.withAddress { rmcp_send(socket.raw, $0, $1, &vector, 1, 0) }
        }
    }

    private func gather(from first: UInt64) {
        let headerBase = headers.baseAddress.unsafelyUnwrapped
        let sourceBase = source.baseAddress.unsafelyUnwrapped
        for index in 0..<Layout.batch {
            let sequence = first + UInt64(index)
            let header = headerBase + index * Layout.header
            Layout.writeHeader(header, sequence: sequence)
            vectors[index * 2] = iovec(iov_base: header, iov_len: Layout.header)
            vectors[index * 2 + 1] = iovec(iov_base: sourceBase + Layout.sourceOffset(of: sequence), iov_len: Layout.payload)
        }
    }

    private func transmit(_ datagrams: Range<Int>, segment: UInt16) {
        let pairs = vectors.baseAddress.unsafelyUnwrapped + datagrams.lowerBound * 2
        while true {
            let result = socket.withAddress { rmcp_send(socket.raw, $0, $1, pairs, datagrams.count * 2, segment) }
            if result >= 0 { return }
            switch errno {
            case EAGAIN, ENOBUFS: socket.wait(for: POLLOUT, milliseconds: 1)
            case EINTR: continue
            default: fail("send: errno \(errno)")
            }
        }
    }
}
