import Foundation
import RMCPContent
import RMCPHost
import RMCPProtocol
import Testing

@testable import rmcp

/// Settings that a daemon reads anew.
@Suite struct RereadTests {
    /// Runs a relay's first reading, with an address for its parent, and another one after `change` has written new options.
    private func reread(_ options: String, then change: String) throws -> (first: RepairNodeRequest, changes: Result<RepairChanges, HostError>) {
        try CommandRun.inDirectory { directory in
            let path = directory + "/options.toml"
            try options.write(toFile: path, atomically: true, encoding: .utf8)
            let command = try #require(try RMCP.parseAsRoot(["repair", "--config", path]) as? RepairCommand)
            let settings = try Settings(command: "repair", configurationPath: path)
            let request = try command.request(settings) { _, _ in .ipv4(10, 0, 0, 9, port: 17_627) }
            let reread = command.reread(request, settings)
            try change.write(toFile: path, atomically: true, encoding: .utf8)
            return (request, reread())
        }
    }

    @Test("A key that is trusted no longer is dropped where no resolver knows the parent's name any more")
    func noResolver() throws {
        let keys = [SigningKey().publicKey, SigningKey().publicKey]
        func options(_ keys: [PublicKey]) -> String { "upstream = \"relay.invalid\"\ntrust = [\(keys.map { "\"\($0.text)\"" }.joined(separator: ", "))]\n" }
        let (first, changes) = try reread(options(keys), then: options([keys[1]]))
        #expect(first.upstream == .ipv4(10, 0, 0, 9, port: 17_627) && first.trust.trustedKeys == Set(keys))
        #expect(try changes.get().trust.trustedKeys == [keys[1]])
    }

    @Test("A parent that no resolver could find is a fault of the file all the same", arguments: ["relay:port", "[ff15::1]", "239.1.2.3"])
    func wrongParent(text: String) throws {
        let (_, changes) = try reread("upstream = \"relay.invalid\"\nallow-unsigned = true\n", then: "upstream = \"\(text)\"\nallow-unsigned = true\n")
        #expect(throws: HostError.self) { try changes.get() }
    }
}
