import Foundation
import Testing

/// Shims/slow.c, built for one test: a host that is slow, broken or lying, by variables of the environment.
enum Shim {
    private static let compiler = ["/usr/bin/cc", "/usr/bin/gcc", "/usr/bin/clang", "/opt/swift/usr/bin/clang"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }
    static var isPossible: Bool { compiler != nil }
    static let reason: Comment = "a preloaded library needs a C compiler"

    /// Arguments that run a program with the shim: `env LD_PRELOAD=... VARIABLE=VALUE...`.
    static func command(_ variables: [String: String], in scratch: Scratch) throws -> [String] {
        let library = scratch.path("slow.so")
        if !FileManager.default.fileExists(atPath: library) {
            let source = Program.repository + "/Tests/EndToEndTests/Shims/slow.c"
            let compiled = try Running([try #require(compiler), "-shared", "-fPIC", "-o", library, source, "-ldl"], in: scratch.url).wait()
            try #require(compiled.status == 0, "\(compiled.errors)")
        }
        return ["env", "LD_PRELOAD=\(library)"] + variables.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    }
}
