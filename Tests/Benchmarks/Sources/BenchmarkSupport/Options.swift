import Glibc

/// What both programs take, so that they can be run in place of one another.
public struct Options: Sendable {
    public enum Role: String, Sendable { case send, receive }

    public var role = Role.send
    public var group = "239.77.0.1"
    public var port: UInt16 = 7_700
    public var interface = "eth0"
    /// How long the sender sends, unless `megabytes` says how much.
    public var seconds = 1.0
    public var megabytes: Int?
    /// Payload in MB/s that the sender keeps to; 0 for as fast as it goes.
    public var rate = 0.0
    public var segmentation = true
    public var coalescing = true
    /// The sender sends the same buffer again and again instead of gathering header and payload.
    public var prebuilt = false
    /// A file that the receiver writes to, digesting each chunk.
    public var store: String?
    /// Seconds after which a receiver gives up, whatever came.
    public var limit = 60.0

    static let usage = """
        usage: PROGRAM send [--seconds S | --megabytes MB] [--rate MB/S] [--no-gso] [--prebuilt] [--group ADDR] [--port N] [--interface NAME]
               PROGRAM receive [--no-gro] [--store PATH --megabytes MB] [--limit S] [--group ADDR] [--port N] [--interface NAME]

        The receiver says "ready", and both print what they counted as one line of JSON. --prebuilt is of nio-datagrams, --rate and --store
        of raw-datagrams; --store makes room for MB, and starts over at the file's beginning when more comes.
        """

    /// Reads the command line; ends the program when it cannot.
    public static func parse(_ arguments: [String] = CommandLine.arguments) -> Options {
        var result = Options()
        var rest = arguments.dropFirst()
        guard let role = rest.popFirst().flatMap(Role.init) else { fail(usage) }
        result.role = role
        while let name = rest.popFirst() {
            switch name {
            case "--no-gso": result.segmentation = false
            case "--no-gro": result.coalescing = false
            case "--prebuilt": result.prebuilt = true
            default:
                guard let value = rest.popFirst(), result.set(name, to: value) else { fail("wrong: \(name)\n\(usage)") }
            }
        }
        return result
    }

    private mutating func set(_ name: String, to value: String) -> Bool {
        switch name {
        case "--group": group = value
        case "--interface": interface = value
        case "--store": store = value
        case "--port": return Self.assign(UInt16(value), to: &port)
        case "--seconds": return Self.assign(Double(value), to: &seconds)
        case "--rate": return Self.assign(Double(value), to: &rate)
        case "--limit": return Self.assign(Double(value), to: &limit)
        case "--megabytes": return Self.assign(Int(value).map(Optional.some), to: &megabytes)
        default: return false
        }
        return true
    }

    private static func assign<Value>(_ value: Value?, to target: inout Value) -> Bool {
        guard let value else { return false }
        target = value
        return true
    }
}

/// Ends the program with a line on standard error.
public func fail(_ message: String) -> Never {
    write(message, to: STDERR_FILENO)
    exit(2)
}

/// Prints a line at once: whoever started the program waits for it.
public func say(_ line: String) { write(line, to: STDOUT_FILENO) }

private func write(_ line: String, to descriptor: Int32) {
    let bytes = Array((line + "\n").utf8)
    _ = Glibc.write(descriptor, bytes, bytes.count)
}
