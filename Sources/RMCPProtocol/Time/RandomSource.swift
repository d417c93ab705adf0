/// xoshiro256** (Blackman and Vigna, 2018), seeded by SplitMix64. The engine draws its jitter and backoff from a source
/// that it is given, so that a seed replays a run; it is not for keys.
public struct RandomSource: RandomNumberGenerator, Sendable {
    private var s0: UInt64
    private var s1: UInt64
    private var s2: UInt64
    private var s3: UInt64

    /// Makes a source that gives the same numbers for the same seed. Any seed will do, 0 too.
    public init(seed: UInt64) {
        var state = seed
        func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
        s0 = next()
        s1 = next()
        s2 = next()
        s3 = next()
    }

    public mutating func next() -> UInt64 {
        let multiplied = s1 &* 5
        let result = ((multiplied << 7) | (multiplied >> 57)) &* 9
        let t = s1 << 17
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= t
        s3 = (s3 << 45) | (s3 >> 19)
        return result
    }

    /// Uniform in 0..<1 with 53 random bits.
    public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// True with probability `probability` (0...1).
    public mutating func chance(_ probability: Double) -> Bool { uniform() < probability }

    /// Uniform between zero and `limit`.
    public mutating func interval(upTo limit: Interval) -> Interval {
        Interval(nanoseconds: Int64(uniform() * Double(limit.nanoseconds)))
    }
}
