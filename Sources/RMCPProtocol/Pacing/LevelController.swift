/// `--level auto`: how hard to compress, so that the network never waits for the encoder and no core is idle that could
/// make the bundle smaller.
///
/// It looks at both ends of the encoder. When the network has sent everything before the next chunks are ready, and would
/// carry more content at a lower level, although that is more bytes, the level goes down, at once to where most content would go. When the
/// network never waits, and the threads would still have time at the next level, it goes up. How busy threads are is measured by the clock, not by
/// processor time: on a machine whose cores others want too, encoding takes longer, and the level goes down with it. Where
/// busy threads mostly wait for a core, the level goes down in any case: they take from the network thread, and from
/// receivers on the same machine, what a smaller bundle does not give back.
///
/// ```
///   0 (stored) ◀──network waits──  −7  −3  [1]  3  5  9  ──time to spare──▶
/// ```
public struct LevelController: Sendable {
    struct Rung: Sendable {
        var level: Int
        /// Seconds that a gigabyte takes one core, digests included.
        var cost: Double
        /// Bytes of content for one byte on the wire.
        var ratio: Double
    }

    /// Levels worth having, by a tar of /usr in chunks of 1 MiB (docs/benchmarks.md); what lies between costs as much for
    /// less. Only how they compare matters: what a level really costs and saves is measured while it is used.
    static let ladder = [
        Rung(level: 0, cost: 0.4, ratio: 1), Rung(level: -7, cost: 2.2, ratio: 1.76), Rung(level: -3, cost: 2.5, ratio: 1.93),
        Rung(level: 1, cost: 3.3, ratio: 2.23), Rung(level: 3, cost: 3.9, ratio: 2.40), Rung(level: 5, cost: 8.3, ratio: 2.45),
        Rung(level: 9, cost: 17, ratio: 2.50),
    ]

    /// Chunks and time that a judgement is based on: a few chunks that were late are no trend. Where the network would carry
    /// much more, fewer have to do: a fast transfer is over in a second.
    static let windowChunks = 24
    static let window = Interval.milliseconds(100)
    static let urgentChunks = 8
    /// Times as much content, from which it is much more.
    private static let urgentGain = 1.5
    /// Share of chunks (0...1) that the network waited for from which the encoder is too slow: one in a few is chance.
    private static let starvedShare = 0.25
    /// Share of their time that threads must have been busy for it to be their fault: a slow disk is not helped by storing.
    private static let busyShare = 0.5
    /// Share of the clock that busy threads wait for a core from which there are too few cores. A sender that is alone on two
    /// cores has two encoding threads and one for the network, and so a third at most.
    private static let contendedShare = 0.45
    /// The same, from which nothing is compressed at all, if the wire carries it: a fast transfer is over before the levels between are tried.
    private static let heavilyContendedShare = 0.6
    /// Share of the rate (0...1) below which it is not what limits the network.
    private static let usedShare = 0.75
    /// Share of their time that threads may be busy at the next higher level: the network's share of the cores must be left.
    private static let affordableShare = 0.6
    /// Times as much content that going down must promise: less is within what measuring is wrong by.
    private static let worthwhileGain = 1.05
    /// A level that turned out too slow is not tried again for this long, three windows, and then for twice as long each time.
    private static let shortestRetry = Interval.milliseconds(300)
    private static let backoff = 2.0
    private static let longestRetry = Interval.seconds(30)
    /// And for so long where others wanted the cores: they hardly stop soon, and an attempt may cost half a second. A wire that carries less
    /// than the encoder does not wait for this: there the move down is undone.
    private static let shortestContention = Interval.seconds(5)
    /// Time without a move down after one that was undone, the first time.
    private static let shortestDescent = Interval.seconds(2)
    /// Share of the content that went at the former level, in the same time, below which a move is undone: after a window what is
    /// measured is right within a tenth, and a few chunks must not cost more than they have to.
    private static let keptShare = 0.9
    private static let urgentlyKeptShare = 0.7
    /// Time that a few chunks must have taken to be compared: they come in bursts.
    private static let urgentWindow = Interval.milliseconds(25)
    /// The level that it begins at: the best for its price where nothing waits.
    private static let firstLevel = 1
    /// Divisor of the content: where a level saves less than a sixteenth, no other saves more.
    private static let leastSaving: UInt64 = 16
    /// Seconds: time that was too short to be measured.
    private static let leastTime = 1e-9

    /// A chunk's costs, told when its turn has come to be sent.
    public struct Sample: Sendable {
        /// zstd level that it was encoded at.
        public var level: Int
        /// Time that encoding took by the clock, without reading the source, and the part of it in which the thread had a processor.
        public var spent: Interval
        public var worked: Interval
        /// Bytes.
        public var contentLength: UInt32
        public var encodedLength: UInt32
        /// Whether everything before it had been sent by the time it was ready.
        public var isStarved: Bool

        public init(level: Int, spent: Interval, worked: Interval, contentLength: UInt32, encodedLength: UInt32, isStarved: Bool) {
            self.level = level
            self.spent = spent
            self.worked = worked
            self.contentLength = contentLength
            self.encodedLength = encodedLength
            self.isStarved = isStarved
        }
    }

    /// Sums since `start`.
    private struct Window: Sendable {
        var start: Instant
        var chunks = 0
        var starved = 0
        var spent = Interval.zero
        var worked = Interval.zero
        var content: UInt64 = 0
        var encoded: UInt64 = 0
    }

    private let threads: Int
    private let encodeAhead: Int
    private var rung: Int
    private var window: Window?
    private var retry: [(wait: Interval, after: Instant)]
    /// Rung before the last move, and the content that went there, bytes per second; nil once the move has turned out right.
    private var former: (rung: Int, speed: Double)?
    /// Chunks that fill what is ahead after a move down, as fast as they are encoded: how fast content goes shows behind them.
    private var filling = 0
    /// Moves down are not made for so long: the last one turned out wrong.
    private var descent: (wait: Interval, after: Instant) = (shortestDescent, .zero)
    /// Highest rung at which the network has not had to wait, of those that are left since it had to.
    private var proven = 0

    /// - Parameter threads: how many encode at one time, 1 or more.
    public init(configuration: Configuration, threads: Int) {
        self.threads = max(1, threads)
        encodeAhead = configuration.memory.encodeAhead
        rung = Self.ladder.firstIndex { $0.level == Self.firstLevel } ?? 0
        retry = Array(repeating: (Self.shortestRetry, .zero), count: Self.ladder.count)
    }

    /// The zstd level for what is encoded next; 0 stores.
    public var level: Int { Self.ladder[rung].level }

    /// A chunk that was encoded while the stream goes on is ready to be sent.
    /// - Parameter rate: bits per second that may be sent.
    public mutating func note(_ sample: Sample, rate: Double, at now: Instant) {
        // Chunks of an earlier level may still be on their way.
        guard sample.level == level else { return }
        if filling > 0 {
            filling -= 1
            if filling == 0 { window = nil }
        }
        guard var window else {
            self.window = Window(start: now)
            return
        }
        window.chunks += 1
        window.spent = window.spent + sample.spent
        window.worked = window.worked + sample.worked
        // Zeros are no bytes at any level.
        if sample.encodedLength > 0 { window.content += UInt64(sample.contentLength) }
        window.encoded += UInt64(sample.encodedLength)
        if sample.isStarved { window.starved += 1 }
        self.window = window
        guard window.chunks >= Self.urgentChunks else { return }
        let elapsed = (now - window.start).inSeconds
        let isWhole = window.chunks >= Self.windowChunks && now - window.start >= Self.window
        if filling == 0, isWorse(window, isWhole: isWhole, at: now) { return moveBack(at: now) }
        let busy = window.spent.inSeconds / (elapsed * Double(threads))
        let waited = 1 - window.worked.inSeconds / max(window.spent.inSeconds, Self.leastTime)
        if rung > 0, now >= descent.after, busy >= Self.busyShare, waited >= Self.contendedShare {
            let rungs = waited >= Self.heavilyContendedShare ? rung : 1
            if isWorthRoom(window, below: rungs, elapsed: elapsed, rate: rate) { return makeRoom(by: rungs, at: now) }
        }
        if Double(window.starved) >= Double(window.chunks) * Self.starvedShare {
            let (target, gain) = bestBelow(window, elapsed: elapsed, rate: rate)
            if now >= descent.after, busy >= Self.busyShare, gain > (isWhole ? Self.worthwhileGain : Self.urgentGain) { return moveDown(to: target, at: now) }
        } else if isWhole, window.starved == 0, waited < Self.contendedShare, isAffordableAbove(window, busy: busy, at: now) {
            return move(to: rung + 1, at: now)
        }
        if isWhole {
            if filling == 0 { former = nil }
            if window.starved == 0 { proven = max(proven, rung) }
            self.window = Window(start: now)
        }
    }

    private func isAffordableAbove(_ window: Window, busy: Double, at now: Instant) -> Bool {
        guard rung + 1 < Self.ladder.count, now >= retry[rung + 1].after else { return false }
        // Where nothing shrinks no level is better than another.
        guard rung == 0 || saves(window) else { return false }
        return busy * Self.ladder[rung + 1].cost / Self.ladder[rung].cost <= Self.affordableShare
    }

    /// Content that does not shrink is as many bytes at one level as at another: no wire takes longer for it because the level went down.
    private func saves(_ window: Window) -> Bool { window.encoded < window.content - window.content / Self.leastSaving }

    private mutating func moveDown(to target: Int, at now: Instant) {
        for left in target + 1...rung { postpone(left, by: retry[left].wait, at: now) }
        proven = min(proven, target)
        move(to: target, at: now)
    }

    /// Others want the cores. They hardly stop wanting them soon.
    private mutating func makeRoom(by rungs: Int, at now: Instant) {
        let target = max(0, rung - rungs)
        for left in target + 1...rung { postpone(left, by: max(retry[left].wait, Self.shortestContention), at: now) }
        move(to: target, at: now)
    }

    /// As much content would go over the network at a lower level, in more bytes: that cores are free then makes no link faster. A rate that is
    /// not used says nothing of that: it is what hosts without cores came to.
    private func isWorthRoom(_ window: Window, below rungs: Int, elapsed: Double, rate: Double) -> Bool {
        let target = max(0, rung - rungs)
        let ratio = max(1, Double(window.content) / Double(max(1, window.encoded)))
        let left = target == 0 ? 1 : max(1, ratio * Self.ladder[target].ratio / Self.ladder[rung].ratio)
        let carried = rate / Units.bitsPerByte * elapsed
        return carried * left >= Double(window.content) || Double(window.encoded) < carried * Self.usedShare
    }

    private mutating func postpone(_ rung: Int, by wait: Interval, at now: Instant) {
        retry[rung] = (min(wait * Self.backoff, Self.longestRetry), now + wait)
    }

    /// Rung below at which most content goes, and how many times as much: what the network carries there, if it did not have to wait, and what
    /// the threads encode there, by the ladder's costs, whichever is less. Of rungs that are alike it is the highest. None is below one that
    /// has kept up: costs compare as the ladder says for most content, and not for all.
    private func bestBelow(_ window: Window, elapsed: Double, rate: Double) -> (rung: Int, gain: Double) {
        let now = Double(max(1, window.content))
        let measured = now / Double(max(1, window.encoded))
        var best = (rung: max(0, rung - 1), gain: 0.0)
        for below in (min(proven, rung - 1)..<rung).reversed() where below >= 0 {
            // Stored is stored; between levels the ladder's proportion holds for other content, too.
            let ratio = below == 0 ? 1 : max(1, measured * Self.ladder[below].ratio / Self.ladder[rung].ratio)
            let carried = rate / Units.bitsPerByte * ratio * elapsed / now
            let encoded = Self.ladder[rung].cost / Self.ladder[below].cost
            let gain = min(carried, encoded)
            if gain > best.gain * Self.worthwhileGain { best = (below, gain) }
        }
        return best
    }

    /// Less content goes than at the level before. Rates and costs promise, and only this tells: a rate that was found before a queue was full
    /// promises what no link carries, and cores that others want promise nothing.
    private func isWorse(_ window: Window, isWhole: Bool, at now: Instant) -> Bool {
        guard let former else { return false }
        let share = Self.speed(of: window, at: now) / former.speed
        if isWhole { return share < Self.keptShare }
        return former.rung < rung && now - window.start >= Self.urgentWindow && share < Self.urgentlyKeptShare
    }

    /// A move up is made again later, and a move down as well.
    private mutating func moveBack(at now: Instant) {
        guard let target = former?.rung else { return }
        if target < rung {
            postpone(rung, by: max(retry[rung].wait, Self.shortestContention), at: now)
        } else {
            descent = (min(descent.wait * Self.backoff, Self.longestRetry), now + descent.wait)
        }
        move(to: target, at: now)
        former = nil
    }

    private static func speed(of window: Window, at now: Instant) -> Double {
        Double(window.content) / max((now - window.start).inSeconds, leastTime)
    }

    private mutating func move(to rung: Int, at now: Instant) {
        // A second step down before the first has turned out right is compared with where that began.
        let isFurtherDown = former.map { $0.rung > self.rung && self.rung > rung } ?? false
        if !isFurtherDown { former = window.flatMap { saves($0) || rung > self.rung ? (self.rung, Self.speed(of: $0, at: now)) : nil } }
        filling = rung < self.rung ? encodeAhead : 0
        self.rung = rung
        window = nil
    }
}
