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

    /// Regions, of these, that a program listens to, as the kernel has it: alone in its network.
    private func joined(_ regions: [SocketAddress], by running: Running) -> Int {
        let table = running.child.flatMap { try? String(contentsOfFile: "/proc/\($0)/net/udp", encoding: .utf8) } ?? ""
        return regions.count { region in
            // The address in the byte order of the host.
            table.contains(" \(String(format: "%08X:%04X", UInt32(truncatingIfNeeded: region.low).bigEndian, region.port)) ")
        }
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
        let port = Intruder.group.port
        // As many as there are places beside the one of the repair node, which is advertised as well.
        let regions = (1...3).map { SocketAddress.ipv4(239, 255, 80, $0, port: port) }
        // Another program has these, and does not share them.
        let taken = (1...8).map { SocketAddress.ipv4(239, 255, 81, $0, port: port) }
        let blockers = try listeners.flatMap { listener in try taken.map { try Intruder.occupy(lab, listener.0, $0) } }
        defer { for blocker in blockers { close(blocker) } }
        func advertise(_ region: SocketAddress) {
            let bytes = Packet.advertisement(Advertisement(region: region), .none).datagram(sessionTag: 0, transmitter: 9, isUnicast: false)
            intruder.say(bytes, to: Intruder.group)
        }
        for region in regions { advertise(region) }
        let advertised = Date()
        for (name, listener) in listeners { #expect(listener.wait { joined(regions, by: listener) == 3 }, "\(name): \(listener.errorsSoFar)") }
        /// Everything is there at once when they look.
        func surprise(_ blocked: SocketAddress, during body: () -> Void = {}) {
            for (_, listener) in listeners { listener.signal(SIGSTOP) }
            for region in regions + [.ipv4(239, 255, 76, 28, port: port)] { intruder.say([UInt8](repeating: 1, count: 40), to: region) }
            advertise(blocked)
            for region in regions { intruder.say([UInt8](repeating: 1, count: 40), to: region) }
            body()
            for (_, listener) in listeners { listener.signal(SIGCONT) }
            usleep(50_000)
        }
        for region in taken.dropLast() { surprise(region) }
        for (name, listener) in listeners { #expect(joined(regions, by: listener) == 3, "\(name)") }
        // Regions are forgotten ten seconds after they were advertised.
        Thread.sleep(until: advertised + 9)
        surprise(taken[7]) { Thread.sleep(until: advertised + 11) }
        for (name, listener) in listeners { #expect(listener.wait { joined(regions, by: listener) == 0 }, "\(name): \(listener.errorsSoFar)") }
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
            advertise(round % 2 == 0 ? taken[round / 2 % taken.count] : .ipv4(239, 255, 82, UInt8(round % 250 + 1), port: port))
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
