import RMCPContent
import RMCPProtocol
import Testing

@testable import RMCPHost

/// Datagrams that are let in at the border of a group: its own datagrams, each once.
@Suite struct ControlGuardTests {
    private let key = GroupKey().control
    private let source = SocketAddress.ipv4(10, 0, 0, 1, port: 4_000)

    private func datagram(_ kind: PacketKind, transmitter: UInt32 = 7, isUnicast: Bool = false, length: Int = 40) -> [UInt8] {
        var writer = ByteWriter()
        PacketHeader(kind: kind, isUnicast: isUnicast, sessionTag: 1, transmitter: transmitter, sequence: 5).write(to: &writer)
        writer.pad(to: length)
        return writer.bytes
    }

    /// What comes of one receive buffer: datagrams, and how many trains they are in.
    private func admit(_ buffer: [UInt8], segment: Int = 0, by border: ControlGuard) -> (datagrams: [[UInt8]], trains: Int) {
        var result: [[UInt8]] = []
        var trains = 0
        buffer.withUnsafeBytes { bytes in
            border.admit(bytes, segment: segment, Arrival(source: source, at: .zero)) { train in
                trains += 1
                train.forEach { result.append(Array($0)) }
            }
        }
        return (result, trains)
    }

    @Test func whatAMemberSaysComesInOnceAndAsItWas() {
        let (sender, receiver) = (ControlGuard(key: key), ControlGuard(key: key))
        for kind in PacketKind.allCases where kind != .data {
            let plain = datagram(kind)
            let sent = sender.protect(plain)
            #expect(sent.count == plain.count + ControlGuard.trailerLength)
            #expect(admit(sent, by: receiver).datagrams == [plain], "\(kind)")
            #expect(admit(sent, by: receiver).datagrams.isEmpty, "\(kind) comes in twice")
        }
        #expect(receiver.replayed == UInt64(PacketKind.allCases.count - 1) && receiver.forged == 0)
    }

    @Test func nothingElseComesIn() {
        let receiver = ControlGuard(key: key)
        let sent = ControlGuard(key: key).protect(datagram(.announce))
        for position in sent.indices {
            // A bent kind may be DATA, which anybody may say.
            var bent = sent
            bent[position] ^= 0x40
            #expect(admit(bent, by: receiver).datagrams.isEmpty, "byte \(position)")
        }
        #expect(admit(datagram(.heartbeat), by: receiver).datagrams.isEmpty)
        #expect(admit(ControlGuard(key: GroupKey().control).protect(datagram(.announce)), by: receiver).datagrams.isEmpty)
        for length in 0...40 { #expect(admit(Array(sent.prefix(length)), by: receiver).datagrams.isEmpty) }
        #expect(receiver.replayed == 0 && receiver.forged > UInt64(sent.count) && receiver.foreignAnnounces > 0)
        // The line comes once, and again when there is more to say and a while has passed.
        #expect(receiver.takeWarning(at: .zero)?.contains("10.0.0.1") == true)
        #expect(receiver.takeWarning(at: .zero + .seconds(100)) == nil)
        _ = admit(datagram(.heartbeat), by: receiver)
        #expect(receiver.takeWarning(at: .zero + .seconds(1)) == nil && receiver.takeWarning(at: .zero + .seconds(61)) != nil)
        // It was not what came that was wrong.
        #expect(admit(sent, by: receiver).datagrams.count == 1)
    }

    @Test func dataIsLeftAsItIsAndTogether() {
        let (sender, receiver) = (ControlGuard(key: key), ControlGuard(key: key))
        let data = datagram(.data, length: 40 + ControlGuard.trailerLength)
        let control = sender.protect(datagram(.heartbeat))
        let buffer = data + data + control + data + control + data
        let admitted = admit(buffer, segment: data.count, by: receiver)
        #expect(admitted.datagrams == [data, data, datagram(.heartbeat), data, data] && admitted.trains == 4)
        #expect(admit(data + data + data, segment: data.count, by: receiver).trains == 1)
        // A shorter last one.
        #expect(admit(data + Array(data.dropLast(3)), segment: data.count, by: receiver).datagrams.map(\.count) == [data.count, data.count - 3])
    }

    @Test func reorderingIsNoReplay() {
        let (sender, receiver) = (ControlGuard(key: key), ControlGuard(key: key))
        let sent = (0..<100).map { _ in sender.protect(datagram(.heartbeat)) }
        // The last one first: the 63 before it are taken, once, and what is older is not.
        #expect(admit(sent[99], by: receiver).datagrams.count == 1)
        for index in (36..<99).reversed() { #expect(admit(sent[index], by: receiver).datagrams.count == 1, "\(index)") }
        for index in 0..<100 { #expect(admit(sent[index], by: receiver).datagrams.isEmpty, "\(index)") }
    }

    @Test("What goes to groups and to single addresses is counted apart, since they take different ways") func streamsAreApart() {
        let (sender, receiver) = (ControlGuard(key: key), ControlGuard(key: key))
        let late = sender.protect(datagram(.heartbeat))
        for _ in 0..<200 { #expect(admit(sender.protect(datagram(.acknowledgement, isUnicast: true)), by: receiver).datagrams.count == 1) }
        #expect(admit(late, by: receiver).datagrams.count == 1)
    }

    @Test("A node that is started again under its old id is heard") func aRestartIsNoReplay() {
        let receiver = ControlGuard(key: key)
        let before = ControlGuard(key: key)
        let old = (0..<200).map { _ in before.protect(datagram(.status, isUnicast: true)) }
        for sent in old { _ = admit(sent, by: receiver) }
        #expect(admit(ControlGuard(key: key).protect(datagram(.status, isUnicast: true)), by: receiver).datagrams.count == 1)
        for sent in old { #expect(admit(sent, by: receiver).datagrams.isEmpty) }
    }

    @Test func manyStreamsAreRememberedAndNotMore() {
        var windows = ReplayWindows(limit: 100)
        func accepts(_ serial: UInt64, of transmitter: UInt32) -> Bool { windows.accept(serial, of: transmitter) }
        for transmitter in 1...40 as ClosedRange<UInt32> { #expect(accepts(1 << 32 | 9, of: transmitter)) }
        for transmitter in 1...40 as ClosedRange<UInt32> { #expect(!accepts(1 << 32 | 9, of: transmitter)) }
        // A stream that is heard is not forgotten for others.
        for transmitter in 1_000...2_000 as ClosedRange<UInt32> {
            #expect(accepts(1, of: transmitter))
            #expect(accepts(1 << 32 | UInt64(transmitter), of: 1))
        }
        #expect(!accepts(1 << 32 | 2_000, of: 1))
    }
}
