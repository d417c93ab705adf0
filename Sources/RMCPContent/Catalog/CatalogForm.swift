import RMCPProtocol

/// Lengths of what a catalog is made of, in bytes (docs/protocol.md, "Kind 1").
///
/// ```
///   entry:      kind 1 | name length 1 | name | what belongs to the kind
///   ... unless it is a hard link:  mode 2 | owner 4 | seconds 8 | nanoseconds 4 | attributes 4
///   file:       ... | size 8 | flags 1          symbolic link:  ... | target length 2 | target
///   hard link:  entry of the file 4             end of a directory:  0, and nothing else
/// ```
enum CatalogForm {
    static let endOfDirectory: UInt8 = 0
    /// Kind and length of the name.
    static let entryHead = 2
    /// Mode, owner, time and attributes.
    static let metadata = 22
    /// A hard link with a name of one byte.
    static let leastEntry = 7
    /// User, group, and the numbers of their names.
    static let owner = 16
    /// Length, and one byte.
    static let leastName = 2
    /// Count, and one attribute with a name of one byte.
    static let leastAttributes = 6
    static let sparseFlag: UInt8 = 1
    /// Stands for no name, no attributes, and no owner.
    static let none = UInt32.max

    /// Whether a file may have the name: whatever a file system takes, and nothing that leads elsewhere.
    static func isName(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard (1...CatalogLimits.nameLength).contains(bytes.count), !bytes.contains(0), !bytes.contains(UInt8(ascii: "/")) else { return false }
        let dot = UInt8(ascii: ".")
        return !(bytes.count <= 2 && bytes.allSatisfy { $0 == dot })
    }
}

/// Reads a catalog that came from outside: `ByteReader`, in the catalog's own errors.
struct CatalogReader: ~Escapable {
    private var reader: ByteReader

    @_lifetime(copy bytes)
    init(_ bytes: RawSpan) { reader = ByteReader(bytes) }

    var offset: Int { reader.offset }
    var isAtEnd: Bool { reader.remaining == 0 }

    mutating func byte() throws(CatalogError) -> UInt8 {
        do throws(WireError) { return try reader.readUInt8() } catch { throw .truncated }
    }

    /// A big-endian number.
    mutating func number<Number: FixedWidthInteger & UnsignedInteger>(_: Number.Type) throws(CatalogError) -> Number {
        do throws(WireError) {
            switch Number.bitWidth {
            case 16: return Number(truncatingIfNeeded: try reader.readUInt16())
            case 32: return Number(truncatingIfNeeded: try reader.readUInt32())
            default: return Number(truncatingIfNeeded: try reader.readUInt64())
            }
        } catch { throw .truncated }
    }

    /// Place of the next `count` bytes, which are passed.
    mutating func range(count: Int) throws(CatalogError) -> Range<Int> {
        let start = reader.offset
        do throws(WireError) { try reader.skip(count) } catch { throw .truncated }
        return start..<start + count
    }
}
