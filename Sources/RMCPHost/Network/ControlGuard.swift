import RMCPContent
import RMCPProtocol

/// Authenticates what a group's nodes say to each other, at the border to the network: engines know only what is let in.
///
/// Every datagram but DATA gets a trailer: a serial of 64 bits, and a code over all before it. A serial is a number of 32
/// bits that this process has drawn, one for what goes to groups and one for what goes to single addresses, and a counter. DATA
/// has none: the digests in the pages vouch for it, and the pages have a code.
final class ControlGuard {
    /// Bytes that a datagram is longer by.
    static let trailerLength = serialLength + ControlKey.codeLength
    private static let serialLength = 8
    /// Least time between two lines about what is not let in.
    private static let pause = Interval.seconds(60)

    private let key: ControlKey
    private var groupSerials = SerialCounter()
    private var peerSerials = SerialCounter()
    private var windows = ReplayWindows()
    /// Datagrams that somebody without the key has sent, or changed.
    private(set) var forged: UInt64 = 0
    /// Datagrams that have been let in before, or are too old to tell.
    private(set) var replayed: UInt64 = 0
    /// ANNOUNCEs among the forged: of another group, or of none.
    private(set) var foreignAnnounces: UInt64 = 0
    private var firstStranger: SocketAddress?
    private var toldOf: UInt64 = 0
    private var nextLine = Instant.zero

    init(key: ControlKey) { self.key = key }

    // MARK: Out

    /// The datagram with its trailer.
    func protect(_ datagram: [UInt8]) -> [UInt8] {
        var result = datagram
        result.reserveCapacity(datagram.count + Self.trailerLength)
        let isUnicast = datagram.count > Self.kindOffset && datagram[Self.kindOffset] & PacketHeader.unicastFlag != 0
        Self.append(isUnicast ? peerSerials.next() : groupSerials.next(), to: &result)
        let code = unsafe result.withUnsafeBytes { unsafe key.code(for: $0) }
        Self.append(code.0, to: &result)
        Self.append(code.1, to: &result)
        return result
    }

    private static func append(_ word: UInt64, to bytes: inout [UInt8]) {
        for shift in stride(from: UInt64(56), through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }

    // MARK: In

    private static let kindOffset = 3

    /// Hands over what may come in of a train: DATA as it came, anything else without its trailer.
    func admit(_ bytes: UnsafeRawBufferPointer, segment: Int, _ arrival: Arrival, _ body: (DatagramTrain) -> Void) {
        let segment = segment > 0 ? segment : max(1, bytes.count)
        // Nearly all is DATA, which stays together.
        var start = 0
        func handOver(to end: Int) {
            guard start < end else { return }
            body(unsafe DatagramTrain(bytes: UnsafeRawBufferPointer(rebasing: bytes[start..<end]), segment: segment, arrival: arrival))
        }
        for offset in stride(from: 0, to: bytes.count, by: segment) {
            let datagram = unsafe UnsafeRawBufferPointer(rebasing: bytes[offset..<min(offset + segment, bytes.count)])
            if unsafe Self.kind(of: datagram) == PacketKind.data.rawValue { continue }
            handOver(to: offset)
            start = offset + segment
            guard let admitted = unsafe admit(datagram, from: arrival.source) else { continue }
            body(unsafe DatagramTrain(bytes: admitted, segment: 0, arrival: arrival))
        }
        handOver(to: bytes.count)
    }

    private static func kind(of datagram: UnsafeRawBufferPointer) -> UInt8? {
        unsafe datagram.count > kindOffset ? datagram[kindOffset] & ~PacketHeader.unicastFlag : nil
    }

    /// The datagram without its trailer; nil when it is not to come in.
    private func admit(_ datagram: UnsafeRawBufferPointer, from source: SocketAddress) -> UnsafeRawBufferPointer? {
        let length = datagram.count - Self.trailerLength
        guard length >= PacketHeader.length, let header = unsafe try? PacketHeader(of: RawSpan(_unsafeBytes: datagram)) else {
            unsafe noteForged(datagram, from: source)
            return nil
        }
        let covered = unsafe UnsafeRawBufferPointer(rebasing: datagram[..<(length + Self.serialLength)])
        let code = unsafe key.code(for: covered)
        // In a time that does not depend on where they differ.
        let difference = unsafe (code.0 ^ Self.word(datagram, at: covered.count)) | (code.1 ^ Self.word(datagram, at: covered.count + Self.serialLength))
        guard difference == 0 else {
            unsafe noteForged(datagram, from: source)
            return nil
        }
        guard unsafe windows.accept(Self.word(datagram, at: length), of: header.transmitter) else {
            replayed += 1
            return nil
        }
        return unsafe UnsafeRawBufferPointer(rebasing: datagram[..<length])
    }

    private static func word(_ datagram: UnsafeRawBufferPointer, at offset: Int) -> UInt64 {
        unsafe UInt64(bigEndian: datagram.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    private func noteForged(_ datagram: UnsafeRawBufferPointer, from source: SocketAddress) {
        forged += 1
        if unsafe Self.kind(of: datagram) == PacketKind.announce.rawValue { foreignAnnounces += 1 }
        if firstStranger == nil { firstStranger = source }
    }

    /// A line about what was not let in, once in a while.
    func takeWarning(at now: Instant) -> String? {
        guard forged > toldOf, now >= nextLine, let source = firstStranger else { return nil }
        let count = forged - toldOf
        toldOf = forged
        nextLine = now + Self.pause
        firstStranger = nil
        let what = count == 1 ? "a datagram" : "\(count) datagrams"
        return "dropped \(what) from \(source.host)\(count == 1 ? "" : " and perhaps others") without this group's key: "
            + "another --group-key there, or none, or a stranger"
    }
}

/// Serials that no other datagram has: a number drawn at random, which tells processes apart, and a counter.
struct SerialCounter {
    private var stream = UInt32.random(in: 0...(.max))
    private var count: UInt32 = 0

    mutating func next() -> UInt64 {
        // A counter that has come to its end begins anew, as another process would.
        if count == .max { self = SerialCounter() }
        count += 1
        return UInt64(stream) << 32 | UInt64(count)
    }
}

/// Serials that have come lately, of each stream of each transmitter (RFC 4303, 3.4.3). At the limit, half of the streams
/// are forgotten: those that nothing has come of for longest.
struct ReplayWindows {
    /// The last serial, and which of the 64 up to it have come: bit 0 is the last.
    private struct Window {
        var last: UInt32
        var seen: UInt64
    }

    private var recent: [UInt64: Window] = [:]
    private var older: [UInt64: Window] = [:]
    private let limit: Int

    init(limit: Int = HostLimits.replayWindows) { self.limit = limit }

    /// False when the serial has come before, or is further back than the window is long.
    mutating func accept(_ serial: UInt64, of transmitter: UInt32) -> Bool {
        let stream = UInt64(transmitter) << 32 | serial >> 32
        let number = UInt32(truncatingIfNeeded: serial)
        var window = recent[stream] ?? older.removeValue(forKey: stream) ?? Window(last: number, seen: 0)
        defer { keep(window, of: stream) }
        if number > window.last {
            let step = number - window.last
            window.seen = step < 64 ? window.seen << UInt64(step) | 1 : 1
            window.last = number
            return true
        }
        let age = window.last - number
        guard age < 64, window.seen & 1 << UInt64(age) == 0 else { return false }
        window.seen |= 1 << UInt64(age)
        return true
    }

    private mutating func keep(_ window: Window, of stream: UInt64) {
        recent[stream] = window
        guard recent.count > limit / 2 else { return }
        older = recent
        recent = [:]
    }
}
