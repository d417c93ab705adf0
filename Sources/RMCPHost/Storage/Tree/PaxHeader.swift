import Glibc
import RMCPContent
import RMCPProtocol

/// Headers of the pax interchange format (POSIX.1-2017, pax, "pax Interchange Format" and "ustar Interchange Format"), as tar reads them.
struct PaxHeader {
    static let block = 512

    enum Kind: UInt8 {
        case file = 0x30
        case hardLink = 0x31
        case symbolicLink = 0x32
        case directory = 0x35
        case fifo = 0x36
        /// Records that belong to the header behind it.
        case extended = 0x78
    }

    var kind: Kind
    var path: [UInt8]
    var mode: UInt16
    var owner: CatalogOwner?
    var modified: FileTime
    var size: UInt64 = 0
    /// Target of a link.
    var target: [UInt8] = []
    var attributes: [CatalogAttribute] = []

    /// The header, and before it another with what does not fit into it.
    var bytes: [UInt8] {
        let records = records
        guard !records.isEmpty else { return ustar }
        var extended = PaxHeader(kind: .extended, path: Array("PaxHeaders/entry".utf8), mode: 0o644, owner: nil, modified: FileTime(seconds: 0, nanoseconds: 0))
        extended.size = UInt64(records.count)
        return extended.ustar + records + Self.padding(behind: UInt64(records.count)) + ustar
    }

    /// Zeros that make content end at a block.
    static func padding(behind length: UInt64) -> [UInt8] { [UInt8](repeating: 0, count: (block - Int(length % UInt64(block))) % block) }

    /// Zeros that end an archive.
    static let end = [UInt8](repeating: 0, count: 2 * block)

    // MARK: Records

    /// Longest path, and longest target of a link, that a header has room for.
    private static let nameRoom = 100
    /// Largest size, user and time (octal digits) that a header has room for.
    private static let largestSize = UInt64(0o777_7777_7777)
    private static let largestUser = UInt32(0o777_7777)

    private var records: [UInt8] {
        var records: [UInt8] = []
        if path.count > Self.nameRoom { records += Self.record("path", path) }
        if target.count > Self.nameRoom { records += Self.record("linkpath", target) }
        if size > Self.largestSize { records += Self.record("size", Array(String(size).utf8)) }
        if modified.nanoseconds > 0 || modified.seconds < 0 || modified.seconds > Int64(Self.largestSize) {
            records += Self.record("mtime", Self.text(modified))
        }
        if let owner {
            if owner.user > Self.largestUser { records += Self.record("uid", Array(String(owner.user).utf8)) }
            if owner.group > Self.largestUser { records += Self.record("gid", Array(String(owner.group).utf8)) }
        }
        for attribute in attributes { records += Self.record(Array("SCHILY.xattr.".utf8) + attribute.name, attribute.value) }
        return records
    }

    private static func record(_ key: String, _ value: [UInt8]) -> [UInt8] { record(Array(key.utf8), value) }

    /// "LENGTH KEY=VALUE\n", where the length counts its own digits.
    private static func record(_ key: [UInt8], _ value: [UInt8]) -> [UInt8] {
        let rest = [UInt8(ascii: " ")] + key + [UInt8(ascii: "=")] + value + [UInt8(ascii: "\n")]
        var length = rest.count
        while String(length).utf8.count + rest.count != length { length = String(length).utf8.count + rest.count }
        return Array(String(length).utf8) + rest
    }

    private static func text(_ time: FileTime) -> [UInt8] {
        // Nanoseconds count upwards from the second, before 1970 as well.
        let isNegative = time.seconds < 0
        let borrowed = isNegative && time.nanoseconds > 0
        let seconds = borrowed ? time.seconds + 1 : time.seconds
        let nanoseconds = borrowed ? 1_000_000_000 - time.nanoseconds : time.nanoseconds
        let digits = String(nanoseconds)
        let fraction = String(repeating: "0", count: 9 - digits.count) + digits
        return Array("\(isNegative ? "-" : "")\(seconds.magnitude).\(fraction)".utf8)
    }

    // MARK: Fields

    private var ustar: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.block)
        Self.append(path, room: Self.nameRoom, to: &bytes)
        Self.append(UInt64(mode), digits: 7, to: &bytes)
        Self.append(UInt64(min(owner?.user ?? 0, Self.largestUser)), digits: 7, to: &bytes)
        Self.append(UInt64(min(owner?.group ?? 0, Self.largestUser)), digits: 7, to: &bytes)
        Self.append(min(size, Self.largestSize), digits: 11, to: &bytes)
        Self.append(UInt64(max(0, min(modified.seconds, Int64(Self.largestSize)))), digits: 11, to: &bytes)
        let sumStart = bytes.count
        bytes += [UInt8](repeating: UInt8(ascii: " "), count: 8)
        bytes.append(kind.rawValue)
        Self.append(target, room: Self.nameRoom, to: &bytes)
        bytes += Array("ustar\0".utf8) + Array("00".utf8)
        Self.append(owner?.userName ?? [], room: 32, to: &bytes)
        Self.append(owner?.groupName ?? [], room: 32, to: &bytes)
        bytes += [UInt8](repeating: 0, count: Self.block - bytes.count)
        var sum: [UInt8] = []
        Self.append(bytes.reduce(UInt64(0)) { $0 + UInt64($1) }, digits: 6, to: &sum)
        bytes.replaceSubrange(sumStart..<sumStart + sum.count, with: sum)
        return bytes
    }

    private static func append(_ text: [UInt8], room: Int, to bytes: inout [UInt8]) {
        let text = text.prefix(room)
        bytes += text + [UInt8](repeating: 0, count: room - text.count)
    }

    /// Octal digits and a zero.
    private static func append(_ number: UInt64, digits: Int, to bytes: inout [UInt8]) {
        let text = String(number, radix: 8)
        bytes += Array((String(repeating: "0", count: digits - text.utf8.count) + text).utf8) + [0]
    }
}
