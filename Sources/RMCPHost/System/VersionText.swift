import RMCPProtocol

/// Versions in files of state: the time, milliseconds since 1970, with the epoch and a colon before it where that is not 0.
enum VersionText {
    static func text(_ version: BundleVersion) -> String { version.epoch == 0 ? "\(version.time)" : "\(version.epoch):\(version.time)" }

    /// Nil where it is no version.
    static func parse(_ text: some StringProtocol) -> BundleVersion? {
        let fields = text.split(separator: ":", omittingEmptySubsequences: false)
        switch fields.count {
        case 1: return UInt64(fields[0]).map { BundleVersion(time: $0) }
        case 2:
            guard let epoch = UInt32(fields[0]), let time = UInt64(fields[1]) else { return nil }
            return BundleVersion(epoch: epoch, time: time)
        default: return nil
        }
    }
}
