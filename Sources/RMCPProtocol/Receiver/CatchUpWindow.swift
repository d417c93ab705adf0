/// Absent chunks that are asked for whole, a window of them at a time. The next window is asked for when nothing has come for a hold-off, or
/// before that: when half of the last one is in, and as many chunks again as that would find slots beside those that are still to come. So a
/// parent has something on its books all the time, and a receiver whose storage is slow does not ask for each chunk by itself.
struct CatchUpWindow: Sendable {
    /// Keeps back absent chunks that are not renewable.
    var hold = RequestHold()
    private var window = 1
    /// Chunks of the window that have not been named yet.
    private(set) var lack = 0
    /// Half of the window is in when all absent chunks before this are.
    private var mark = UInt32.max
    /// Chunks that were asked for and have not come, as far as is known here.
    private var outstanding = 0
    /// End of what was asked for, here or by somebody whose NAK an NCF confirms.
    private var end: UInt32 = 0

    /// Where there is room for one chunk only, half of the window is all of it.
    private var half: Int { max(1, window / 2) }

    // MARK: Asking

    mutating func begin(_ window: Int) {
        self.window = window
        lack = window
        outstanding = 0
        end = 0
    }

    /// Chunks are asked for.
    mutating func add(_ chunks: Range<UInt32>) {
        let toHalf = half - outstanding
        if toHalf > 0 { mark = min(chunks.upperBound, chunks.lowerBound + UInt32(toHalf)) }
        outstanding += chunks.count
        lack -= chunks.count
        end = chunks.upperBound
    }

    // MARK: What comes

    /// The first packet of a chunk came that was asked for whole.
    mutating func noteChunk() { outstanding = max(0, outstanding - 1) }

    /// Chunks of an NCF that are behind all that was asked for here, or was named before.
    func news(in chunks: Range<UInt32>, below bound: UInt32) -> Range<UInt32> {
        mark < .max ? chunks.clamped(to: min(end, bound)..<bound) : chunks.lowerBound..<chunks.lowerBound
    }

    /// An NCF names chunks that may be asked for, and are not: they come as well. Whoever makes one up has this receiver wait for the
    /// hold-off.
    mutating func confirm(_ chunks: Range<UInt32>) {
        outstanding += chunks.count
        end = chunks.upperBound
    }

    // MARK: Asking for more

    /// Room for more: something was asked for, and half a window more would find slots beside what is still to come of it.
    func hasRoom(freeSlots: Int) -> Bool { mark < .max && freeSlots - outstanding >= half }

    /// - Parameter absent: the first chunk that may be asked for.
    func isRenewable(from absent: UInt32, freeSlots: Int) -> Bool { absent >= mark && hasRoom(freeSlots: freeSlots) }
}
