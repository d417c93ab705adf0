import RMCPProtocol

/// Statuses at a parent: decoded, taken out of the sum as they were, put in as they are.
let childPaths: [EnginePath] = [
    EnginePath("accept-status-leaf", per: "STATUS") {
        statuses(children: 1_000) { child, round in StatusHistogram(Fixture.leaf(progress: UInt8((child + round) % 10))) }
    },
    EnginePath("accept-status-sum", per: "STATUS") {
        statuses(children: 100) { child, round in
            var histogram = sum(of: 100)
            histogram.progress[round] += UInt64(child)
            return histogram
        }
    },
    EnginePath("histogram-add-subtract", per: "sum") {
        let first = sum(of: 100)
        let second = sum(of: 50)
        return { count in
            var total = StatusHistogram()
            for _ in 0..<count {
                total.add(first)
                total.add(second)
                total.subtract(first)
            }
            consume(Int(total.population))
            return count
        }
    },
]

private func statuses(children: Int, _ histogram: (Int, Int) -> StatusHistogram) -> (Int) -> Int {
    var prepared = StreamingSender()
    let datagrams = (0..<2).flatMap { round in
        (0..<children).map { Fixture.fromChild(Fixture.status(histogram($0, round)), $0) }
    }
    for child in 0..<children { prepared.hear(datagrams[child], child) }
    return { count in
        var sender = prepared
        for index in 0..<count {
            let position = index % datagrams.count
            sender.hear(datagrams[position], position % children)
        }
        consume(sender.engine.childCount)
        return count
    }
}
