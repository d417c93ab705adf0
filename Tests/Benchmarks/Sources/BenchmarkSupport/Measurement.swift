import Glibc

public enum Clock {
    public static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Processor seconds of all threads of this process, in user and kernel mode.
    public static func processor() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// What a sender did.
public struct Departures: Sendable {
    private let start = Clock.now()
    private let processor = Clock.processor()
    public var datagrams: UInt64 = 0

    public init() {}

    public func quota(_ options: Options) -> Quota { Quota(options, from: start) }
    public func elapsed() -> Double { Clock.now() - start }

    public func report() {
        let seconds = elapsed()
        say(
            "{\"datagrams\": \(datagrams), \"bytes\": \(datagrams * UInt64(Layout.payload)), \"seconds\": \(seconds), "
                + "\"cpu\": \(Clock.processor() - processor)}")
    }
}

/// What a receiver got.
public struct Arrivals: Sendable {
    private var datagrams: UInt64 = 0
    private var buffers: UInt64 = 0
    private var first = 0.0
    private var last = 0.0
    private var processorBefore = 0.0
    private var processorAfter = 0.0
    /// How many were sent, once the datagram that ends the run has come.
    public private(set) var expected: UInt64?

    public init() {}

    /// A buffer that the kernel filled: one datagram, or several of `segment` bytes each, the last of which may be shorter.
    public mutating func note(_ bytes: UnsafeRawBufferPointer, segment: Int) {
        guard let base = bytes.baseAddress, bytes.count >= Layout.header, segment > 0 else { return }
        if buffers == 0 {
            first = Clock.now()
            processorBefore = Clock.processor()
        }
        let count = (bytes.count + segment - 1) / segment
        buffers += 1
        if bytes.count - (count - 1) * segment == Layout.header {
            expected = base.loadUnaligned(fromByteOffset: bytes.count - Layout.header + 8, as: UInt64.self)
            processorAfter = Clock.processor()
            datagrams += segment == Layout.header ? 0 : UInt64(count - 1)
        } else {
            datagrams += UInt64(count)
        }
    }

    /// After all buffers of a read. The datagrams that end a run come later than its data, and do not count as time.
    public mutating func endRead() {
        if expected == nil { last = Clock.now() }
    }

    /// For work that is done after the last datagram, such as writing what came.
    public mutating func extend() {
        last = Clock.now()
        processorAfter = Clock.processor()
    }

    public func report() {
        guard let expected else { fail("the run's end did not arrive") }
        say(
            "{\"datagrams\": \(datagrams), \"expected\": \(expected), \"bytes\": \(datagrams * UInt64(Layout.payload)), "
                + "\"buffers\": \(buffers), \"seconds\": \(last - first), \"cpu\": \(processorAfter - processorBefore)}")
    }
}
