import Foundation
import RMCPProtocol
import Testing

/// Somebody on the network who claims things, in the sender's name or as a child of its: real packets against the real program. The
/// simulator has the same in `ClaimScenarios` and `PhantomScenarios`.
@Suite(.serialized, .enabled(if: Laboratory.isPossible, Laboratory.reason)) struct ClaimTests {
    private let sender = SocketAddress.ipv4(10, 77, 0, 1, port: 17_627)
    /// Where the intruder is, at `r3`.
    private let here = SocketAddress.ipv4(10, 77, 0, 4, port: 0)

    /// HEARTBEATs on the group that are not the intruder's own.
    private func heartbeats(heardBy intruder: Intruder, except said: Set<[UInt8]>) -> [(header: PacketHeader, heartbeat: Heartbeat)] {
        intruder.listen().compactMap { datagram in
            guard !said.contains(datagram), let (header, packet) = try? Packet.parse(datagram.span.bytes), case .heartbeat(let heartbeat) = packet
            else { return nil }
            return (header, heartbeat)
        }
    }

    @Test("Each HEARTBEAT is forged: everything has been sent, END among it, round trips take seconds, STATUSes are wanted all the time")
    func everythingIsClaimed() throws {
        let lab = try Laboratory(receivers: 3, options: ["--split"])
        let source = try lab.scratch.random("image", megabytes: 24)
        let receivers = try ["r1", "r2"].map { try lab.receive($0, ["--once", "--json"]) }
        let intruder = try Intruder(lab, "r3", address: here)
        let sending = try lab.send(["--json", "--wait-for", "2", "--min-wait", "0s", "--rate", "50M", source])
        var said: Set<[UInt8]> = []
        _ = sending.wait {
            for (header, heartbeat) in heartbeats(heardBy: intruder, except: said) where heartbeat.phase == .streaming || heartbeat.phase == .draining {
                var forged = heartbeat
                forged.position = StreamPosition(chunk: Limits.maximumChunks, packet: 0)
                forged.pageCount = Limits.maximumChunks
                forged.hasEnd = true
                forged.groupRoundTrip = 2_000_000
                forged.statusInterval = 1
                let datagram = Packet.heartbeat(forged).datagram(
                    sessionTag: header.sessionTag, transmitter: header.transmitter, sequence: header.sequence &+ 1_000_000, isUnicast: false)
                said.insert(datagram)
                intruder.say(datagram, to: Intruder.group)
            }
            return false
        }
        let sent = sending.wait()
        #expect(said.count > 100, "\(said.count) were forged")
        #expect(sent.status == 0 && Running.last("complete", in: sent.text) == 2, "\(sent.errors)\(sent.text.suffix(900))")
        for (node, receiver) in zip(["r1", "r2"], receivers) { #expect(receiver.wait().status == 0 && lab.has(node, source)) }
        // A receiver that believed it asked 39 times a second, and nothing was lost.
        let naks = Running.last("naks", in: sent.text)
        #expect(naks < 40, "\(naks) NAKs")
    }

    /// Proves that it is here, and then reports what `report` says, every 10 ms until the sender is done.
    private func beChild(
        _ intruder: Intruder, of sending: Running, _ report: (_ cookie: UInt64, _ heard: [Heartbeat]) -> StatusReport
    ) throws {
        let announced = try intruder.hear(.heartbeat, while: sending).header
        func say(_ packet: Packet) { intruder.say(packet.datagram(sessionTag: announced.sessionTag, transmitter: 0xFA57_0001), to: sender) }
        var cookie: UInt64 = 0
        var heard: [Heartbeat] = []
        _ = sending.wait {
            heard += heartbeats(heardBy: intruder, except: []).map(\.heartbeat)
            if cookie == 0 {
                say(.attach(AttachRequest(nonce: 7, wantsStream: false)))
                for (datagram, _) in intruder.take() {
                    if case .attached(let answer)? = try? Packet.parse(datagram.span.bytes).1, answer.verdict == .accepted { cookie = answer.cookie }
                }
            } else {
                say(.status(report(cookie, heard)))
            }
            return heard.last?.phase == .draining
        }
        #expect(cookie != 0)
        // A child that has gone is not waited for.
        say(.detach(cookie: cookie))
    }

    /// A session of two receivers and the intruder, which reports what `report` says and leaves when the stream is over: the receivers are
    /// whole.
    /// - Returns: how the sender ended.
    private func session(
        megabytes: Int, _ options: [String], _ report: (_ cookie: UInt64, _ heard: [Heartbeat]) -> StatusReport
    ) throws -> Running.Result {
        let lab = try Laboratory(receivers: 3, options: ["--split"])
        let source = try lab.scratch.random("image", megabytes: megabytes)
        let receivers = try ["r1", "r2"].map { try lab.receive($0) }
        let intruder = try Intruder(lab, "r3", address: here)
        let sending = try lab.send(["--json", "--wait-for", "3"] + options + [source])
        try beChild(intruder, of: sending, report)
        let sent = sending.wait()
        #expect(receivers.allSatisfy { $0.wait().status == 0 } && lab.has("r1", source) && lab.has("r2", source), "\(sent.errors)")
        return sent
    }

    private func leaf(pressure: UInt8) -> StatusHistogram {
        StatusHistogram(LeafStatus(state: .receiving, progress: 1, network: LeafStatus.Network(loss: 0, pressure: pressure, arrival: nil)))
    }

    @Test("One who is overrun all the time, or says so, holds the others up for a moment")
    func pressure() throws {
        let sent = try session(megabytes: 48, ["--min-wait", "0s", "--max-rate", "100M"]) { cookie, _ in
            StatusReport(echo: .none, longestDatagram: 1_400, isDeaf: false, wantsStream: false, cookie: cookie, histogram: leaf(pressure: 7))
        }
        let rates = sent.text.split(separator: "\n").filter { $0.contains("\"event\":\"progress\"") && $0.contains("\"phase\":\"streaming\"") }
            .map { Running.last("rate", in: String($0)) }.sorted()
        // The median was two fifths before.
        #expect(!rates.isEmpty && rates[rates.count / 2] > 60_000_000, "\(rates)")
    }

    @Test("One that echoes everything two seconds late sets its own timers, and not the group's")
    func roundTrip() throws {
        var longest: UInt32 = 0
        _ = try session(megabytes: 24, ["--min-wait", "3s", "--rate", "50M"]) { cookie, heard in
            let last = heard.last?.timestamp ?? 0
            let old = heard.last { $0.timestamp + 2_000_000 <= last }
            longest = max(longest, heard.last?.groupRoundTrip ?? 0)
            return StatusReport(
                echo: TimestampEcho(timestamp: old?.timestamp ?? 0, delay: 0), longestDatagram: 1_400, isDeaf: false, wantsStream: false, cookie: cookie,
                histogram: leaf(pressure: 0))
        }
        #expect(longest > 0 && longest < 500_000, "the group's round trip was \(longest) us")
    }
}
