import Testing

@testable import RMCPProtocol

@Suite struct RoundTripEstimatorTests {
    private func estimator(_ change: (inout Configuration) -> Void = { _ in }) -> RoundTripEstimator {
        var configuration = Configuration()
        configuration.feedback.initialGroupRoundTrip = .milliseconds(10)
        configuration.feedback.minimumGroupRoundTrip = .milliseconds(2)
        configuration.feedback.maximumGroupRoundTrip = .seconds(2)
        change(&configuration)
        return RoundTripEstimator(configuration: configuration)
    }

    private func expect(_ estimator: RoundTripEstimator, microseconds: Int64, sourceLocation: SourceLocation = #_sourceLocation) {
        let difference = estimator.estimate.nanoseconds - microseconds * 1_000
        // Factors go through floating point.
        #expect(abs(difference) < 100, "\(estimator.estimate.nanoseconds) ns", sourceLocation: sourceLocation)
    }

    @Test func halfTheWayUpAQuarterOfTheWayDown() {
        var estimator = estimator()
        estimator.record(.milliseconds(50), at: .milliseconds(0))
        expect(estimator, microseconds: 10_000)
        // The period's peak counts, not its last sample.
        estimator.record(.milliseconds(3), at: .milliseconds(200))
        expect(estimator, microseconds: 30_000)
        estimator.record(.milliseconds(20), at: .milliseconds(399))
        expect(estimator, microseconds: 30_000)
        estimator.record(.milliseconds(10), at: .milliseconds(400))
        // The first peak is forgotten: 30 - (30 - 20) / 4.
        expect(estimator, microseconds: 27_500)
    }

    @Test func comesToRestAtTheSample() {
        var up = estimator()
        var down = estimator { $0.feedback.initialGroupRoundTrip = .milliseconds(500) }
        for step in 0..<60 {
            up.record(.milliseconds(80), at: .milliseconds(Int64(step) * 200))
            down.record(.milliseconds(80), at: .milliseconds(Int64(step) * 200))
        }
        #expect(abs(up.estimate.inSeconds - 0.08) < 0.000_1 && abs(down.estimate.inSeconds - 0.08) < 0.000_1)
    }

    @Test func staysWithinItsBounds() {
        var estimator = estimator()
        for step in 0..<40 { estimator.record(.zero, at: .milliseconds(Int64(step) * 200)) }
        expect(estimator, microseconds: 2_000)
        for step in 40..<80 { estimator.record(.seconds(50), at: .milliseconds(Int64(step) * 200)) }
        expect(estimator, microseconds: 2_000_000)
        #expect(self.estimator { $0.feedback.initialGroupRoundTrip = .zero }.estimate == .milliseconds(2))
        #expect(self.estimator { $0.feedback.initialGroupRoundTrip = .seconds(9) }.estimate == .seconds(2))
    }

    /// A clock that was set back makes none of a child's samples count.
    @Test func negativeSamplesAreIgnored() {
        var estimator = estimator()
        for step in 0..<20 { estimator.record(.milliseconds(-50), at: .milliseconds(Int64(step) * 200)) }
        expect(estimator, microseconds: 10_000)
    }
}
