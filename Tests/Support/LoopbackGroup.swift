import Glibc
public import RMCPProtocol
import Synchronization

/// Groups on the host's loopback interface, each of which one test has: all tests of a run, and the runs beside it, hear one another there.
public enum LoopbackGroup {
    private static let count = Atomic<UInt32>(0)

    /// The port of this process's groups: below those that the kernel gives away, and another one for each run.
    public static let port = UInt16(10_000 + getpid() % 20_000)

    /// A group that nobody has been given before.
    public static func next() -> SocketAddress {
        let number = count.wrappingAdd(1, ordering: .relaxed).oldValue
        // Behind 239.255.128.0, where no test has a group of its own.
        return .ipv4(239, 255, UInt8(128 + number / 256 % 128), UInt8(number % 256), port: port)
    }
}
