import Foundation
import Testing

@testable import RMCPHost

/// Bytes of the operating system come back as they were, whatever they are.
@Suite struct SystemTextTests {
    @Test(
        arguments: [
            [], Array("plain".utf8), Array("caf\u{E9} \u{1F600}".utf8), [0x63, 0xE9], [0xE9, 0x41], [0xC3], [0xF0, 0x9F, 0x98], [0xFF, 0xFE, 0x80],
            // A surrogate, an overlong slash, beyond the last character.
            [0xED, 0xA0, 0x80], [0xC0, 0xAF], [0xF4, 0x90, 0x80, 0x80],
            // The very characters that stand for bytes, and their neighbours.
            Array("\u{10FF80}\u{10FFE9}\u{10FFFF}".utf8), Array("\u{10FF7F}\u{10FF2F}".utf8), Array("a\u{301}".utf8),
        ] as [[UInt8]])
    func bytesComeBack(bytes: [UInt8]) {
        let text = SystemText.text(of: bytes)
        #expect(SystemText.bytes(of: text) == bytes)
        #expect(SystemText.validated(text).map { Array($0.utf8) } == (String(validating: bytes, as: UTF8.self) == nil ? nil : bytes))
        #expect(SystemText.cString(text).map { UInt8(bitPattern: $0) } == bytes + [0])
    }

    @Test func everyByteComesBackBehindEveryOther() {
        for first in UInt8(1)...255 {
            for second in UInt8(1)...255 {
                let bytes = [first, second]
                if SystemText.bytes(of: SystemText.text(of: bytes)) != bytes { Issue.record("\(bytes)") }
            }
        }
    }

    /// A name that came over the network cannot become a path of another directory.
    @Test func noEscapeIsASlash() {
        for value in UInt32(0x10_FF00)...0x10_FF7F {
            let name = String(Character(Unicode.Scalar(value) ?? "?"))
            #expect(SystemText.bytes(of: name) == Array(name.utf8))
        }
    }

    @Test func peopleAreShownBytes() {
        let text = SystemText.text(of: [0x72, 0xE9, 0x70])
        #expect(SystemText.printable(text) == "r\\xE9p" && SystemText.printable(text, backslash: "\\\\") == "r\\\\xE9p")
        #expect(SystemText.printable("caf\u{E9}") == "caf\u{E9}")
    }
}
