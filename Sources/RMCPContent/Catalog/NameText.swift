/// Names of files as people may read them: names are bytes, and nothing says that they are text.
public enum NameText {
    /// Control characters, what turns the text around it, and bytes that are no UTF-8 as `\xE9`; a backslash twice. Of a name that is no
    /// UTF-8 as a whole every byte that is not ASCII is escaped, since nobody knows which belong together.
    public static func printable(_ name: some Sequence<UInt8>) -> String {
        let name = Array(name)
        var result = ""
        guard let text = String(validating: name, as: UTF8.self) else {
            for byte in name { result += byte < 0x80 ? shown(Unicode.Scalar(byte)) : escape(byte) }
            return result
        }
        for scalar in text.unicodeScalars { result += shown(scalar) }
        return result
    }

    private static func shown(_ scalar: Unicode.Scalar) -> String {
        if scalar == "\\" { return "\\\\" }
        return isPrintable(scalar) ? String(scalar) : String(scalar).utf8.map(escape).joined()
    }

    private static func escape(_ byte: UInt8) -> String {
        let digits = String(byte, radix: 16, uppercase: true)
        return "\\x\(digits.count < 2 ? "0" : "")\(digits)"
    }

    /// Neither a control character nor one that ends the line or turns the text around it (Unicode Standard Annex 9).
    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F...0x9F, 0x061C, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069: false
        default: true
        }
    }
}
