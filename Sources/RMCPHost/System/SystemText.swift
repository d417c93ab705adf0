import CLinux
import Glibc

/// Text of the operating system: arguments, variables and paths are bytes, and nothing says that they are UTF-8. String
/// repairs what is not, and the repaired path is another file's.
///
/// So a byte that is part of no UTF-8 is kept as a private character of its own, U+10FF80 to U+10FFFF, and given back to
/// the kernel as that byte. These characters themselves are kept as the four bytes that they have. All such bytes are above
/// 0x7F: none of them is a slash, a dot or the end of a string.
public enum SystemText {
    private static let base: UInt32 = 0x10_FF00
    private static let escapes = base + 0x80...base + 0xFF
    /// UTF-8 of every escape begins with it.
    private static let mark: UInt8 = 0xF4

    public static func text(of bytes: some RandomAccessCollection<UInt8>) -> String {
        let bytes = Array(bytes)
        if !bytes.contains(mark), let text = String(validating: bytes, as: UTF8.self) { return text }
        var text = String.UnicodeScalarView()
        var rest = bytes[...]
        while let first = rest.first {
            let found = (1...4).lazy.compactMap { scalar(rest.prefix($0)).map { ($0, $1) } }.first
            if let (scalar, length) = found, !escapes.contains(scalar.value) {
                text.append(scalar)
                rest = rest.dropFirst(length)
            } else {
                if let escape = Unicode.Scalar(base + UInt32(first)) { text.append(escape) }
                rest = rest.dropFirst()
            }
        }
        return String(text)
    }

    /// The one character that these bytes are, and their number.
    private static func scalar(_ bytes: ArraySlice<UInt8>) -> (Unicode.Scalar, Int)? {
        guard let text = String(validating: bytes, as: UTF8.self), let first = text.unicodeScalars.first, text.unicodeScalars.count == 1 else { return nil }
        return (first, bytes.count)
    }

    /// Text that a C function gives.
    public static func text(_ pointer: UnsafePointer<CChar>) -> String {
        unsafe text(of: UnsafeRawBufferPointer(start: pointer, count: strlen(pointer)))
    }

    /// The bytes again.
    public static func bytes(of text: String) -> [UInt8] {
        guard text.utf8.contains(mark) else { return Array(text.utf8) }
        var bytes: [UInt8] = []
        for scalar in text.unicodeScalars {
            if escapes.contains(scalar.value) { bytes.append(UInt8(truncatingIfNeeded: scalar.value)) } else { bytes += Array(String(scalar).utf8) }
        }
        return bytes
    }

    /// The bytes again, with a zero behind them, for a C function.
    public static func cString(_ text: String) -> [CChar] { bytes(of: text).map { CChar(bitPattern: $0) } + [0] }

    /// Nil for what is no UTF-8.
    public static func validated(_ text: String) -> String? { String(validating: bytes(of: text), as: UTF8.self) }

    /// Text for people to read: bytes that are no UTF-8 as `\xE9`.
    /// - Parameter backslash: how a backslash is written there.
    public static func printable(_ text: String, backslash: String = "\\") -> String {
        guard text.utf8.contains(mark) else { return text }
        return text.unicodeScalars.map { scalar in
            guard escapes.contains(scalar.value) else { return String(scalar) }
            return "\(backslash)x\(String(UInt8(truncatingIfNeeded: scalar.value), radix: 16, uppercase: true))"
        }.joined()
    }

    /// A variable of the environment.
    public static func variable(_ name: String) -> String? { unsafe getenv(name).map { unsafe text($0) } }

    /// The program's arguments, without its name.
    public static var arguments: [String] {
        var result: [String] = []
        while let argument = unsafe rmcp_argument(Int32(result.count + 1)) { result.append(unsafe text(argument)) }
        return result
    }
}
