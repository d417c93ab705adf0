import Testing

@testable import RMCPProtocol

/// Draws against RFC 5401, 3.2.3.
@Suite struct BackoffTests {
    /// How many members of a group of `size` say a NAK for one loss common to all of them, in the mean of `trials`.
    /// Times are in units of GRTT; K is 4.
    private func meanNAKs(size: Int, suppressionDelay: Double, trials: Int, seed: UInt64) -> Double {
        var random = RandomSource(seed: seed)
        var sent = 0
        for _ in 0..<trials {
            let waits = (0..<size).map { _ in
                Backoff.draw(window: .seconds(4), groupSize: Double(size), using: &random).inSeconds
            }
            let silence = (waits.min() ?? 0) + suppressionDelay
            sent += waits.count { $0 < silence }
        }
        return Double(sent) / Double(trials)
    }

    /// The RFC gives N = exp(1.2 * L / (2 * K)) with L = ln(group size) + 1: 1.64, 2.32 and 3.27 NAKs with K = 4. It
    /// holds for NAKs that the members hear from each other half a GRTT after they were sent, the one-way delay. (By
    /// hand, with a = L / K: the first timer leaves about 1 + ((e + 1) / e)(exp(a d) - 1) senders when silence spreads
    /// after d; solved for d, the three published values give 0.47, 0.48 and 0.49.)
    @Test(arguments: [(10, 1.64), (100, 2.32), (1_000, 3.27)])
    func asManyNAKsAsPublished(size: Int, published: Double) {
        let mean = meanNAKs(size: size, suppressionDelay: 0.5, trials: 2_000, seed: 40 + UInt64(size))
        #expect(abs(mean - published) < published * 0.1, "\(mean) NAKs")
    }

    /// Were the delay a whole GRTT, as by way of the source, the figures would be far off: the test above can tell.
    @Test func theDelayMatters() {
        #expect(meanNAKs(size: 100, suppressionDelay: 1, trials: 500, seed: 41) > 2.32 * 1.5)
    }

    /// The distribution itself: P(wait <= t) = (exp(L t / T) - 1) / (exp(L) - 1).
    @Test(arguments: [1.0, 10, 1_000, 1e6]) func distribution(groupSize: Double) {
        var random = RandomSource(seed: 42)
        let window = Interval.milliseconds(400)
        let waits = (0..<20_000).map { _ in Backoff.draw(window: window, groupSize: groupSize, using: &random) }.sorted()
        #expect(waits.allSatisfy { $0 >= .zero && $0 <= window })
        // exp(L), with L = ln(G) + 1.
        let size = groupSize * 2.718281828459045
        for percent in [10, 25, 50, 75, 90] {
            // The distribution solved for t / T.
            let share = waits[waits.count * percent / 100].inSeconds / window.inSeconds
            let expected = logarithm((size - 1) * Double(percent) / 100 + 1) / logarithm(size)
            #expect(abs(share - expected) < 0.02, "\(percent) %: \(share), not \(expected)")
        }
    }

    /// Natural logarithm by halving the argument and the series of the inverse hyperbolic tangent.
    private func logarithm(_ value: Double) -> Double {
        var mantissa = value
        var halvings = 0.0
        while mantissa > 1.5 {
            mantissa /= 2
            halvings += 1
        }
        let z = (mantissa - 1) / (mantissa + 1)
        var term = z
        var sum = 0.0
        for power in stride(from: 1.0, through: 59, by: 2) {
            sum += term / power
            term *= z * z
        }
        return 2 * sum + halvings * 0.6931471805599453
    }

    @Test func noWindowIsNoWait() {
        var random = RandomSource(seed: 43)
        #expect(Backoff.draw(window: .zero, groupSize: 100, using: &random) == .zero)
        // A population that is not known yet counts as one.
        for _ in 0..<1_000 {
            let wait = Backoff.draw(window: .milliseconds(8), groupSize: 0, using: &random)
            #expect(wait >= .zero && wait <= .milliseconds(8))
        }
    }
}
