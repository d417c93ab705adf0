import Foundation
import Testing

/// Libraries of Shims/, each built for one test: a host that is slow, broken or lying, by variables of the environment.
enum Shim: String {
    /// Calls that are slow, fail or lie, each by a variable of its own.
    case slow
    /// A cache's disk on which calls fail and lie by a seed.
    case sick
    /// A cache's disk on which one call stands still.
    case stuck

    private static let compiler = ["/usr/bin/cc", "/usr/bin/gcc", "/usr/bin/clang", "/opt/swift/usr/bin/clang"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }
    static var isPossible: Bool { compiler != nil }
    static let reason: Comment = "a preloaded library needs a C compiler"

    /// Arguments that run a program with `slow`: `env LD_PRELOAD=... VARIABLE=VALUE...`.
    static func command(_ variables: [String: String], in scratch: Scratch) throws -> [String] { try slow.command(variables, in: scratch) }

    func command(_ variables: [String: String], in scratch: Scratch) throws -> [String] {
        let library = scratch.path("\(rawValue).so")
        if !FileManager.default.fileExists(atPath: library) {
            let source = Program.repository + "/Tests/EndToEndTests/Shims/\(rawValue).c"
            let compiled = try Running([try #require(Self.compiler), "-shared", "-fPIC", "-o", library, source, "-ldl"], in: scratch.url).wait()
            try #require(compiled.status == 0, "\(compiled.errors)")
        }
        return ["env", "LD_PRELOAD=\(library)"] + variables.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    }
}
