import ArgumentParser
import RMCPHost

/// Options of `recv` for trees.
struct ReceivedTreeOptions: OptionGroupDeclaration {
    static let replace = Setting(
        "replace", .replacement, "how", default: "exchange", completion: .list(["exchange", "symlink"]),
        "How a tree takes the place of the one of its name: 'exchange' (default), in one step of the file system; or 'symlink', where the name is a link to it."
    )
    static let allowSpecial = Setting.flag(
        "allow-special", "Keep set-user-ID, set-group-ID and, as root, capabilities of a tree's files: left out by default.")
    static let owner = Setting.flag(
        "owner", isOn: true, "As root, give a tree's files the owners that they have at the sender (default); --no-owner leaves them to root.")
    static let xattrs = Setting.flag("xattrs", isOn: true, "Set extended attributes and access control lists of a tree's files (default).")

    static let declared = [replace.entry, allowSpecial.entry, owner.entry, xattrs.entry]

    @Option(Self.replace) var replace: String?
    @Flag(Self.allowSpecial) var allowSpecial: Bool?
    @Flag(Self.owner) var owner: Bool?
    @Flag(Self.xattrs) var xattrs: Bool?

    func options(_ settings: Settings) throws(HostError) -> TreeOptions {
        TreeOptions(
            replacement: try settings.inForce(Self.replace, replace), allowsSpecial: try settings.flag(Self.allowSpecial, allowSpecial),
            keepsOwners: try settings.flag(Self.owner, owner),
            keepsAttributes: try settings.flag(Self.xattrs, xattrs))
    }
}
