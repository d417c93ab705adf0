import ArgumentParser
import RMCPHost

/// Options of `send` for directories.
struct SentTreeOptions: OptionGroupDeclaration {
    static let filesFrom = Setting(
        "files-from0", .file, "file", completion: .file(), isConfigurable: false, namesFile: true,
        "Send of the directory only what is listed in this file ('-': standard input), by paths from there on, each with a zero behind it (git ls-files -z).")
    static let exclude = Setting.list(
        "exclude", "glob",
        "Leave out of a directory what has such a name or, with a slash in the pattern, such a path from the directory on (repeatable).")
    static let oneFileSystem = Setting.flag("one-file-system", "Leave out of a directory what is mounted in it.")
    static let owner = Setting.flag("owner", isOn: true, "Say whom a directory's files belong to (default).")
    static let numericOwner = Setting.flag("numeric-owner", "Say users and groups by number only: receivers do not look for their names.")
    static let xattrs = Setting.flag(
        "xattrs", isOn: true, "Send extended attributes: users' own, POSIX ACLs and, as root, capabilities (default); --xattrs=all sends all that can be read.")
    static let allXattrs = Setting.flag("all-xattrs", "The same as --xattrs=all.")

    static let declared = [
        filesFrom.entry, exclude.entry, oneFileSystem.entry, owner.entry, numericOwner.entry, xattrs.entry, allXattrs.entry,
    ]

    @Option(Self.filesFrom) var filesFrom: String?
    @Option(Self.exclude) var exclude: [String]
    @Flag(Self.oneFileSystem) var oneFileSystem: Bool?
    @Flag(Self.owner) var owner: Bool?
    @Flag(Self.numericOwner) var numericOwner: Bool?
    @Flag(Self.xattrs) var xattrs: Bool?
    @Flag(Self.allXattrs) var allXattrs: Bool?

    /// `--xattrs=all` as the parser has it, which knows a flag or a value, but not both.
    static func spelledOut(_ arguments: [String]) -> [String] {
        guard arguments.first == "send" else { return arguments }
        let options = arguments.prefix { $0 != "--" }
        return options.map { $0 == "--xattrs=all" ? "--all-xattrs" : $0 } + arguments[options.count...]
    }

    func selection(of paths: [String], _ settings: Settings) throws(HostError) -> TreeSelection {
        let hasOwners = try settings.flag(Self.owner, owner)
        let hasAttributes = try settings.flag(Self.xattrs, xattrs)
        let isNumeric = try settings.flag(Self.numericOwner, numericOwner)
        let hasAll = try settings.flag(Self.allXattrs, allXattrs)
        return TreeSelection(
            paths: paths, list: try settings.value(Self.filesFrom, filesFrom), excluded: settings.list(Self.exclude, exclude),
            staysOnFileSystem: try settings.flag(Self.oneFileSystem, oneFileSystem), owners: hasOwners ? isNumeric ? .numbers : .names : .none,
            attributes: hasAttributes ? hasAll ? .all : .usual : .none)
    }
}
