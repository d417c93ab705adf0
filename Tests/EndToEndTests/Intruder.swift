import Foundation
import RMCPProtocol
import Testing

/// Somebody on the network who takes part in nothing: a socket in a laboratory's node that says whatever it is told to,
/// hears the group, and counts what comes back to it.
final class Intruder {
    static let group = SocketAddress.ipv4(239, 255, 76, 27, port: 17_627)
    private let own: Int32
    private let heard: Int32
    private(set) var bytesSent = 0
    /// Of datagrams that came to this socket's own address.
    private(set) var bytesTaken = 0
    private(set) var taken: [PacketKind: Int] = [:]

    /// - Parameter port: where it sends from; 0 for any.
    init(_ lab: Laboratory, _ node: String, address: SocketAddress, port: UInt16 = 0) throws {
        let from = SocketAddress(family: address.family, high: address.high, low: address.low, port: port)
        (own, heard) = try Self.inside("/run/netns/\(lab.name)-\(node)") {
            let own = try Self.socket(boundTo: from)
            let heard = try Self.socket(boundTo: Self.group)
            var request = ip_mreqn(
                imr_multiaddr: in_addr(s_addr: UInt32(truncatingIfNeeded: Self.group.low).bigEndian),
                imr_address: in_addr(s_addr: UInt32(truncatingIfNeeded: from.low).bigEndian), imr_ifindex: 0)
            try #require(setsockopt(heard, Int32(IPPROTO_IP), IP_ADD_MEMBERSHIP, &request, socklen_t(MemoryLayout.size(ofValue: request))) == 0)
            try #require(setsockopt(own, Int32(IPPROTO_IP), IP_MULTICAST_IF, &request, socklen_t(MemoryLayout.size(ofValue: request))) == 0)
            return (own, heard)
        }
    }

    deinit {
        close(own)
        close(heard)
    }

    /// Sockets belong to the network that their thread was in when it made them; no other thread moves with it.
    static func inside<Result: Sendable>(_ path: String, _ body: @escaping @Sendable () throws -> Result) throws -> Result {
        typealias SetNamespace = @convention(c) (Int32, Int32) -> Int32
        // Glibc's overlay hides setns.
        let symbol = try #require(dlsym(UnsafeMutableRawPointer(bitPattern: 0), "setns"))
        let setNamespace = unsafeBitCast(symbol, to: SetNamespace.self)
        let result = Locked<Swift.Result<Result, any Error>>()
        let thread = Thread {
            let descriptor = open(path, O_RDONLY | O_CLOEXEC)
            defer { close(descriptor) }
            let networkNamespace: Int32 = 0x4000_0000
            if setNamespace(descriptor, networkNamespace) == 0 {
                result.set(Swift.Result { try body() })
            } else {
                result.set(.failure(POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)))
            }
        }
        thread.start()
        return try result.wait().get()
    }

    /// Takes an address and its port in a laboratory's node and does not share them, until the descriptor is closed.
    static func occupy(_ lab: Laboratory, _ node: String, _ address: SocketAddress) throws -> Int32 {
        try inside("/run/netns/\(lab.name)-\(node)") { try socket(boundTo: address, shares: false) }
    }

    private static func socket(boundTo address: SocketAddress, shares: Bool = true) throws -> Int32 {
        let raw = Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        var one: Int32 = shares ? 1 : 0
        setsockopt(raw, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        var buffer: Int32 = 4 << 20
        setsockopt(raw, SOL_SOCKET, SO_RCVBUF, &buffer, socklen_t(MemoryLayout<Int32>.size))
        let bound = withSystemAddress(address) { bind(raw, $0, $1) }
        try #require(bound == 0, "cannot bind: \(errno)")
        return raw
    }

    private static func withSystemAddress<Result>(_ address: SocketAddress, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        var system = sockaddr_in()
        system.sin_family = sa_family_t(AF_INET)
        system.sin_port = address.port.bigEndian
        system.sin_addr.s_addr = UInt32(truncatingIfNeeded: address.low).bigEndian
        return withUnsafePointer(to: &system) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }

    // MARK: Saying and hearing

    func say(_ datagram: [UInt8], to address: SocketAddress) {
        let count = Self.withSystemAddress(address) { sendto(own, datagram, datagram.count, 0, $0, $1) }
        if count > 0 { bytesSent += count }
    }

    /// What has come to this address since the last time.
    @discardableResult
    func take() -> [(bytes: [UInt8], source: SocketAddress)] {
        let datagrams = Self.read(own)
        for (bytes, _) in datagrams {
            bytesTaken += bytes.count
            if let header = try? PacketHeader(of: bytes.span.bytes) { taken[header.kind, default: 0] += 1 }
        }
        return datagrams
    }

    /// What has come to the group since the last time.
    func listen() -> [[UInt8]] { Self.read(heard).map(\.bytes) }

    private static func read(_ raw: Int32) -> [(bytes: [UInt8], source: SocketAddress)] {
        var result: [(bytes: [UInt8], source: SocketAddress)] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            var system = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let count = withUnsafeMutablePointer(to: &system) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { recvfrom(raw, &buffer, buffer.count, 0, $0, &length) }
            }
            guard count >= 0 else { return result }
            let address = UInt64(UInt32(bigEndian: system.sin_addr.s_addr))
            let source = SocketAddress(family: .ipv4, high: 0, low: address, port: UInt16(bigEndian: system.sin_port))
            result.append((Array(buffer.prefix(count)), source))
        }
    }

    /// The next datagram of a kind on the group, and what is in it.
    func hear(_ kind: PacketKind, while running: Running) throws -> (header: PacketHeader, packet: Packet, bytes: [UInt8]) {
        var found: (PacketHeader, Packet, [UInt8])?
        _ = running.wait {
            for datagram in listen() where found == nil {
                guard let (header, packet) = try? Packet.parse(datagram.span.bytes), header.kind == kind else { continue }
                found = (header, packet, datagram)
            }
            return found != nil
        }
        return try #require(found, "no \(kind) on the group: \(running.errorsSoFar)")
    }
}

/// One value that another thread sets once.
private final class Locked<Value: Sendable>: @unchecked Sendable {
    private let condition = NSCondition()
    private var value: Value?

    func set(_ new: Value) {
        condition.lock()
        value = new
        condition.signal()
        condition.unlock()
    }

    func wait() -> Value {
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let value { return value }
            condition.wait()
        }
    }
}
