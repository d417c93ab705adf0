import Foundation
import RMCPContent
import RMCPReport
import TestSupport
import Testing

@testable import RMCPHost
@testable import RMCPProtocol

/// A sender that the receiver trusts, that signs everything, and that lies in its catalog: nothing outside the directory is touched, and
/// nothing appears in it.
@Suite(.serialized) struct LyingTreeTests {
    /// Bytes as a source.
    private final class BytesSource: BundleSource {
        let path = "bytes"
        let kind = BundleKind.tree
        let contentLength: UInt64?
        let allocatedLength: UInt64 = 0
        let mode: UInt16? = 0o755
        let modificationTime: FileTime? = nil
        let warnings: [String] = []
        private let bytes: [UInt8]
        private let plan = LockedValue<ChunkPlan?>(nil)

        init(_ bytes: [UInt8]) {
            self.bytes = bytes
            contentLength = UInt64(bytes.count)
        }

        func start(_ map: ChunkMap, pool: BufferPool, wakeUp: WakeUp) throws(HostError) {
            var begun = ChunkPlan(map, pool: pool, length: UInt64(bytes.count))
            begun.skipSurvey()
            plan.withLock { $0 = begun }
        }

        func next() throws(HostError) -> SourcePiece { plan.withLock { $0?.next() ?? .waiting } }

        func load(_ extent: ContentExtent, into buffer: ChunkBuffer) throws(HostError) {
            buffer.bytes.copyBytes(from: bytes[Int(extent.offset)..<Int(extent.end)])
        }

        func reread(_ extent: ContentExtent, _ record: ChunkRecord, into buffer: ChunkBuffer) throws(HostError) -> Reread {
            try load(extent, into: buffer)
            return .content
        }
    }

    struct Lie: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var build: @Sendable (inout RawCatalog) -> Void

        init(_ name: String, _ build: @escaping @Sendable (inout RawCatalog) -> Void) {
            testDescription = name
            self.build = build
        }
    }

    private static func name(_ text: String) -> [UInt8] { Array(text.utf8) }
    private static let chunk: UInt32 = 1 << 20
    /// A path that a lie leads to, which nobody else's test does.
    private static let absolute = NSTemporaryDirectory() + "rmcp-\(UUID().uuidString)-planted"

    static let lies = [
        Lie("a directory above") {
            $0.directory(name(".."))
            $0.file(name("planted"), size: 5)
            $0.end()
        },
        Lie("a name with a slash") { $0.file(name("../planted"), size: 5) },
        Lie("an absolute name") { $0.file(name(absolute), size: 5) },
        Lie("a name with a zero") { $0.file([0x61, 0, 0x62]) },
        Lie("an empty name") { $0.file([]) },
        Lie("a link and a directory of one name") {
            $0.symbolicLink(name("x"), target: name(".."))
            $0.directory(name("x"))
            $0.file(name("planted"), size: 5)
            $0.end()
        },
        Lie("a link and a file of one name") {
            $0.symbolicLink(name("x"), target: name("../planted"))
            $0.file(name("x"), size: 5)
        },
        Lie("a file behind a link of its name") {
            $0.file(name("x"), size: 5)
            $0.symbolicLink(name("x"), target: name("../planted"))
        },
        Lie("a hard link to what comes later") {
            $0.hardLink(name("a"), to: 2)
            $0.file(name("b"), size: 5)
        },
        Lie("a hard link to a directory") { $0.hardLink(name("a"), to: 0) },
        Lie("a device") { $0.begin(kind: 6, name("null")) },
        Lie("sizes that overflow") {
            $0.file(name("a"), size: 1 << 63)
            $0.file(name("b"), size: 1 << 63)
        },
        Lie("entries behind the root") {
            $0.end()
            $0.file(name("planted"), size: 5)
        },
        Lie("a million entries in a hundred bytes") { $0.entries = 1 << 20 },
        Lie("a catalog beyond its content") { $0.catalogLength = 1 << 26 },
        Lie("a length that is not that of the files") { $0.packedLength = 1_000_000 },
        Lie("a mode that is a kind") { $0.file(name("a"), size: 5, mode: 0o100644) },
        Lie("a directory that never ends") { $0.directory(name("a")) },
        Lie("names too deep") { raw in
            for _ in 0..<257 { raw.directory(name("d")) }
            for _ in 0..<257 { raw.end() }
        },
    ]

    /// Content that lists such entries, whose files have the letter z.
    private func content(_ build: (inout RawCatalog) -> Void) -> [UInt8] {
        var raw = RawCatalog.tree(chunkLength: Self.chunk)
        build(&raw)
        raw.end()
        let catalog = raw.bytes
        // Sizes beyond reason end it before the contents.
        return catalog + Array(repeating: 0x7A, count: Int(clamping: min(raw.contentLength, 1 << 20) - min(UInt64(catalog.count), 1 << 20)))
    }

    /// One session on the loopback interface.
    private func transfer(_ content: [UInt8], into directory: String) throws -> (ReceiveOutcome, SenderOutcome?) {
        let key = SigningKey()
        let group = LoopbackGroup.next()
        let received = LockedValue<ReceiveOutcome?>(nil)
        var configuration = Configuration()
        configuration.joining.waitForReceivers = 1
        configuration.joining.minimumWait = .zero
        configuration.joining.maximumWait = .seconds(20)
        let request = ReceiveRequest(
            group: group, interfaceName: "lo", directory: directory, output: .directory, once: true,
            trust: TrustPolicy(trustedKeys: [key.publicKey], allowsUnsigned: false), hook: nil, timeout: .seconds(20),
            configuration: Configuration())
        let receiver = try HostThread(name: "receiver") {
            do throws(HostError) {
                let outcome = try ReceiveLoop(request).run { _ in }
                received.withLock { $0 = outcome }
            } catch { Issue.record("\(error.description)") }
        }
        let send = SendRequest(
            source: .standardInput, group: group, interfaceName: "lo", timeToLive: 0, name: "tree", compressionLevel: 3, configuration: configuration)
        let sent = LockedValue<SenderOutcome?>(nil)
        let sender = try HostThread(name: "sender") {
            do throws(HostError) {
                let outcome = try SendLoop(send, source: BytesSource(content)) { () throws(HostError) in Ed25519Signer(key) }.run { _ in }
                sent.withLock { $0 = outcome }
            } catch { Issue.record("\(error.description)") }
        }
        receiver.join()
        sender.join()
        return (try #require(received.withLock { $0 }), sent.withLock { $0 })
    }

    /// Names below a directory, hidden ones too.
    private func names(_ path: String) throws -> [String] { try FileManager.default.subpathsOfDirectory(atPath: path).sorted() }

    @Test func whatIsTrueIsTaken() throws {
        let place = try SampleTree()
        try place.directory("in")
        let (received, sent) = try transfer(
            content {
                $0.directory(Self.name("d"))
                $0.file(Self.name("f"), size: 5)
                $0.end()
                $0.symbolicLink(Self.name("l"), target: Self.name("../../planted"))
            }, into: "\(place.path)/in")
        #expect(received == .complete && sent?.kind == .complete)
        #expect(try names(place.path) == ["in", "in/tree", "in/tree/d", "in/tree/d/f", "in/tree/l"])
        #expect(FileManager.default.contents(atPath: "\(place.path)/in/tree/d/f") == Data("zzzzz".utf8))
    }

    @Test(arguments: lies) func aLieIsFoundAndNothingIsMade(lie: Lie) throws {
        let place = try SampleTree()
        try place.directory("in")
        let (received, sent) = try transfer(content { lie.build(&$0) }, into: "\(place.path)/in")
        guard case .failed = received else {
            Issue.record("\(received)")
            return
        }
        #expect(sent?.kind == .partial && sent?.receivers.failed == 1)
        let left = try names(place.path)
        // The directory of what is under way is hidden, and holds no file of the tree.
        #expect(left.allSatisfy { $0 == "in" || $0.hasPrefix("in/.tree.rmcp-") }, "\(left)")
        #expect(!left.contains { $0.hasSuffix("planted") } && !FileManager.default.fileExists(atPath: Self.absolute))
    }
}
