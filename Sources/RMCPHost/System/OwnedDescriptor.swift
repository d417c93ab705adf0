import Glibc

/// A file descriptor that is closed when its owner goes.
public final class OwnedDescriptor: Sendable {
    public let raw: Int32
    public init(_ raw: Int32) { self.raw = raw }
    deinit { close(raw) }
}
