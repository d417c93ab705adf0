import RealModule

/// Truncated exponential backoff of RFC 5401, 3.2.3 (after Nonnenmacher and Biersack, 1998): few draw a short wait, so
/// that one NAK, or the NCF that it causes, silences the rest.
public enum Backoff {
    /// - Parameters:
    ///   - window: the longest wait, K * GRTT.
    ///   - groupSize: how many may ask for the same; 1 or more.
    public static func draw(window: Interval, groupSize: Double, using random: inout RandomSource) -> Interval {
        let maximum = window.inSeconds
        guard maximum > 0 else { return .zero }
        let lambda = Double.log(max(groupSize, 1)) + 1
        let scale = lambda / (maximum * (Double.exp(lambda) - 1))
        let x = scale + random.uniform() * (lambda / maximum)
        let wait = (maximum / lambda) * Double.log(x * (Double.exp(lambda) - 1) * (maximum / lambda))
        return .seconds(min(max(wait, 0), maximum))
    }
}
