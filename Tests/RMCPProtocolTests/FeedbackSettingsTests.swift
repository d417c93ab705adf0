import Testing

@testable import RMCPProtocol

@Suite struct FeedbackSettingsTests {
    /// A thousand in a second, and more while the rate is being found: of many, too, so that a step does not take them seconds.
    @Test(
        arguments: [
            (1, 10, 1), (8, 10, 4), (16, 16, 8), (64, 64, 32), (80, 80, 32), (300, 300, 32), (1_000, 1_000, 100), (100_000, 10_000, 10_000),
        ] as [(Int, Int64, Int64)])
    func childrenReportTheMoreSeldomTheMoreTheyAre(children: Int, usual: Int64, finding: Int64) {
        let settings = FeedbackSettings()
        #expect(settings.statusInterval(children: children, isFindingRate: false) == .milliseconds(usual))
        #expect(settings.statusInterval(children: children, isFindingRate: true) == .milliseconds(finding))
    }
}
