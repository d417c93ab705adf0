import Testing

@testable import RMCPHost

@Suite struct NamePatternTests {
    @Test(
        "One of the patterns has to match, all of the name",
        arguments: [
            (["linux-6.12"], "linux-6.12", true), (["linux-6.12"], "linux-6.12.img", false), (["linux-*"], "linux-6.12", true),
            (["linux-*"], "old-linux-6.12", false), (["a", "*.iso"], "disk.iso", true), (["*"], ".hidden", true), (["?"], "\u{e9}", true),
            (["lab-[0-9][0-9]"], "lab-07", true), (["lab-[!0-9]"], "lab-7", false), (["a\\*"], "ab", false), (["a\\*"], "a*", true),
        ])
    func match(patterns: [String], name: String, isMatch: Bool) throws {
        #expect(try NamePatterns(patterns).match(name) == isMatch)
    }

    @Test func anEmptyPatternIsAnError() {
        let error = #expect(throws: HostError.self) { try NamePatterns(["a", ""]) }
        #expect(error?.kind == .usage)
    }
}
