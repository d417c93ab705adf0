/// Judges a bundle's announced name before anything is done with it: it must be one plain file name.
///
/// Names are judged as the bytes that a file system sees. To Swift's `String` a combining accent is part of the character
/// before it, so that a name with a slash, a dot or a suffix in it need not seem to have one.
public enum BundleName {
    /// Bytes that a file's name may have.
    public static let maximumLength = 255
    /// Endings of what a bundle is until it is complete. Some file systems take capitals for the same.
    private static let reservedEndings = [".rmcp-partial", ".rmcp-journal", ".rmcp-journal-new", ".rmcp-trees"]

    /// Why `name` cannot be a file in the receiver's directory; nil when it can.
    public static func objection(to name: String) -> String? {
        let bytes = Array(name.utf8)
        if bytes.isEmpty { return "it is empty" }
        if bytes.count > maximumLength { return "it is longer than 255 bytes" }
        if bytes == Array(".".utf8) || bytes == Array("..".utf8) { return "it names a directory" }
        if bytes.contains(UInt8(ascii: "/")) { return "it contains a slash" }
        // Control characters would rewrite the terminal that lists them.
        if name.unicodeScalars.contains(where: isControl) { return "it contains control characters" }
        if isReserved(bytes) { return "it is reserved for partial files" }
        return nil
    }

    private static func isReserved(_ bytes: [UInt8]) -> Bool {
        guard bytes.first == UInt8(ascii: ".") else { return false }
        let lower = bytes.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 }
        // With a number behind it, it is one that was moved aside.
        let plain = lower.reversed().drop { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: ".") }
        return reservedEndings.contains { ending in lower.ends(with: ending.utf8) || plain.reversed().ends(with: ending.utf8) }
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool { scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) }

    /// Neither a control character nor one that ends the line or turns the text around it (Unicode Standard Annex 9).
    public static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x061C, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069: false
        default: !isControl(scalar)
        }
    }

    /// A name that is safe to print, whoever sent it.
    public static func printable(_ name: String) -> String {
        var result = ""
        for scalar in name.unicodeScalars.prefix(256) { result.unicodeScalars.append(isPrintable(scalar) ? scalar : "?") }
        return result
    }

    /// The longest beginning of `name` that has `bytes` bytes at most, and whole characters.
    public static func prefix(of name: String, bytes: Int) -> String {
        var scalars = name.unicodeScalars
        while String(scalars).utf8.count > bytes { scalars.removeLast() }
        return String(scalars)
    }
}

extension Array where Element == UInt8 {
    fileprivate func ends(with ending: some Sequence<UInt8>) -> Bool {
        let ending = Array(ending)
        return count >= ending.count && suffix(ending.count).elementsEqual(ending)
    }
}
