import Glibc
package import RMCPProtocol

/// Reads decisions out of a fuzzer's bytes. Past their end everything is zero, so that any bytes are an input.
package struct Input {
    private let bytes: [UInt8]
    private var offset = 0

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    package init(_ start: UnsafePointer<UInt8>?, _ count: Int) {
        unsafe self.init(Array(UnsafeBufferPointer(start: start, count: count)))
    }

    package var isAtEnd: Bool { offset >= bytes.count }

    package mutating func byte() -> UInt8 {
        guard offset < bytes.count else { return 0 }
        defer { offset += 1 }
        return bytes[offset]
    }

    /// Any kind of packet.
    package mutating func kind() -> PacketKind { PacketKind.allCases[Int(byte()) % PacketKind.allCases.count] }

    /// Big-endian.
    package mutating func word(bytes count: Int) -> UInt64 {
        var value: UInt64 = 0
        for _ in 0..<count { value = value << 8 | UInt64(byte()) }
        return value
    }

    /// At most `count` bytes: fewer where the input ends.
    package mutating func take(_ count: Int) -> [UInt8] {
        let end = min(offset + count, bytes.count)
        defer { offset = end }
        return Array(bytes[offset..<end])
    }

    package mutating func rest() -> [UInt8] { take(bytes.count) }

    /// A datagram with at most `count` bytes of the input from some place on. Most fields lie in front.
    package mutating func damage(_ datagram: [UInt8], bytes count: Int) -> [UInt8] {
        var result = datagram
        let place = Int(byte()) % result.count
        for (index, byte) in take(count).enumerated() where place + index < result.count { result[place + index] = byte }
        return result
    }
}

/// What must hold whatever comes from outside. A trap is how libFuzzer is told.
@inline(__always)
package func require(_ condition: Bool, _ message: @autoclosure () -> String, file: StaticString = #file, line: UInt = #line) {
    if !condition { fatalError(message(), file: file, line: line) }
}

/// With RMCP_FUZZ_TRACE a target says what happens, for whoever looks into one input.
package let isTracing = unsafe getenv("RMCP_FUZZ_TRACE") != nil

@inline(__always)
package func trace(_ text: @autoclosure () -> String) { if isTracing { print(text()) } }

/// The corpora in the repository are made by the targets themselves: with RMCP_FUZZ_SEEDS naming a directory a target
/// writes its seeds there in place of fuzzing.
package func writeSeeds(_ seeds: [(name: String, bytes: [UInt8])]) {
    guard let directory = unsafe getenv("RMCP_FUZZ_SEEDS").map({ unsafe String(cString: $0) }) else { return }
    for seed in seeds {
        let path = "\(directory)/\(seed.name)"
        guard let file = unsafe fopen(path, "we") else { fatalError("cannot write \(path)") }
        let written = unsafe fwrite(seed.bytes, 1, seed.bytes.count, file)
        guard unsafe fclose(file) == 0, written == seed.bytes.count else { fatalError("cannot write \(path)") }
    }
    exit(0)
}
