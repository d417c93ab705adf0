import RMCPProtocol

extension PaceCase {
    /// Cases that a rate has to be found for.
    public static let all: [PaceCase] = links + flat + slow + queues + changes + hosts + disks + rivals

    public static func named(_ name: String) -> PaceCase? { all.first { $0.name == name } }

    private static let mebibyte: UInt64 = 1 << 20

    private static func of(_ name: String, _ summary: String, mebibytes: UInt64, change: (inout PaceCase) -> Void) -> PaceCase {
        var result = PaceCase(name, summary, length: mebibytes * mebibyte)
        change(&result)
        return result
    }

    private static func title(_ megabits: Double) -> String { megabits < 1_000 ? "\(Int(megabits)) Mb/s" : "\(Int(megabits / 1_000)) Gb/s" }

    private static func link(_ megabits: Double, _ change: (inout PaceCase) -> Void = { _ in }, mebibytes: UInt64, _ name: String, _ summary: String)
        -> PaceCase
    {
        of(name, "\(title(megabits)) \(summary)", mebibytes: mebibytes) {
            $0.link = megabits * 1e6
            change(&$0)
        }
    }

    private static let links: [PaceCase] = [(50.0, UInt64(32)), (100, 64), (1_000, 512)].flatMap { megabits, mebibytes in
        [0.0, 0.01].map { loss in
            link(
                megabits, { $0.loss = loss }, mebibytes: mebibytes, "link-\(Int(megabits))\(loss > 0 ? "-loss" : "")",
                "behind a queue of 50 ms\(loss > 0 ? ", 1 % lost on the way to each of four" : "")")
        }
    }

    private static let slow: [PaceCase] = [
        link(2, { $0.queue = .milliseconds(100) }, mebibytes: 2, "slow-2", "behind a queue of 100 ms"),
        link(10, { $0.queue = .milliseconds(50) }, mebibytes: 8, "slow-10", "behind a queue of 50 ms"),
        link(20, { $0.queue = .milliseconds(10) }, mebibytes: 16, "slow-20", "behind a queue of 10 ms"),
    ]

    private static let queues: [PaceCase] =
        [5, 200].map { milliseconds in
            link(100, { $0.queue = .milliseconds(milliseconds) }, mebibytes: 64, "queue-\(milliseconds)", "behind a queue of \(milliseconds) ms")
        } + [
            link(1_000, { $0.queue = .microseconds(500) }, mebibytes: 512, "shallow", "behind a switch that holds 62 KB"),
            link(1_000, { $0.queue = .milliseconds(5) }, mebibytes: 512, "switch", "behind a switch that holds 625 KB"),
        ]

    /// A flat group, whose members report the more seldom the more they are.
    private static let flat: [PaceCase] = [
        link(
            1_000,
            {
                $0.queue = .milliseconds(5)
                $0.receivers = 300
            }, mebibytes: 128, "flat-300", "behind a switch that holds 625 KB, to 300 receivers")
    ]

    private static let changes: [PaceCase] = [
        link(100, { $0.change = (1e9, .seconds(1.5)) }, mebibytes: 256, "wider", "that become 1 Gb/s after a second and a half"),
        link(1_000, { $0.change = (1e8, .seconds(1)) }, mebibytes: 128, "narrower", "that becomes 100 Mb/s after a second"),
    ]

    private static let hosts: [PaceCase] = [1, 4, 16].map { host($0, "hosts-\($0)", "") } + [many, smallSockets, behindLink, fewBytes]

    /// Each of so many processes finds little of what it needs in the caches when it is woken.
    private static let many: PaceCase = {
        var result = host(64, "hosts-64", ", each of whose wake-ups costs twice as much")
        result.length = 64 * mebibyte
        result.processors?.wakeCost *= 2
        result.processors?.wakingCost *= 2
        return result
    }()

    private static let smallSockets: PaceCase = {
        var result = host(4, "sockets", ", with sockets of 2 MiB")
        result.socketBuffer = 2 << 20
        return result
    }()

    /// Processors are what there is too little of at first, and then the link.
    private static let behindLink: PaceCase = {
        var result = host(16, "hosts-link", ", behind a switch of 800 Mb/s that holds 500 KB")
        result.link = 800e6
        result.queue = .milliseconds(5)
        return result
    }()

    /// Room that Linux gives who does not ask for more.
    private static let fewBytes: PaceCase = {
        var result = host(16, "sockets-small", ", with sockets of 256 KiB")
        result.socketBuffer = 256 << 10
        return result
    }()

    private static func host(_ count: Int, _ name: String, _ more: String) -> PaceCase {
        of(name, "\(count) receivers on the sender's own two processors\(more)", mebibytes: count > 4 ? 256 : 512) {
            $0.receivers = count
            $0.processors = ProcessorModel(count: 2)
        }
    }

    private static let disks: [PaceCase] = [
        of("disk", "four disks of 200 MB/s", mebibytes: 512) { $0.disk = DiskModel(rate: 200e6) },
        of("disk-stalls", "four disks of 400 MB/s that stand still for 0.2 s about once a second", mebibytes: 512) {
            $0.disk = DiskModel(rate: 400e6)
            $0.disk.stalls = DiskModel.Stalls(interval: .seconds(1), length: .milliseconds(200))
        },
    ]

    private static let rivals: [PaceCase] = [50.0, 100, 1_000].flatMap { shared($0) }

    private static func shared(_ megabits: Double) -> [PaceCase] {
        [
            shared(megabits, "cubic", "a TCP flow (CUBIC) that begins three seconds later") { $0.rival = .tcp(.cubic) },
            shared(megabits, "two", "another sender that begins three seconds later") { $0.rival = .sender },
            shared(megabits, "after-cubic", "a TCP flow (CUBIC) that began three seconds before") {
                $0.rival = .tcp(.cubic)
                $0.isRivalFirst = true
            },
        ]
    }

    /// Fifteen seconds of the link.
    private static func shared(_ megabits: Double, _ name: String, _ who: String, _ change: @escaping (inout PaceCase) -> Void) -> PaceCase {
        link(megabits, change, mebibytes: UInt64(megabits * 15e6 / 8) / mebibyte, "\(name)-\(Int(megabits))", "shared with \(who)")
    }
}
