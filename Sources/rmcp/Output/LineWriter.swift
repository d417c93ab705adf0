import Glibc
import RMCPHost
import RMCPProtocol

/// What is said on a standard descriptor, written by a thread: whoever reads it may stop for as long as he likes, and the
/// transfer goes on. What does not fit meanwhile is left out, whole lines at a time, and said so once there is room.
final class LineWriter: @unchecked Sendable {
    enum Weight {
        /// Drawn over by the next one: only the last is worth writing.
        case live
        /// One of many that will follow.
        case progress
        /// Worth keeping.
        case line
    }

    private struct Entry: Sendable {
        var text: [UInt8]
        var isLive = false
    }

    /// Bytes that may wait: those of progress leave room for what matters.
    private static let progressLimit = 64 << 10
    private static let limit = 1 << 20

    private let queue: BackgroundQueue<Entry>
    /// Says that lines were left out; nil says nothing.
    private let note: @Sendable (_ lines: Int) -> String
    /// Only touched inside `queue.update`.
    private var omitted = 0

    /// - Parameter onError: called once on the writing thread, with the errno of the first write that failed.
    init(_ descriptor: Int32, name: String, note: @escaping @Sendable (Int) -> String, onError: @escaping @Sendable (Int32) -> Void = { _ in }) {
        self.note = note
        let outlet = Outlet(descriptor, onError)
        queue = BackgroundQueue(name: name, size: \.text.count) { outlet.write($0.text) }
    }

    func write(_ text: String, _ weight: Weight) {
        let bytes = Array(text.utf8)
        queue.update { backlog in
            if weight == .live, backlog.last?.isLive == true { backlog.removeLast() }
            let limit = weight == .line ? Self.limit : Self.progressLimit
            guard backlog.size + bytes.count <= limit || backlog.isEmpty else {
                if weight != .live { omitted += 1 }
                return
            }
            sayOmitted(&backlog)
            backlog.append(Entry(text: bytes, isLive: weight == .live))
        }
    }

    private func sayOmitted(_ backlog: inout BackgroundQueue<Entry>.Backlog) {
        guard omitted > 0 else { return }
        backlog.append(Entry(text: Array(note(omitted).utf8)))
        omitted = 0
    }

    /// Waits until all is written, for `limit` at most.
    /// - Returns: whether it is.
    @discardableResult
    func finish(within limit: Interval) -> Bool {
        queue.update { sayOmitted(&$0) }
        return queue.drain(within: limit)
    }

    /// Place that it is written to. Tells of the first of many errors. Called from one thread.
    private final class Outlet: @unchecked Sendable {
        private let descriptor: Int32
        private let tell: @Sendable (Int32) -> Void
        private var isTold = false
        /// The last line ends in its middle: the next one must not be a part of it.
        private var isCut = false

        init(_ descriptor: Int32, _ tell: @escaping @Sendable (Int32) -> Void) {
            self.descriptor = descriptor
            self.tell = tell
        }

        func write(_ text: [UInt8]) {
            let bytes = isCut ? [UInt8(ascii: "\n")] + text : text
            var rest = bytes[...]
            let code = DescriptorWriter.write(&rest, to: descriptor)
            if rest.count < bytes.count { isCut = code != nil && bytes[rest.startIndex - 1] != UInt8(ascii: "\n") }
            guard let code, !isTold else { return }
            isTold = true
            tell(code)
        }
    }
}

/// Writes that go on until everything is written or something is wrong.
enum DescriptorWriter {
    /// In one write where the descriptor takes it, so that lines of several processes do not mix. Waits for room also where
    /// the descriptor was made non-blocking, by us or by whoever else has it.
    /// - Returns: nil when all is written, else the errno.
    static func write(_ bytes: [UInt8], to descriptor: Int32) -> Int32? {
        var rest = bytes[...]
        return write(&rest, to: descriptor)
    }

    /// - Parameter rest: what is not written is left of it.
    static func write(_ rest: inout ArraySlice<UInt8>, to descriptor: Int32) -> Int32? {
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
                continue
            }
            switch count == 0 ? EIO : errno {
            case EINTR: continue
            case EAGAIN:
                var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = unsafe poll(&entry, 1, -1)
            case let code: return code
            }
        }
        return nil
    }
}
