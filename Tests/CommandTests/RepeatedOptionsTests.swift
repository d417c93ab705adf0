import RMCPHost
import Testing

@testable import rmcp

/// An option with one value is given once.
@Suite struct RepeatedOptionsTests {
    @Test(
        arguments: [
            ["send", "-i", "eth0", "-i", "lo", "f"], ["send", "--name", "a", "--name=b", "f"], ["recv", "-d", "x", "--directory", "y"],
            ["recv", "-g", "239.1.1.1", "--group", "239.1.1.2"], ["repair", "--cache=a", "--cache", "a"], ["keygen", "-o", "a", "-o", "b"],
        ])
    func twice(arguments: [String]) {
        let error = #expect(throws: HostError.self) { try RepeatedOptions.check(arguments) }
        #expect(error?.kind == .usage && error?.description.contains("is given twice") == true)
    }

    @Test(
        arguments: [
            ["recv", "--trust", "a", "--trust", "b"], ["send", "--json", "--json", "f"], ["send", "--name", "--name", "f"], ["send", "--", "-i", "-i", "-i"],
            ["recv", "-v", "-d", "x", "-o", "y"], ["send", "-i", "lo", "-", "-v"], [], ["--help"], ["other", "-i", "a", "-i", "b"],
        ])
    func once(arguments: [String]) throws { try RepeatedOptions.check(arguments) }
}
