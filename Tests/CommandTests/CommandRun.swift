import EventSchema
import Foundation
import Testing

/// A command that has ended: how, and what it said.
struct CommandRun {
    var status: Int32
    var output: String
    var errors: String
    var errorLines: Int { errors.split(separator: "\n").count }

    /// The program that ships, found by `scripts/test`, or the one that this build made.
    static var binary: String {
        ProcessInfo.processInfo.environment["RMCP_BINARY"] ?? Bundle.main.bundleURL.appendingPathComponent("rmcp").path
    }

    /// Runs a command to its end in a directory, which is its home as well, and holds all lines for programs against their definition.
    /// - Parameters:
    ///   - isMixed: other lines may stand among them.
    ///   - environment: variables besides HOME and PATH.
    init(_ arguments: [String], in directory: String, environment: [String: String] = [:], isMixed: Bool = true, seconds: Int = 60) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/timeout")
        process.arguments = ["--kill-after=2", "\(seconds)"] + arguments
        process.environment = ["HOME": directory, "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"].merging(environment) { $1 }
        process.currentDirectoryURL = URL(fileURLWithPath: directory)
        process.standardInput = FileHandle.nullDevice
        // Files, since a pipe is held open by whatever a script leaves behind.
        let place = NSTemporaryDirectory() + "rmcp-said-\(UUID().uuidString)"
        let files = [place + ".out", place + ".err"]
        for file in files { _ = FileManager.default.createFile(atPath: file, contents: nil) }
        defer { for file in files { try? FileManager.default.removeItem(atPath: file) } }
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: files[0]))
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: files[1]))
        try process.run()
        process.waitUntilExit()
        status = process.terminationStatus
        output = try Self.text(of: files[0])
        errors = try Self.text(of: files[1])
        let faults = EventSchema.faults(of: output, isMixed: isMixed)
        #expect(faults.isEmpty, "\(faults): \(output)")
    }

    private static func text(of file: String) throws -> String { String(decoding: try Data(contentsOf: URL(fileURLWithPath: file)), as: UTF8.self) }

    /// Makes a directory, which is gone afterwards.
    static func inDirectory<Result>(_ body: (String) throws -> Result) throws -> Result {
        let directory = NSTemporaryDirectory() + "rmcp-command-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        return try body(directory)
    }
}
