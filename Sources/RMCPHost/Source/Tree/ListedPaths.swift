import Glibc
import RMCPContent

/// Paths that somebody else has chosen (`find -print0`, `git ls-files -z`), relative to the tree's root: in the order of a catalog,
/// each once.
struct ListedPaths {
    private var bytes: [UInt8] = []
    private var ranges: [Range<UInt32>] = []
    private static let slash = UInt8(ascii: "/")
    /// Bytes of one read.
    private static let readLength = 1 << 16

    /// - Parameter file: `-` is standard input.
    /// - Throws: a usage error for what is no such list.
    init(readingFrom file: String) throws(HostError) {
        let text = try Self.contents(of: file)
        guard text.contains(0) || !text.contains(UInt8(ascii: "\n")) else {
            throw HostError(
                "--files-from0 \(file): the paths end with lines, and not with zeros, as those of find -print0 and git ls-files -z do", kind: .usage)
        }
        try self.init(text, from: file)
    }

    /// - Parameter text: paths with a zero behind each.
    init(_ text: [UInt8], from file: String) throws(HostError) {
        for path in text.split(separator: 0) { try add(path, from: file) }
        let bytes = bytes
        ranges.sort { Self.precedes(bytes[$0.indices], bytes[$1.indices]) }
        var distinct: [Range<UInt32>] = []
        for range in ranges where distinct.last.map({ bytes[$0.indices] != bytes[range.indices] }) ?? true { distinct.append(range) }
        ranges = distinct
        guard !ranges.isEmpty else { throw HostError("--files-from0 \(file): there are no paths in it", kind: .usage) }
    }

    private static func contents(of file: String) throws(HostError) -> [UInt8] {
        let isInput = file == "-"
        let raw = isInput ? STDIN_FILENO : unsafe open(SystemText.cString(file), O_RDONLY | O_CLOEXEC)
        guard raw >= 0 else { throw .system("read", file) }
        let owned = isInput ? nil : OwnedDescriptor(raw)
        defer { withExtendedLifetime(owned) {} }
        var contents: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: readLength)
        while contents.count <= CatalogLimits.catalogLength {
            var span = buffer.mutableSpan
            var target = unsafe span.mutableBytes
            let count = try FileTransfer.readSequentially(raw, into: &target, path: isInput ? "standard input" : file)
            if count == 0 { return contents }
            contents += buffer[..<count]
        }
        throw HostError("--files-from0 \(file): more paths than a tree may have; use: tar --null -T \(file) -c | rmcp send --name NAME.tar -", kind: .usage)
    }

    /// Adds a path without what says nothing, such as `./`; the root itself is sent in any case.
    private mutating func add(_ path: ArraySlice<UInt8>, from file: String) throws(HostError) {
        let components = path.split(separator: Self.slash).filter { $0 != [UInt8(ascii: ".")] }
        guard path.first != Self.slash, !components.contains([UInt8(ascii: "."), UInt8(ascii: ".")]) else {
            throw HostError(
                "--files-from0 \(file): \(NameText.printable(path)) is not below the directory that is sent; use paths relative to it, such as those of find -printf '%P\\0'",
                kind: .usage)
        }
        guard !components.isEmpty else { return }
        let start = UInt32(bytes.count)
        bytes += components.joined(separator: [Self.slash])
        ranges.append(start..<UInt32(bytes.count))
    }

    /// Order by components: what is in a directory comes right behind it.
    private static func precedes(_ first: ArraySlice<UInt8>, _ second: ArraySlice<UInt8>) -> Bool {
        first.lexicographicallyPrecedes(second) { ($0 == slash ? 0 : $0) < ($1 == slash ? 0 : $1) }
    }

    var count: Int { ranges.count }
    /// Components of a path.
    subscript(index: Int) -> [[UInt8]] {
        bytes[ranges[index].indices].split(separator: Self.slash).map(Array.init)
    }
}
