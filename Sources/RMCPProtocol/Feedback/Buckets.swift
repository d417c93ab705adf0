import RealModule

/// Loss on a logarithmic scale of 16 buckets: 0 is none, each bucket is about 1.6 times the one before.
public enum LossBucket {
    /// Upper bound of each bucket, as a fraction of the packets sent. Bucket 15 is anything above the 14th.
    public static let bounds: [Double] = [
        0.000_01, 0.000_5, 0.001, 0.002, 0.004, 0.007, 0.012, 0.02, 0.035, 0.06, 0.1, 0.17, 0.28, 0.45, 0.7,
    ]
    /// Buckets, as many as a STATUS may name. As a limit it stands for none, since no loss is above it.
    public static let count = 16

    /// Bucket of a fraction of packets lost (0...1): the first whose bound is above it.
    public static func index(of fraction: Double) -> UInt8 {
        UInt8(bounds.firstIndex { fraction < $0 } ?? bounds.count)
    }

    /// The loss fraction that a bucket stands for: its upper bound, so that a decision errs on the careful side.
    public static func fraction(of index: Int) -> Double { index == 0 ? 0 : index < bounds.count ? bounds[index] : 1 }

    /// The bucket that a fraction stands for: the other way round.
    static func index(ofBound fraction: Double) -> Int { fraction <= 0 ? 0 : bounds.firstIndex { fraction <= $0 } ?? bounds.count }
}

/// How close a receiver is to being overrun: by the time its datagrams queue, by its buffers, or by its disk. It comes
/// before loss does, and tells a slow receiver from a lossy path.
public enum PressureBucket {
    /// Upper bound of the queueing delay of each bucket, milliseconds.
    public static let delayBounds: [Int64] = [2, 5, 10, 20, 50, 100]
    /// Buckets, as many as a STATUS may name. As a limit it stands for none, since no pressure is above it.
    public static let count = 8
    /// From `hold` on the rate must not grow; from `overload` on it must fall, and from `severe` on, fast.
    public static let hold: UInt8 = 3
    public static let overload: UInt8 = 4
    public static let severe: UInt8 = 6

    /// Storage that does not keep up, as opposed to a delay that passes: worth slowing down for even if only one
    /// receiver in profile says so.
    public static let storageFull: UInt8 = 7

    /// Bucket of a queueing delay, 0...6; the one above comes from the host's room alone.
    public static func index(queueingDelay: Interval) -> UInt8 {
        UInt8(delayBounds.firstIndex { queueingDelay < .milliseconds($0) } ?? delayBounds.count)
    }

    /// The longest queueing delay of a bucket, milliseconds.
    static func delayBound(of index: Int) -> Int64 { delayBounds[min(index, delayBounds.count - 1)] }

    /// Share of assembly slots that wait for storage up to which it is calm. It is full after another third: what is under way when the
    /// sender hears of it still finds room.
    private static let calmStorage = 1.0 / 3
    private static let storageSlope = 3.0
    /// Buckets of storage that fills, `2...storageFull`.
    private static let firstOfStorage: UInt8 = 2
    private static let storageSteps = 5.0

    /// From the share of assembly slots that wait for storage (0...1).
    public static func index(storageShare: Double) -> UInt8 {
        guard storageShare >= calmStorage else { return 0 }
        let filled = min(1, (storageShare - calmStorage) * storageSlope)
        return min(storageFull, firstOfStorage + UInt8(filled * storageSteps))
    }
}

/// The rate at which datagrams arrive, headers included: 8 buckets an octave from 64 kb/s up to 67 Gb/s. Once a queue
/// has built up somewhere, this is what the path carries.
public enum ArrivalBucket {
    /// Buckets, as many as a STATUS may name.
    public static let count = 160
    private static let lowest = 64_000.0
    private static let perOctave = 8.0

    /// Bucket of a rate with headers of IP and UDP, bits per second: 0 up to 64 kb/s, 159 from 61.5 Gb/s on.
    public static func index(bitsPerSecond: Double) -> UInt8 {
        guard bitsPerSecond > lowest else { return 0 }
        return UInt8(min(Double(count - 1), Double.log2(bitsPerSecond / lowest) * perOctave))
    }

    /// The geometric middle of a bucket, bits per second.
    public static func bitsPerSecond(of index: Int) -> Double {
        lowest * Double.exp2((Double(index) + 0.5) / perOctave)
    }
}
