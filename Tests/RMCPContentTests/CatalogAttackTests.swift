import RMCPContent
import RMCPProtocol
import TestSupport
import Testing

/// Catalogs of senders that lie: each is found out on its bytes, before anything is done.
@Suite struct CatalogAttackTests {
    private func name(_ text: String) -> [UInt8] { Array(text.utf8) }

    private func parse(_ raw: RawCatalog, chunkLength: UInt32 = 1_000, contentLength: UInt64? = nil) throws -> Catalog {
        try Catalog(raw.bytes, chunkLength: chunkLength, contentLength: contentLength ?? raw.contentLength)
    }

    /// Error for which a tree with such entries in its root is refused.
    private func refusal(_ build: (inout RawCatalog) -> Void) -> CatalogError? {
        var raw = RawCatalog.tree()
        build(&raw)
        raw.end()
        do { _ = try parse(raw) } catch { return error as? CatalogError }
        return nil
    }

    @Test func anHonestTreeIsTaken() {
        #expect(refusal { $0.file(name("a"), size: 2_500) } == nil)
        #expect(refusal { _ in } == nil)
    }

    // MARK: Names

    @Test(
        "A name that leads elsewhere, or is none",
        arguments: [[], Array(".".utf8), Array("..".utf8), Array("a/b".utf8), Array("/etc".utf8), [0x61, 0, 0x62], Array("../x".utf8), [0]] as [[UInt8]])
    func badName(bad: [UInt8]) {
        #expect(refusal { $0.file(bad) } == .invalidName(bad))
        #expect(refusal { $0.symbolicLink(bad, target: [0x78]) } == .invalidName(bad))
        #expect(
            refusal {
                $0.directory(bad)
                $0.end()
            } == .invalidName(bad))
        #expect(refusal { $0.fifo(bad) } == .invalidName(bad))
        #expect(
            refusal {
                $0.file([1])
                $0.hardLink(bad, to: 1)
            } == .invalidName(bad))
    }

    @Test("Any other bytes are a name", arguments: [[0xFF, 0xFE], Array("...".utf8), Array("\u{1B}[2J".utf8), [0x2E, 0x2E, 0x20], [0x0A]] as [[UInt8]])
    func oddName(odd: [UInt8]) throws {
        var raw = RawCatalog.tree()
        raw.file(odd)
        raw.end()
        #expect(try parse(raw).name(of: 1) == odd)
    }

    @Test func aNameOf255BytesIsTheLongest() throws {
        let longest = [UInt8](repeating: 0x61, count: 255)
        #expect(refusal { $0.file(longest) } == nil)
        // A length has one byte: what it cannot say is taken for what follows.
        #expect(refusal { $0.begin(kind: 2, longest + [0x61], length: 255) } != nil)
    }

    @Test func namesComeOnceAndInOrder() {
        func two(_ first: String, _ second: String) -> CatalogError? {
            refusal {
                $0.file(name(first))
                $0.file(name(second))
            }
        }
        #expect(two("a", "a") == .unordered(name("a")))
        #expect(two("b", "a") == .unordered(name("a")))
        #expect(two("ab", "a") == .unordered(name("a")))
        #expect(two("a", "ab") == nil)
        #expect(two("a", "A") == .unordered(name("A")))
    }

    /// A link and a directory of the same name: extraction would write through it.
    @Test func aLinkAndADirectoryOfOneNameAreRefused() {
        let refused = refusal {
            $0.symbolicLink(name("x"), target: name("/etc"))
            $0.directory(name("x"))
            $0.file(name("passwd"))
            $0.end()
        }
        #expect(refused == .unordered(name("x")))
    }

    @Test func namesInDifferentDirectoriesMayBeEqual() {
        let refused = refusal {
            $0.directory(name("a"))
            $0.file(name("x"))
            $0.end()
            $0.directory(name("b"))
            $0.file(name("x"))
            $0.end()
        }
        #expect(refused == nil)
    }

    @Test func aSecondOfANameIsRefusedBelowToo() {
        let refused = refusal {
            $0.directory(name("a"))
            $0.file(name("x"))
            $0.fifo(name("x"))
            $0.end()
        }
        #expect(refused == .unordered(name("a/x")))
    }

    // MARK: Shape

    @Test func entriesBehindTheRootsEndAreRefused() {
        var raw = RawCatalog.tree()
        raw.end()
        raw.file(name("a"))
        #expect(throws: CatalogError.disagreement(.entries)) { try parse(raw) }
        raw.entries = 1
        #expect(throws: CatalogError.trailingBytes) { try parse(raw) }
    }

    @Test func anEndWithoutABeginningIsRefused() {
        var raw = RawCatalog()
        raw.entries = 1
        raw.raw([0] + Array(repeating: 0, count: 30))
        #expect(throws: CatalogError.noRoot) { try parse(raw) }
    }

    @Test func aRootThatIsNoneIsRefused() {
        var raw = RawCatalog()
        raw.file([])
        #expect(throws: CatalogError.noRoot) { try parse(raw) }
        raw = RawCatalog()
        raw.directory(name("named"))
        raw.end()
        #expect(throws: CatalogError.noRoot) { try parse(raw) }
        raw = RawCatalog.tree()
        raw.end()
        raw.entries = 0
        #expect(throws: CatalogError.noRoot) { try parse(raw) }
    }

    @Test func aRootWithoutAnEndIsTruncated() {
        #expect(throws: CatalogError.truncated) { try parse(RawCatalog.tree()) }
        #expect(refusal { $0.directory(name("a")) } == .truncated)
    }

    @Test func everyBytesAbsenceIsFound() throws {
        var raw = RawCatalog.tree()
        raw.flags = 3
        raw.owner(1, 2, userName: 0)
        raw.name(name("root"))
        raw.set([(name("user.a"), [1])])
        let whole = raw.bytes
        for length in 0..<whole.count {
            #expect(throws: CatalogError.self) { try Catalog(Array(whole.prefix(length)), chunkLength: 1_000, contentLength: UInt64(length)) }
            // The same with a header that agrees.
            raw.catalogLength = UInt64(length)
            #expect(throws: CatalogError.self) {
                try Catalog(Array(raw.bytes.prefix(length)), chunkLength: 1_000, contentLength: UInt64(length))
            }
        }
    }

    @Test func directoriesAre256DeepAtMost() {
        func nested(_ depth: Int) -> CatalogError? {
            refusal {
                for _ in 0..<depth { $0.directory(name("d")) }
                for _ in 0..<depth { $0.end() }
            }
        }
        #expect(nested(256) == nil)
        #expect(nested(257) == .tooDeep(Array(repeating: "d", count: 257).joined(separator: "/").utf8.map { $0 }))
    }

    @Test func aPathHas4095BytesAtMost() {
        func path(last: Int) -> CatalogError? {
            refusal {
                // 15 times 255 and a slash: 3,840.
                for _ in 0..<15 { $0.directory([UInt8](repeating: 0x61, count: 255)) }
                $0.file([UInt8](repeating: 0x62, count: last))
                for _ in 0..<15 { $0.end() }
            }
        }
        #expect(path(last: 255) == nil)
        let beyond = refusal {
            for _ in 0..<15 { $0.directory([UInt8](repeating: 0x61, count: 255)) }
            $0.directory([UInt8](repeating: 0x62, count: 253))
            $0.file(name("x"))
            $0.file(name("xy"))
            for _ in 0..<16 { $0.end() }
        }
        guard case .pathTooLong(let found) = beyond else {
            Issue.record("\(String(describing: beyond))")
            return
        }
        #expect(found.count == 4_096)
    }

    @Test(arguments: [6, 7, 8, 128, 255] as [UInt8]) func devicesAndOtherKindsAreUnknown(kind: UInt8) {
        #expect(refusal { $0.begin(kind: kind, name("device")) } == .unknownKind(kind))
    }

    // MARK: Links

    @Test func aHardLinkNamesAnEarlierFile() {
        func link(to entry: UInt32) -> CatalogError? {
            refusal {
                $0.directory(name("a"))  // 1
                $0.file(name("file"))  // 2
                $0.symbolicLink(name("link"), target: name("file"))  // 3
                $0.fifo(name("pipe"))  // 4
                $0.hardLink(name("x"), to: entry)  // 5
                $0.file(name("y"))  // 6
                $0.end()
            }
        }
        #expect(link(to: 2) == nil)
        for entry: UInt32 in [0, 1, 3, 4, 5, 6, 7, .max] { #expect(link(to: entry) == .invalidLink(name("a/x"))) }
        let chained = refusal {
            $0.file(name("a"))
            $0.hardLink(name("b"), to: 1)
            $0.hardLink(name("c"), to: 2)
        }
        #expect(chained == .invalidLink(name("c")))
    }

    @Test func aSymbolicLinkSaysSomething() {
        #expect(refusal { $0.symbolicLink(name("a"), target: []) } == .invalidTarget(name("a")))
        #expect(refusal { $0.symbolicLink(name("a"), target: [UInt8](repeating: 0x61, count: 4_095)) } == nil)
        #expect(refusal { $0.symbolicLink(name("a"), target: [UInt8](repeating: 0x61, count: 4_096)) } == .invalidTarget(name("a")))
        #expect(refusal { $0.symbolicLink(name("a"), target: [0x61, 0]) } == .invalidTarget(name("a")))
        #expect(refusal { $0.symbolicLink(name("a"), target: name("x"), mode: 0o4777) } == .invalidMode(name("a")))
    }

    // MARK: Numbers

    @Test func modesAndTimesAreInRange() {
        #expect(refusal { $0.file(name("a"), mode: 0o7777) } == nil)
        #expect(refusal { $0.file(name("a"), mode: 0o10000) } == .invalidMode(name("a")))
        // A kind in the mode is no permission.
        #expect(refusal { $0.file(name("a"), mode: 0o100644) } == .invalidMode(name("a")))
        let late = refusal {
            $0.begin(kind: 5, name("a"))
            $0.metadata(nanoseconds: 1_000_000_000)
        }
        #expect(late == .invalidTime(name("a")))
        #expect(refusal { $0.directory(name("a"), mode: .max) } == .invalidMode(name("a")))
    }

    @Test func sizesThatOverflowAreRefused() {
        for size: UInt64 in [.max, 1 << 63, UInt64(Int64.max)] {
            let refused = refusal {
                $0.file(name("a"), size: size)
                $0.file(name("b"), size: size)
            }
            #expect(refused == .invalidSize(name("a")) || refused == .contentTooLong, "\(size)")
        }
        #expect(
            refusal {
                for index in 0..<200 { $0.file([UInt8(index + 48)], size: 10_000 * 1_000) }
            } == .contentTooLong)
        #expect(refusal { $0.file(name("a"), flags: 2) } == .invalidSize(name("a")))
    }

    @Test func lengthsThatDoNotAgreeAreRefused() {
        func with(_ change: (inout RawCatalog) -> Void) -> CatalogError? {
            var raw = RawCatalog.tree()
            raw.file(name("a"), size: 2_500)
            raw.file(name("b"), size: 10)
            raw.end()
            let length = raw.contentLength
            change(&raw)
            do { _ = try parse(raw, contentLength: length) } catch { return error as? CatalogError }
            return nil
        }
        #expect(with { _ in } == nil)
        #expect(with { $0.packedLength = 511 } == .disagreement(.packedLength))
        #expect(with { $0.packedLength = .max } == .contentTooLong)
        #expect(with { $0.bodyChunks = 3 } == .disagreement(.bodyChunks))
        #expect(with { $0.bodyChunks = 0 } == .disagreement(.bodyChunks))
        #expect(with { $0.bodyChunks = .max } == .contentTooLong)
        #expect(with { $0.allocatedLength = 8_192 } == nil)
        #expect(with { $0.allocatedLength = 8_193 } == .disagreement(.allocatedLength))
        #expect(with { $0.allocatedLength = .max } == .disagreement(.allocatedLength))
        #expect(with { $0.entries = 2 } == .disagreement(.entries))
        #expect(with { $0.entries = 4 } == .disagreement(.entries))
        #expect(with { $0.catalogLength = 100 } == .trailingBytes)
        #expect(with { $0.catalogLength = 1_000 } == .truncated)
        #expect(with { $0.catalogLength = .max } == .tooLong)
        #expect(with { $0.catalogLength = 129 << 20 } == .tooLong)
        #expect(with { $0.reserved = 1 } == .reservedBytes)
        #expect(with { $0.version = 2 } == .unknownVersion(2))
        #expect(with { $0.flags = 4 } == .unknownFlags(4))
        #expect(with { $0.magic[7] ^= 1 } == .foreign)
    }

    @Test func theContentIsAsLongAsAnnounced() {
        var raw = RawCatalog.tree()
        raw.file(name("a"), size: 2_500)
        raw.end()
        for length in [raw.contentLength - 1, raw.contentLength + 1, 0, .max] {
            #expect(throws: CatalogError.disagreement(.contentLength)) { try parse(raw, contentLength: length) }
        }
        // Other chunks, other bodies.
        #expect(throws: CatalogError.disagreement(.bodyChunks)) { try parse(raw, chunkLength: 2_000) }
    }

    @Test func countsThatTheBytesCannotHoldAreRefused() {
        var raw = RawCatalog.tree()
        raw.end()
        raw.entries = 1 << 20
        #expect(throws: CatalogError.disagreement(.catalogLength)) { try parse(raw) }
        raw.entries = 1 << 20 + 1
        #expect(throws: CatalogError.tooManyEntries) { try parse(raw) }
        raw.entries = nil
        raw.flags = 3
        raw.ownerCount = 1 << 20
        #expect(throws: CatalogError.disagreement(.owners)) { try parse(raw) }
        raw.ownerCount = 0
        #expect(throws: CatalogError.disagreement(.owners)) { try parse(raw) }
        raw.ownerCount = 1
        raw.nameCount = 3
        #expect(throws: CatalogError.disagreement(.names)) { try parse(raw) }
        raw.nameCount = 0
        raw.setCount = 2
        #expect(throws: CatalogError.disagreement(.attributes)) { try parse(raw) }
    }

    // MARK: Tables

    private func withTables(_ change: (inout RawCatalog) -> Void, owner: UInt32 = 0, attributes: UInt32 = 0) -> CatalogError? {
        var raw = RawCatalog()
        raw.flags = 3
        raw.begin(kind: 1, [])
        raw.metadata(mode: 0o755, owner: 0)
        raw.file(name("a"), owner: owner, attributes: attributes)
        raw.end()
        change(&raw)
        do { _ = try parse(raw) } catch { return error as? CatalogError }
        return nil
    }

    @Test func ownersAreThoseOfTheCatalog() {
        func with(_ owner: UInt32) -> CatalogError? { withTables({ $0.owner(0, 0) }, owner: owner, attributes: RawCatalog.none) }
        #expect(with(0) == nil)
        #expect(with(1) == .unknownOwner(name("a")))
        #expect(with(.max) == .unknownOwner(name("a")))
        #expect(refusal { $0.file(name("a"), owner: 0) } == .unknownOwner(name("a")))
    }

    @Test func ownersThatStandForNobodyAreRefused() {
        func with(_ user: UInt32, _ group: UInt32, _ userName: UInt32 = RawCatalog.none, _ groupName: UInt32 = RawCatalog.none) -> CatalogError? {
            withTables(
                {
                    $0.owner(user, group, userName: userName, groupName: groupName)
                    $0.name(name("root"))
                }, attributes: RawCatalog.none)
        }
        #expect(with(4_294_967_294, 0, 0, 0) == nil)
        #expect(with(.max, 0) == .invalidOwner(0))
        #expect(with(0, .max) == .invalidOwner(0))
        #expect(with(0, 0, 1) == .invalidOwner(0))
        #expect(with(0, 0, 0, 1) == .invalidOwner(0))
    }

    @Test(arguments: [[], [0x61, 0]] as [[UInt8]]) func ownersNamesAreNames(bad: [UInt8]) {
        let refused = withTables(
            {
                $0.owner(0, 0, userName: 0)
                $0.name(bad)
                // The header's least is of names with a byte.
                $0.set([(name("user.a"), [])])
            })
        #expect(refused == .invalidName(bad))
    }

    @Test func attributesAreThoseOfTheCatalog() {
        func with(_ set: UInt32) -> CatalogError? {
            withTables(
                {
                    $0.owner(0, 0)
                    $0.set([(name("user.a"), [1])])
                }, attributes: set)
        }
        #expect(with(0) == nil)
        #expect(with(.max) == nil)
        #expect(with(1) == .unknownAttributes(name("a")))
        #expect(refusal { $0.file(name("a"), attributes: 0) } == .unknownAttributes(name("a")))
        #expect(refusal { $0.symbolicLink(name("a"), target: name("x"), attributes: 0) } == .unknownAttributes(name("a")))
    }

    @Test func setsOfAttributesAreSets() {
        func with(_ attributes: [(name: [UInt8], value: [UInt8])]) -> CatalogError? {
            withTables {
                $0.owner(0, 0)
                $0.set(attributes)
                $0.rest = Array(repeating: 0, count: attributes.isEmpty ? 4 : 0)
            }
        }
        let (a, b) = (name("user.a"), name("user.b"))
        let most = [UInt8](repeating: 7, count: 65_535)
        #expect(with([(a, []), (b, [1])]) == nil)
        #expect(with([]) == .invalidAttributes(0))
        #expect(with([(a, []), (a, [])]) == .invalidAttributes(0))
        #expect(with([(b, []), (a, [])]) == .invalidAttributes(0))
        #expect(with([([], [1])]) == .invalidAttributes(0))
        #expect(with([([0x61, 0], [1])]) == .invalidAttributes(0))
        #expect(with([(name("u"), most)]) == nil)
        #expect(with([(name("uu"), most)]) == .invalidAttributes(0))
        #expect(with([(a, Array(most.prefix(40_000))), (b, Array(most.prefix(40_000)))]) == .invalidAttributes(0))
    }

    // MARK: Printing

    @Test func namesArePrintedWithoutWhatTerminalsObey() {
        #expect(NameText.printable(name("größe")) == "größe")
        #expect(NameText.printable(name("\u{1B}[2Jx\n")) == "\\x1B[2Jx\\x0A")
        #expect(NameText.printable([0xFF, 0x61, 0xC3, 0xA9]) == "\\xFFa\\xC3\\xA9")
        #expect(NameText.printable(name("a\\x1B")) == "a\\\\x1B")
        #expect(NameText.printable(name("\u{202E}gpj")) == "\\xE2\\x80\\xAEgpj")
        #expect(CatalogError.unordered(name("a\u{1B}")).text.utf8.allSatisfy { $0 >= 0x20 })
    }
}
