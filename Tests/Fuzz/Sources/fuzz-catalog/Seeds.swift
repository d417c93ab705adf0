import TestSupport

/// A tree of everything, an empty one, and some that lie.
func seeds() -> [(name: String, bytes: [UInt8])] {
    func name(_ text: String) -> [UInt8] { Array(text.utf8) }
    // Chunks of 1,000 bytes.
    func seed(_ name: String, _ raw: RawCatalog) -> (name: String, bytes: [UInt8]) { (name, [9] + raw.bytes) }
    func tree(_ build: (inout RawCatalog) -> Void) -> RawCatalog {
        var raw = RawCatalog.tree()
        build(&raw)
        raw.end()
        return raw
    }
    let everything = tree {
        $0.directory(name("etc"))
        $0.file(name("fstab"), size: 300)
        $0.symbolicLink(name("mtab"), target: name("../proc/mounts"))
        $0.end()
        $0.directory(name("var"), mode: 0o1777)
        $0.fifo(name("pipe"))
        $0.file(name("sparse"), size: 12_345, flags: 1)
        $0.hardLink(name("table"), to: 2)
        $0.end()
    }
    var owned = RawCatalog()
    owned.flags = 3
    owned.begin(kind: 1, [])
    owned.metadata(mode: 0o755, owner: 0)
    owned.file(name("a"), size: 2_500, owner: 1, attributes: 0)
    owned.file(name("b"), owner: 0)
    owned.end()
    owned.owner(0, 0, userName: 0, groupName: 0)
    owned.owner(1_000, 4_294_967_294, userName: 1)
    owned.name(name("root"))
    owned.name([0xFF, 0x61])
    owned.set([(name("user.a"), [1, 2]), (name("user.b"), [])])
    return [
        seed("everything", everything), seed("owned", owned), seed("empty", tree { _ in }),
        seed("twice", tree { raw in for _ in 0..<2 { raw.file(name("a")) } }), seed("outside", tree { $0.file(name("..")) }),
        seed(
            "deep",
            tree { raw in
                for _ in 0..<40 { raw.directory(name("d")) }
                for _ in 0..<40 { raw.end() }
            }), seed("link-forward", tree { $0.hardLink(name("a"), to: 1) }), seed("huge", tree { $0.file(name("a"), size: .max) }),
        seed("no-end", RawCatalog.tree()),
    ]
}
