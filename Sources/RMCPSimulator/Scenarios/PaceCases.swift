import RMCPProtocol

extension PaceCase {
    /// Cases that a rate has to be found for.
    public static let all: [PaceCase] = links + queues + hosts + disks + rivals

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

    private static let queues: [PaceCase] =
        [5, 200].map { milliseconds in
            link(100, { $0.queue = .milliseconds(milliseconds) }, mebibytes: 64, "queue-\(milliseconds)", "behind a queue of \(milliseconds) ms")
        } + [
            link(1_000, { $0.queue = .microseconds(500) }, mebibytes: 512, "shallow", "behind a switch that holds 62 KB"),
            link(1_000, { $0.queue = .milliseconds(5) }, mebibytes: 512, "switch", "behind a switch that holds 625 KB"),
        ]

    private static let hosts: [PaceCase] = [1, 4, 16].map { count in
        of("hosts-\(count)", "\(count) receivers on the sender's own two processors", mebibytes: count > 4 ? 256 : 512) {
            $0.receivers = count
            $0.processors = 2
        }
    }

    private static let disks: [PaceCase] = [
        of("disk", "four disks of 200 MB/s", mebibytes: 512) { $0.disk = DiskModel(rate: 200e6) },
        of("disk-stalls", "four disks of 400 MB/s that stand still for 0.2 s about once a second", mebibytes: 512) {
            $0.disk = DiskModel(rate: 400e6)
            $0.disk.stalls = DiskModel.Stalls(interval: .seconds(1), length: .milliseconds(200))
        },
    ]

    private static let rivals: [PaceCase] = [50.0, 100, 1_000].flatMap { megabits in
        [(Rival.tcp(.cubic), "cubic", "a TCP flow (CUBIC)"), (.sender, "two", "another sender")].map { rival, name, who in
            // Fifteen seconds.
            link(
                megabits, { $0.rival = rival }, mebibytes: UInt64(megabits * 15e6 / 8) / mebibyte, "\(name)-\(Int(megabits))",
                "shared with \(who) that begins three seconds later")
        }
    }
}
