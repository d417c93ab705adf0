import Foundation
import Testing

/// Everything that passes a laboratory's node, link headers and all, as tcpdump would see it.
final class WireTap: @unchecked Sendable {
    private let raw: Int32
    private let lock = NSLock()
    private var isOver = false
    private var bytes = Data()
    private let done = DispatchSemaphore(value: 0)

    init(_ lab: Laboratory, _ node: String) throws {
        raw = try Intruder.inside("/run/netns/\(lab.name)-\(node)") {
            // Every protocol (ETH_P_ALL), in the byte order of the network.
            let raw = Glibc.socket(AF_PACKET, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue), Int32(UInt16(3).bigEndian))
            try #require(raw >= 0, "no packet socket: \(errno)")
            var room: Int32 = 64 << 20
            let forced: Int32 = 33
            setsockopt(raw, SOL_SOCKET, forced, &room, socklen_t(MemoryLayout<Int32>.size))
            return raw
        }
        Thread.detachNewThread { [self] in
            var buffer = [UInt8](repeating: 0, count: 1 << 17)
            var entry = pollfd(fd: raw, events: Int16(POLLIN), revents: 0)
            // Datagrams that are there when it is stopped still count.
            while poll(&entry, 1, 20) > 0 || !lock.withLock({ isOver }) {
                let count = recv(raw, &buffer, buffer.count, Int32(MSG_DONTWAIT))
                if count > 0 { bytes.append(contentsOf: buffer.prefix(count)) }
            }
            done.signal()
        }
    }

    deinit { close(raw) }

    /// Ends it; what has passed, one packet behind the other.
    func stop() -> Data {
        lock.withLock { isOver = true }
        done.wait()
        return bytes
    }
}
