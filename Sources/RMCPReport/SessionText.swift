public import RMCPProtocol

/// Sessions in words.
public enum SessionText {
    /// A session that a line is about: its bundle, who signed it, and which one it is.
    public static func describe(_ announce: Announce) -> String {
        let key = announce.isSigned ? "key \(announce.key.shortText)…" : "not signed"
        // The name says so where it is not known.
        let secrecy = announce.isSealed && announce.isOpen ? ", sealed" : ""
        return "\"\(BundleName.printable(announce.name))\" (\(key)\(secrecy), session \(announce.session.text.prefix(8)))"
    }

    /// A bundle's name in a list; that of a tree ends in a slash, as `ls -p` has it.
    public static func listedName(_ announce: Announce) -> String { BundleName.printable(announce.name) + (announce.kind == .tree ? "/" : "") }

    /// Bytes of a bundle; nil for a stream. How many of a tree's are those of its files only its catalog says.
    public static func size(of announce: Announce) -> String? {
        announce.contentLength.map { announce.kind == .tree ? "\(Units.size($0)) with its catalog" : Units.size($0) }
    }

    /// Amount of a bundle that has come or gone so far. What lies around a tree's files is no part of what people sent.
    /// - Parameters:
    ///   - total: bytes; nil for a stream.
    ///   - files: bytes of a tree's files; nil for what is none.
    static func amount(_ done: UInt64, of total: UInt64?, files: UInt64?) -> String {
        guard let total, total > 0 else { return Units.size(done) }
        let share = Units.percent(Double(done) / Double(total))
        return files.map { "\(share) of \(Units.size($0))" } ?? "\(Units.size(done)) of \(Units.size(total)) \(share)"
    }

    /// Why a session is not taken, and which option of `recv` would take it.
    public static func explain(_ reason: SessionRefusal) -> String {
        switch reason {
        case .unsigned: "it is not signed; --allow-unsigned would take it"
        case .untrusted(let key): "its key is not trusted; to trust it: --trust '\(key.text)'"
        case .rollback: "\(newer(reason)); --allow-rollback would take it"
        case .badSignature: "its signature is wrong"
        case .tagInUse: "another session with the same tag is under way"
        case .tooManySessions: "too many sessions at once; it is taken when another ends"
        case .outputInUse: "not taken, the output is in use; it is taken when the session that has it ends"
        case .completedBefore: "this receiver has completed it before; --again would take it once more"
        case .sealed: "it is sealed for a group whose key is not here (--group-key)"
        case .sealedForOthers: "it is sealed with another group key than this one"
        case .notSealed: "it is not sealed, and --group-key takes sealed bundles only"
        case .unsupported: "it is a tree, for which --output is no place; receive it with -d, or with -o - as an archive"
        }
    }

    /// The same for a repair node, which has no such option for rollbacks.
    static func explainToRepairNode(_ reason: SessionRefusal) -> String {
        if case .rollback = reason { return newer(reason) }
        return explain(reason)
    }

    private static func newer(_ reason: SessionRefusal) -> String {
        guard case .rollback(let newest) = reason else { return "" }
        let epoch = newest.epoch > 0 ? " (epoch \(newest.epoch))" : ""
        return "a newer version, of \(Units.date(milliseconds: newest.time))\(epoch), is here already"
    }
}
