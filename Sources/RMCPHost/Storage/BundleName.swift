/// Judges a bundle's announced name before anything is done with it: it must be one plain file name.
public enum BundleName {
    /// Why `name` cannot be a file in the receiver's directory; nil when it can.
    public static func objection(to name: String) -> String? {
        if name.isEmpty { return "it is empty" }
        if name.utf8.count > 255 { return "it is longer than 255 bytes" }
        if name == "." || name == ".." { return "it names a directory" }
        if name.utf8.contains(UInt8(ascii: "/")) { return "it contains a slash" }
        // Control characters would rewrite the terminal that lists them.
        if name.unicodeScalars.contains(where: { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) }) {
            return "it contains control characters"
        }
        if name.hasPrefix(".") && (name.hasSuffix(".rmcp-partial") || name.hasSuffix(".rmcp-journal")) {
            return "it is reserved for partial files"
        }
        return nil
    }

    /// A name that is safe to print, whoever sent it.
    public static func printable(_ name: String) -> String {
        var result = ""
        for scalar in name.unicodeScalars.prefix(256) {
            let isControl = scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
            result.unicodeScalars.append(isControl ? "?" : scalar)
        }
        return result
    }
}
