/// The rate follows what most children say.
extension SenderEngine {
    mutating func updateRate(at now: Instant) {
        switch phase {
        case .streaming, .draining: break
        default: return
        }
        let decision = pacer.update(
            rateSignal, statusInterval: statusInterval, roundTrip: echoes.roundTrip, heardOf: echoes.newest, following: repeater?.followedRate ?? 0,
            datagramLength: datagramLength, at: now)
        if decision.isChange { events.append(.rateChanged(decision)) }
    }

    /// Whether more have fallen behind than speak of the network: they are no minority that the others should not wait for.
    var isGroupBehind: Bool { children.summary.count(.behind) > children.summary.pressure.total }

    /// The group's reports, at the quantile that the rate follows.
    private var rateSignal: RateSignal {
        let summary = children.summary
        let loss = StatusHistogram.quantile(configuration.rate.rateQuantile, of: summary.loss)
        let reporting = summary.arrival.contains { $0 > 0 }
        let arrival = StatusHistogram.upperQuantile(1 - configuration.rate.rateQuantile, of: summary.arrival)
        return RateSignal(
            loss: LossBucket.fraction(of: loss),
            pressure: StatusHistogram.quantile(configuration.rate.rateQuantile, of: summary.pressure),
            arrival: reporting ? ArrivalBucket.bitsPerSecond(of: arrival) : nil,
            isStorageFull: summary.pressure[Int(PressureBucket.storageFull)] > 0)
    }
}
