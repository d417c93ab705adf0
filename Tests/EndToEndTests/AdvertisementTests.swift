import Foundation
import RMCPProtocol
import Testing

/// Anybody can advertise any region. That may cost those who listen some attention, and nothing else.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason)) struct AdvertisementTests {
    /// User and system time of a program so far, in ticks of 10 ms.
    private func ticks(_ running: Running) throws -> Int {
        let id = try #require(running.child)
        let text = try String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8)
        let fields = try #require(text.split(separator: ")").last).split(separator: " ")
        return (Int(fields[11]) ?? 0) + (Int(fields[12]) ?? 0)
    }

    @Test("Regions that cannot be opened, advertised while those that were are forgotten: recv, repair and watch go on as before")
    func forged() throws {
        let lab = try Laboratory(receivers: 4)
        let source = try lab.scratch.random("image", megabytes: 2)
        let receiver = try lab.receive("r1", ["--json"])
        let watcher = try lab.run("r3", [Program.path, "watch", "--json"])
        let repair = try lab.repair("r2")
        let listeners = [("r1", receiver), ("r2", repair), ("r3", watcher)]
        let intruder = try Intruder(lab, "r4", address: .ipv4(10, 77, 0, 5, port: 0))
        #expect(receiver.wait { receiver.says("listening") })
        #expect(watcher.wait { watcher.says("listening") || watcher.outputSoFar.contains("{") })
        // A port that another program has and does not share.
        let taken: UInt16 = 700
        let blockers = try listeners.map { try Intruder.occupy(lab, $0.0, port: taken) }
        defer { for blocker in blockers { close(blocker) } }
        let regions = (1...4).map { SocketAddress.ipv4(239, 255, 80, $0, port: 17_800) }
        func advertise(_ region: SocketAddress) {
            let bytes = Packet.advertisement(Advertisement(region: region), .none).datagram(sessionTag: 0, transmitter: 9, isUnicast: false)
            intruder.say(bytes, to: Intruder.group)
        }
        for _ in 0..<3 { for region in regions { advertise(region) } }
        // So long that a region that nobody advertises gives way.
        sleep(32)
        for round in 0..<8 {
            // Everything is there at once when they look.
            for (_, listener) in listeners { listener.signal(SIGSTOP) }
            for region in regions + [.ipv4(239, 255, 76, 28, port: 17_627)] { intruder.say([UInt8](repeating: 1, count: 40), to: region) }
            advertise(.ipv4(239, 255, 81, UInt8(round + 1), port: taken))
            for region in regions { intruder.say([UInt8](repeating: 1, count: 40), to: region) }
            for (_, listener) in listeners { listener.signal(SIGCONT) }
            usleep(50_000)
        }
        let before = try listeners.map { try ticks($0.1) }
        sleep(2)
        for ((name, listener), before) in zip(listeners, before) {
            #expect(listener.process.isRunning, "\(name): \(listener.errorsSoFar)")
            let used = try ticks(listener) - before
            #expect(used < 100, "\(name) used \(used) ticks of 200 while nothing happened")
        }
        // In the midst of a transfer, too.
        let sending = try lab.send(["--json", "--wait-for", "1", "--min-wait", "0s", "--rate", "20M", source])
        var round = 0
        _ = sending.wait {
            round += 1
            advertise(.ipv4(239, 255, 82, UInt8(round % 250 + 1), port: round % 2 == 0 ? taken : 17_800))
            return false
        }
        let sent = sending.wait()
        #expect(sent.status == 0 && Running.last("complete", in: sent.text) == 1, "\(sent.errors)\(sent.text.suffix(900))")
        #expect(receiver.wait { receiver.says("completed") } && lab.has("r1", source), "\(receiver.errorsSoFar)")
        #expect(repair.wait { repair.says("complete") }, "\(repair.errorsSoFar)")
        lab.stop(receiver, repair)
        watcher.signal(SIGTERM)
        #expect(watcher.wait().status == 130)
    }
}
