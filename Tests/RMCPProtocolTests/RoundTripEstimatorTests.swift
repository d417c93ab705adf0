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

    private func take(_ samples: [(Interval, at: Int64)], into estimator: inout RoundTripEstimator) {
        var child = RoundTripEstimator.Sample()
        for (sample, time) in samples { estimator.record(sample, of: &child, at: .milliseconds(time)) }
    }

    @Test func halfTheWayUpAQuarterOfTheWayDown() {
        var estimator = estimator()
        var child = RoundTripEstimator.Sample()
        estimator.record(.milliseconds(50), of: &child, at: .milliseconds(0))
        expect(estimator, microseconds: 10_000)
        // The period's peak counts, not its last sample.
        estimator.record(.milliseconds(3), of: &child, at: .milliseconds(200))
        expect(estimator, microseconds: 30_000)
        #expect(child.roundTrip == .milliseconds(3))
        estimator.record(.milliseconds(20), of: &child, at: .milliseconds(399))
        expect(estimator, microseconds: 30_000)
        estimator.record(.milliseconds(10), of: &child, at: .milliseconds(400))
        // The first peak is forgotten: 30 - (30 - 20) / 4.
        expect(estimator, microseconds: 27_500)
    }

    @Test func comesToRestAtTheSample() {
        var up = estimator()
        var down = estimator { $0.feedback.initialGroupRoundTrip = .milliseconds(500) }
        let samples = (0..<60).map { (Interval.milliseconds(80), at: Int64($0) * 200) }
        take(samples, into: &up)
        take(samples, into: &down)
        #expect(abs(up.estimate.inSeconds - 0.08) < 0.000_1 && abs(down.estimate.inSeconds - 0.08) < 0.000_1)
    }

    @Test func staysWithinItsBounds() {
        var estimator = estimator()
        take((0..<40).map { (.zero, at: $0 * 200) }, into: &estimator)
        expect(estimator, microseconds: 2_000)
        take((40..<80).map { (.seconds(50), at: $0 * 200) }, into: &estimator)
        expect(estimator, microseconds: 2_000_000)
        #expect(self.estimator { $0.feedback.initialGroupRoundTrip = .zero }.estimate == .milliseconds(2))
        #expect(self.estimator { $0.feedback.initialGroupRoundTrip = .seconds(9) }.estimate == .seconds(2))
    }

    /// A clock that was set back makes none of a child's samples count.
    @Test func negativeSamplesAreIgnored() {
        var estimator = estimator()
        take((0..<20).map { (.milliseconds(-50), at: $0 * 200) }, into: &estimator)
        expect(estimator, microseconds: 10_000)
    }

    /// One in ten who takes two seconds, honest or not, sets nobody's timers, however often it says so. Its own time is known.
    @Test(arguments: [1, 40]) func theSlowestTenthSetsNobodysTimers(times: Int) {
        var estimator = estimator()
        var children = Array(repeating: RoundTripEstimator.Sample(), count: 10)
        for step in 0..<40 {
            for child in children.indices {
                let sample: Interval = child == 0 ? .seconds(2) : .milliseconds(4)
                for _ in 0..<(child == 0 ? times : 1) { estimator.record(sample, of: &children[child], at: .milliseconds(Int64(step) * 200)) }
            }
        }
        expect(estimator, microseconds: 4_000)
        #expect(estimator.longest == .seconds(2) && children[0].roundTrip == .seconds(2) && children[1].roundTrip == .milliseconds(4))
    }

    /// Three of ten are no exception: timers fit them.
    @Test func moreThanTheSlowestTenthDo() {
        var estimator = estimator()
        var children = Array(repeating: RoundTripEstimator.Sample(), count: 10)
        for step in 0..<60 {
            for child in children.indices { estimator.record(.milliseconds(child < 3 ? 80 : 4), of: &children[child], at: .milliseconds(Int64(step) * 200)) }
        }
        #expect(abs(estimator.estimate.inSeconds - 0.08) < 0.001)
    }
}
