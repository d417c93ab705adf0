import Foundation
import TestSupport
import Testing

@testable import RMCPProtocol

/// What docs/protocol.md has in figures, held against what the codec writes.
@Suite struct ProtocolDocumentTests {
    private static let lines: [String] = {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let text = try? String(contentsOf: root.appending(path: "docs/protocol.md"), encoding: .utf8)
        return text?.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) ?? []
    }()

    private static func cells(_ line: String) -> [String] {
        line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().map { $0.trimmingCharacters(in: .whitespaces) }
    }

    /// What a signature covers, by the row that says so: the range of a datagram, from its `offset A to B` on.
    private static func covered(_ row: String, of datagram: [UInt8], end: Int, variable: Int) throws -> ArraySlice<UInt8> {
        let range = try #require(row.firstMatch(of: /offset (\d+) to (?:(\d+)(?: \+ \*n\*)?|the end of the (?:entries|path))/), "\(row)")
        let start = try #require(Int(range.1))
        let hasVariable = row.contains("+ *n*")
        let last = range.2.flatMap { Int($0) }.map { $0 + (hasVariable ? variable : 0) } ?? end - 1
        return datagram[start...last]
    }

    @Test("Each signature covers what the document says", arguments: 0..<20 as Range<UInt64>)
    func signedRanges(seed: UInt64) throws {
        let session = Announce.sampleSession
        let cookie: UInt64 = 0x1122_3344_5566_7788
        var random = RandomSource(seed: seed)
        for kind in [PacketKind.announce, .page, .end, .statement, .place, .advertisement] {
            let packet = random.packet(of: kind)
            let datagram = datagram(packet)
            let (name, message): (String, [UInt8]) =
                switch packet {
                case .announce(let announce, _): ("ANNOUNCE", announce.signedMessage)
                case .page(_, let body, _): ("PAGE", TablePage.signedMessage(session: session, body: body))
                case .end(let end, _): ("END", end.signedMessage(session: session))
                case .statement(let statement, _): ("STATEMENT", statement.signedMessage(session: session))
                case .place(let place, _): ("PLACE", place.signedMessage(session: session, cookie: cookie))
                case .advertisement(let advertisement, _): ("ADVERTISEMENT", advertisement.signedMessage)
                default: fatalError("not signed")
                }
            let row = try #require(Self.lines.first { $0.hasPrefix("| \(name) | `rmcp ") }, "\(name)")
            let domain = try #require(row.firstMatch(of: /`(rmcp [^`]*)\\n`/)?.1)
            var expected = Array(String(domain).utf8) + [0x0A]
            if row.contains("the session id (16 bytes)") {
                for word in [session.high, session.low] { expected += (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * UInt64($0))) } }
            }
            // The name of an ANNOUNCE has its length at 82; the signature is the end of the others.
            let variable = kind == .announce ? Int(datagram[82]) << 8 | Int(datagram[83]) : 0
            expected += try Self.covered(row, of: datagram, end: datagram.count - 64, variable: variable)
            if row.contains("then a cookie (8 bytes)") { expected += (0..<8).map { UInt8(truncatingIfNeeded: cookie >> (56 - 8 * UInt64($0))) } }
            #expect(message == expected, "\(name), seed \(seed)")
        }
    }

    @Test("In each table of fields one begins where the one before it ends")
    func fieldsAreContiguous() throws {
        var tables = 0
        var isTable = false
        var next: Int?
        for (number, line) in Self.lines.enumerated() {
            if line.hasPrefix("| offset | bytes |") {
                tables += 1
                (isTable, next) = (true, nil)
            } else if !line.hasPrefix("|") {
                isTable = false
            } else if isTable, !line.hasPrefix("|---") {
                let row = Self.cells(line)
                let offset = Int(row[0])
                if let next, let offset { #expect(offset == next, "docs/protocol.md:\(number + 1): \(line)") }
                next = offset.flatMap { offset in Int(row[1]).map { offset + $0 } }
            }
        }
        #expect(tables >= 15)
    }
}
