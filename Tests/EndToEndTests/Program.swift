import EventSchema
import Foundation
import Testing

/// What the tests run: the binary that ships, found by `scripts/test`, or the one that this build made.
enum Program {
    static var path: String {
        if let given = ProcessInfo.processInfo.environment["RMCP_BINARY"] { return given }
        return Bundle.main.bundleURL.appendingPathComponent("rmcp").path
    }

    static let repository = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    /// Whether a program of the system's is there.
    static func isInstalled(_ name: String) -> Bool {
        ["/usr/bin", "/usr/sbin", "/sbin", "/usr/local/bin"].contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(name)") }
    }
}

/// A process under way, its output collected, ended at the latest when its time is over.
final class Running: @unchecked Sendable {
    struct Result {
        let status: Int32
        let output: Data
        let errors: String

        /// Lines of standard error, without empty ones.
        var errorLines: [String] { errors.split(separator: "\n").map(String.init) }
        /// Bundles and JSON go to standard output.
        var text: String { String(decoding: output, as: UTF8.self) }
    }

    let process = Process()
    private let outputURL: URL
    private let errorURL: URL

    init(_ arguments: [String], in directory: URL, environment: [String: String] = [:], input: String? = nil, seconds: Int = 120) throws {
        outputURL = directory.appendingPathComponent(".\(UUID().uuidString).out")
        errorURL = directory.appendingPathComponent(".\(UUID().uuidString).err")
        for url in [outputURL, errorURL] { _ = FileManager.default.createFile(atPath: url.path, contents: nil) }
        process.executableURL = URL(fileURLWithPath: "/usr/bin/timeout")
        process.arguments = ["--kill-after=2", "\(seconds)"] + arguments
        process.currentDirectoryURL = directory
        process.environment = ProcessInfo.processInfo.environment
            .merging(["HOME": directory.path, "XDG_CONFIG_HOME": directory.path + "/.config"]) { $1 }
            .merging(environment) { $1 }
        process.standardInput = try input.map { try FileHandle(forReadingFrom: URL(fileURLWithPath: $0)) } ?? FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: outputURL)
        process.standardError = try FileHandle(forWritingTo: errorURL)
        try process.run()
    }

    var errorsSoFar: String { (try? String(contentsOf: errorURL, encoding: .utf8)) ?? "" }
    var outputSoFar: String { (try? String(contentsOf: outputURL, encoding: .utf8)) ?? "" }

    /// The last number that was said under a key, in JSON.
    func last(_ key: String) -> Int { Self.last(key, in: outputSoFar) }

    static func last(_ key: String, in text: String) -> Int {
        guard let range = text.range(of: "\"\(key)\":", options: .backwards) else { return 0 }
        return Int(text[range.upperBound...].prefix { $0.isNumber || $0 == "-" }) ?? 0
    }

    static func first(_ key: String, in text: String) -> Int {
        guard let range = text.range(of: "\"\(key)\":") else { return 0 }
        return Int(text[range.upperBound...].prefix { $0.isNumber || $0 == "-" }) ?? 0
    }

    /// All numbers that were said under a key, in order.
    static func numbers(_ key: String, in text: String) -> [Int] {
        text.components(separatedBy: "\"\(key)\":").dropFirst().map { Int($0.prefix { $0.isNumber || $0 == "-" }) ?? 0 }
    }

    /// Bytes on a receiver's disk so far, by its own word.
    var done: Int { last("bytes_done") }

    /// Whether an event of this name has been said, in JSON.
    func says(_ event: String) -> Bool { count(event) > 0 }

    func count(_ event: String) -> Int { outputSoFar.components(separatedBy: "\"event\":\"\(event)\"").count - 1 }

    /// Names of the events that have been said, in order, in JSON.
    var events: [String] { outputSoFar.components(separatedBy: "\"event\":\"").dropFirst().map { String($0.prefix { $0 != "\"" }) } }

    func wait() -> Result {
        process.waitUntilExit()
        let output = (try? Data(contentsOf: outputURL)) ?? Data()
        let errors = errorsSoFar
        for url in [outputURL, errorURL] { try? FileManager.default.removeItem(at: url) }
        checkLines(output)
        return Result(status: process.terminationStatus, output: output, errors: errors)
    }

    /// Lines of JSON are what is documented, whatever a test looks for in them. One that was being written when its process was killed
    /// is none.
    private func checkLines(_ output: Data) {
        guard let arguments = process.arguments, arguments.contains(where: { $0.contains("--json") }) else { return }
        let text = String(decoding: output, as: UTF8.self)
        let whole = text.hasSuffix("\n") ? text[...] : text.prefix(upTo: text.lastIndex(of: "\n") ?? text.startIndex)
        let faults = EventSchema.faults(of: String(whole), isMixed: !arguments.contains("--json"))
        #expect(faults.isEmpty, "\(faults.prefix(5))")
    }

    /// Waits until `condition` holds or the process has ended; false then.
    func wait(until condition: () -> Bool) -> Bool {
        while !condition() {
            guard process.isRunning else { return condition() }
            usleep(2_000)
        }
        return true
    }

    /// The process itself, below `timeout` and `ip netns exec` (which replaces itself); nil once it has ended.
    var child: Int32? {
        let children = "/proc/\(process.processIdentifier)/task/\(process.processIdentifier)/children"
        let text = (try? String(contentsOfFile: children, encoding: .utf8)) ?? ""
        return text.split(separator: " ").lazy.compactMap { Int32($0.trimmingCharacters(in: .whitespacesAndNewlines)) }.first
    }

    func signal(_ number: Int32) { if let child { kill(child, number) } }

    /// A signal that the process has not taken yet, by what the kernel says of it.
    func hasPending(_ number: Int32) -> Bool {
        let status = child.flatMap { try? String(contentsOfFile: "/proc/\($0)/status", encoding: .utf8) } ?? ""
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("ShdPnd:") }) else { return false }
        let signals = UInt64(line.dropFirst("ShdPnd:".count).trimmingCharacters(in: .whitespaces), radix: 16) ?? 0
        return signals & 1 << UInt64(number - 1) != 0
    }
}

/// A directory that is gone afterwards, on memory where there is some: the disk is not what is tested.
final class Scratch {
    let url: URL

    init() throws {
        let base = FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm" : NSTemporaryDirectory()
        url = URL(fileURLWithPath: base).appendingPathComponent("rmcp-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    func path(_ name: String) -> String { url.appendingPathComponent(name).path }

    func directory(_ name: String) throws -> URL {
        let result = url.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: result, withIntermediateDirectories: true)
        return result
    }

    /// A file of bytes that no compressor shortens.
    @discardableResult
    func random(_ name: String, megabytes: Int) throws -> String {
        let path = path(name)
        try run(["head", "-c", "\(megabytes)M", "/dev/urandom"], into: path)
        return path
    }

    func run(_ arguments: [String], into path: String) throws {
        _ = FileManager.default.createFile(atPath: path, contents: nil)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
    }

    /// Byte for byte, by cmp: nothing is loaded into memory.
    func same(_ first: String, _ second: String) -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/cmp")
        process.arguments = ["-s", first, second]
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}
