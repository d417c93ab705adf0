import Glibc
import RMCPProtocol

/// One who asks: a head is read, an answer is written, and what else comes is read and thrown away for a moment, since closing
/// before would take the answer back (RFC 9112, 9.6).
struct HTTPConnection: ~Copyable {
    enum Stage {
        case reading
        case writing
        case closing
    }

    /// Time for a head to come whole, and for an answer to be taken: each of it, however many pieces come.
    static let patience = Interval.seconds(5)
    private static let farewell = Interval.seconds(1)
    /// Bytes that are thrown away at the end.
    private static let rubbish = 65_536

    let descriptor: OwnedDescriptor
    private(set) var stage = Stage.reading
    private(set) var deadline: Instant
    private var input: [UInt8] = []
    private var output: ArraySlice<UInt8> = []
    private var thrownAway = 0

    init(_ descriptor: OwnedDescriptor, at now: Instant) {
        self.descriptor = descriptor
        deadline = now + Self.patience
    }

    /// Events of poll(2) that it waits for.
    var events: Int16 { stage == .writing ? Int16(POLLOUT) : Int16(POLLIN) }

    /// Goes on as far as the socket lets it, without waiting.
    /// - Parameter answer: bytes to send in answer to a request, or to what is none.
    /// - Returns: false when it is over.
    mutating func advance(at now: Instant, _ answer: (HTTPRequest.Parsed) -> [UInt8]) -> Bool {
        if stage == .reading, !read(at: now, answer) { return false }
        if stage == .writing, !write(at: now) { return false }
        return stage != .closing || throwAway()
    }

    /// Time is over.
    /// - Returns: false when nothing is owed to it any more.
    mutating func expire(at now: Instant, _ answer: [UInt8]) -> Bool {
        guard stage == .reading, !input.isEmpty else { return false }
        begin(answer, at: now)
        return write(at: now)
    }

    private mutating func read(at now: Instant, _ answer: (HTTPRequest.Parsed) -> [UInt8]) -> Bool {
        while true {
            var buffer = [UInt8](repeating: 0, count: HTTPRequest.limit - input.count)
            let count = unsafe recv(descriptor.raw, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            if count < 0 { return errno == EAGAIN }
            // A client that has only closed the sending half is answered: its head was looked at when it came.
            if count == 0 { return false }
            input += buffer.prefix(count)
            let parsed = HTTPRequest.parse(input)
            if parsed == .incomplete { continue }
            begin(answer(parsed), at: now)
            return true
        }
    }

    private mutating func begin(_ answer: [UInt8], at now: Instant) {
        input = []
        output = answer[...]
        stage = .writing
        deadline = now + Self.patience
    }

    private mutating func write(at now: Instant) -> Bool {
        while !output.isEmpty {
            let count = unsafe output.withUnsafeBytes { unsafe send(descriptor.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count < 0, errno == EINTR { continue }
            if count < 0 { return errno == EAGAIN }
            output = output.dropFirst(count)
        }
        output = []
        guard shutdown(descriptor.raw, Int32(SHUT_WR)) == 0 else { return false }
        stage = .closing
        deadline = now + Self.farewell
        return true
    }

    private mutating func throwAway() -> Bool {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while thrownAway < Self.rubbish {
            let count = unsafe recv(descriptor.raw, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            if count < 0 { return errno == EAGAIN }
            if count == 0 { return false }
            thrownAway += count
        }
        return false
    }
}
