import DequeModule

/// ANNOUNCE and HEARTBEAT, which go to the group by the clock.
extension SenderEngine {
    mutating func scheduleAnnounce(at now: Instant) {
        var interval = configuration.joining.announceInterval
        if case .waiting = phase {
            interval = configuration.joining.announceIntervalWaiting
            lengthProbe.noteAnnounce(to: streamDestinations, at: now)
        }
        timers.arm(.announce, at: now + interval)
        guard repeater?.hasServed ?? true else {
            return lengthProbe.cancel()
        }
        tellAll(announcement.packet)
        if let place = repeater?.places?.last { tellAll(place) }
    }

    /// The destinations of what is to show that full datagrams arrive.
    private var streamDestinations: Deque<Destination> { [.group] + unicastChildren.lazy.filter(\.isRelay).map { .peer($0.address) } }

    /// A child that reports while the session waits has to show that full datagrams reach it.
    mutating func noteLength(_ report: StatusReport, at now: Instant) {
        guard case .waiting = phase, Int(report.longestDatagram) < datagramLength else { return }
        if report.histogram.active > 0 || report.histogram.tree.repairNodes > 0 { lengthProbe.noteLacking(streamDestinations, at: now) }
    }

    /// Answers a SOLICITATION, unless too many have been asked of late.
    mutating func answerSolicitation(from source: SocketAddress, at now: Instant) {
        if announcement.takeAnswer(at: now) { announce(to: source) }
    }

    /// Says to one address what there is to have.
    public mutating func announce(to address: SocketAddress) {
        switch phase {
        case .leaving, .finished: return
        default: if repeater?.hasServed ?? true { enqueue(announcement.packet, to: .peer(address)) }
        }
    }

    mutating func scheduleHeartbeat(at now: Instant) {
        timers.arm(.heartbeat, at: now + heartbeatInterval(at: now))
        guard repeater?.hasServed ?? true else { return }
        sayHeartbeat(to: .group, at: now)
    }

    /// Bits of a HEARTBEAT on the wire, about: 100 bytes.
    private static let heartbeatBits = 800.0
    /// Buckets of loss above the quantile from which a receiver does not ask for live repairs: two are a factor of 2.5.
    private static let liveLossMargin = 2
    /// And no fewer than these, which is a tenth of all datagrams.
    private static let leastLiveLossLimit = 10

    /// Apart so far that they take their share of the rate.
    private var spacedHeartbeats: Interval { .seconds(Self.heartbeatBits / (configuration.presence.heartbeatShare * pacer.rate)) }

    private func heartbeatInterval(at now: Instant) -> Interval {
        let longest = configuration.presence.maximumHeartbeatInterval
        switch phase {
        case .waiting: return configuration.presence.heartbeatIntervalWaiting
        case .streaming:
            if isFindingRate { return max(statusInterval, configuration.feedback.finding.statusInterval) }
            return min(max(spacedHeartbeats, configuration.presence.minimumHeartbeatInterval), longest)
        case .draining(let since):
            // Receivers ask for what is missing in answer to heartbeats: often at first, then as seldom as while streaming.
            let quick = max(echoes.roundTrip, configuration.presence.minimumHeartbeatInterval)
            return min(max(quick, min(spacedHeartbeats, now - since)), longest)
        case .lingering, .leaving, .finished: return longest
        }
    }

    mutating func sayHeartbeat(to destination: Destination, at now: Instant) {
        let heartbeat = heartbeat(at: now, timeToLive: destination == .group ? configuration.joining.timeToLive : 0)
        echoes.noteSent(heartbeat.timestamp)
        enqueue(.heartbeat(heartbeat), to: destination)
    }

    func heartbeat(at now: Instant, timeToLive: UInt8) -> Heartbeat {
        Heartbeat(
            phase: sessionPhase,
            timestamp: max(1, now.wireMicroseconds),
            groupRoundTrip: echoes.roundTrip.wireMicroseconds,
            statusInterval: UInt32(max(1, statusInterval.wholeMilliseconds)),
            population: UInt32(clamping: children.population),
            position: window.position,
            pageCount: window.pagesSent,
            hasEnd: window.isEndSent,
            rate: UInt64(pacer.rate),
            liveLossLimit: liveLossLimit,
            livePressureLimit: livePressureLimit,
            nakInterval: nakInterval,
            place: place(timeToLive: timeToLive))
    }

    /// Child repair nodes do not hold back for each other, since each speaks for a region: so that all of them together keep
    /// within the limit, each waits, and says more at one time.
    private var nakInterval: UInt16 {
        let fair = Interval.seconds(Double(children.repairNodeChildren) / configuration.feedback.nodeNAKRateLimit)
        return UInt16(clamping: min(fair, configuration.feedback.maximumNAKInterval).wholeMilliseconds)
    }

    /// Receivers that lose clearly more than the quantile, and more than a tenth, do not ask for live repairs: what
    /// they cost would hold back the rest.
    private var liveLossLimit: UInt8 {
        guard children.active > 1, !isGroupBehind else { return UInt8(LossBucket.count) }
        let quantile = StatusHistogram.quantile(configuration.rate.rateQuantile, of: children.summary.loss)
        return UInt8(min(LossBucket.count, max(quantile + Self.liveLossMargin, Self.leastLiveLossLimit)))
    }

    /// The same for receivers that are overrun while most are calm.
    private var livePressureLimit: UInt8 {
        guard children.active > 1, !isGroupBehind else { return UInt8(PressureBucket.count) }
        let quantile = StatusHistogram.quantile(configuration.rate.rateQuantile, of: children.summary.pressure)
        return UInt8(quantile < Int(PressureBucket.hold) ? Int(PressureBucket.severe) : PressureBucket.count)
    }
}
