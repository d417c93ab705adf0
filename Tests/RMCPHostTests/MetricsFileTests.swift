import Foundation
import Glibc
import RMCPProtocol
import Testing

@testable import RMCPHost

/// The file of metrics: whole or not at all, readable, new, gone at the end; and what becomes of failures.
@Suite struct MetricsFileTests {
    private let place: URL

    init() throws {
        place = FileManager.default.temporaryDirectory.appendingPathComponent("rmcp-metrics-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    }

    private func path(_ name: String = "m.prom") -> String { place.appendingPathComponent(name).path }
    private func text(_ name: String = "m.prom") -> String? { try? String(contentsOfFile: path(name), encoding: .utf8) }
    private var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: place.path)) ?? []).sorted() }

    private func wait(_ condition: () -> Bool) -> Bool {
        let deadline = Poller.now() + .seconds(20)
        while !condition() {
            if Poller.now() > deadline { return false }
            usleep(2_000)
        }
        return true
    }

    @Test("Written at once, again when something is different, and gone at the end")
    func life() throws {
        let board = MetricsBoard { "a 1\n" }
        let file = try MetricsFile(path: path(), board: board) { Issue.record("\($0)") }
        #expect(wait { text() == "a 1\n" })
        board.show { "a 2\n" }
        #expect(wait { text() == "a 2\n" })
        #expect(names == ["m.prom"])
        file.finish(keepsFile: false, within: .seconds(10))
        #expect(names.isEmpty)
        try FileManager.default.removeItem(at: place)
    }

    @Test("A job's last word stays")
    func job() throws {
        let board = MetricsBoard { "a 1\n" }
        let file = try MetricsFile(path: path(), board: board) { Issue.record("\($0)") }
        board.show { "a 3\n" }
        file.finish(keepsFile: true, within: .seconds(10))
        #expect(text() == "a 3\n" && names == ["m.prom"])
        try FileManager.default.removeItem(at: place)
    }

    @Test("Readable for others whatever the file had before, through a link, and nothing but a file is replaced")
    func modes() throws {
        let file = ReplacedFile(path: path(), content: "metrics", mode: 0o644)
        _ = FileManager.default.createFile(atPath: path(), contents: Data("old".utf8), attributes: [.posixPermissions: 0o600])
        try file.write("new")
        let mode = try FileManager.default.attributesOfItem(atPath: path())[.posixPermissions] as? Int
        #expect(text() == "new" && mode == 0o644)
        try FileManager.default.createSymbolicLink(atPath: path("link"), withDestinationPath: path())
        try ReplacedFile(path: path("link"), content: "metrics").write("linked")
        #expect(text() == "linked" && names == ["link", "m.prom"])
        try FileManager.default.createDirectory(atPath: path("directory"), withIntermediateDirectories: true)
        #expect(throws: HostError.self) { try ReplacedFile(path: path("directory"), content: "metrics").write("no") }
        try FileManager.default.removeItem(at: place)
    }

    @Test("A place that is gone is one warning, and it goes on when the place is back")
    func gone() throws {
        let warnings = LockedValue<[String]>([])
        let board = MetricsBoard { "a 1\n" }
        let lost = place.appendingPathComponent("lost")
        let file = try MetricsFile(path: lost.appendingPathComponent("m.prom").path, board: board) { text in warnings.withLock { $0.append(text) } }
        #expect(wait { warnings.withLock { $0.count == 1 } })
        board.show { "a 2\n" }
        board.show { "a 3\n" }
        try FileManager.default.createDirectory(at: lost, withIntermediateDirectories: true)
        board.show { "a 4\n" }
        #expect(wait { (try? String(contentsOf: lost.appendingPathComponent("m.prom"), encoding: .utf8)) == "a 4\n" })
        file.finish(keepsFile: false, within: .seconds(10))
        #expect(warnings.withLock { $0.count } == 1 && warnings.withLock { $0[0] }.hasPrefix("no metrics: create "))
        try FileManager.default.removeItem(at: place)
    }

    @Test("Figures are told once a second at most, soon after something happens, and not while nothing does")
    func pace() {
        var pace = FigurePace(at: .zero)
        #expect(pace.advance(to: .zero) && pace.deadline == nil)
        #expect(!pace.advance(to: .zero + .milliseconds(10)) && pace.deadline == .zero + .seconds(1))
        #expect(!pace.advance(to: .zero + .milliseconds(990)) && pace.deadline == .zero + .seconds(1))
        #expect(pace.advance(to: .zero + .seconds(1)) && pace.deadline == nil)
        #expect(pace.advance(to: .zero + .seconds(50)) && pace.deadline == nil)
    }
}
