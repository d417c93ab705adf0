import FuzzSupport

@testable import RMCPProtocol

/// Sessions that nobody disturbs, and one seed for each thing that a stranger may do.
func seeds() -> [(name: String, bytes: [UInt8])] {
    func operation(_ step: Step, _ argument: UInt8 = 0) -> UInt8 { step.rawValue | argument << 3 }
    func nap(_ length: UInt8 = 9) -> [UInt8] { [operation(.sleep, length)] }
    /// From its own address, with an id of its own, to the sender.
    let own: UInt8 = 5 << 3
    func say(_ kind: UInt8, _ fields: [UInt8], who: UInt8 = 13, way: UInt8 = 5 << 3) -> [UInt8] { [operation(.packet, kind), who, way] + fields }
    let attach = say(8, [1, 0]) + nap(5)
    func status(_ state: ReceiverState, _ flags: UInt8 = 0, _ more: [UInt8] = []) -> [UInt8] {
        say(2, [flags, state.rawValue] + more + [0, 3])
    }
    let streaming: UInt8 = 3 << 2
    var result: [(String, [UInt8])] = []
    for (node, name) in [(UInt8(0), ""), (1, "-node")] {
        for beginning in [UInt8(0), 3, 5, 7] { result.append(("undisturbed-\(beginning)\(name)", [beginning << 2 | node] + nap(11) + nap(11))) }
        let early = streaming | node
        result.append(("complete\(name)", [early] + attach + status(.complete) + nap() + status(.complete) + nap(11)))
        result.append(("receiving\(name)", [early] + attach + status(.receiving) + nap() + status(.failedHook) + nap(11)))
        result.append(("node-complete\(name)", [early] + attach + status(.complete, 16, [1, 1, 1, 1, 2, 2]) + nap(11)))
        result.append(("node-debts\(name)", [early] + attach + status(.complete, 48, [1, 1, 2, 1, 5, 255, 13, 0, 9]) + nap(11)))
        result.append(("leaving\(name)", [early] + say(0, [4, 0, 0, 1, 1, 1, 1, 1, 1], who: 0, way: own | 1) + nap(10) + nap(10)))
        result.append(
            ("parent\(name)", [early | 2] + say(0, [1 | 64, 3, 0, 1, 1, 1, 1, 1, 20], way: own | 1) + nap(9) + [operation(.other, 2), 13] + nap(11)))
        result.append(("naks\(name)", [early] + attach + say(5, [3, 1, 63, 0, 0xF0]) + nap() + say(5, [0, 1, 15, 1, 0x30]) + nap(11)))
        result.append(("ncfs\(name)", [early] + say(7, [31, 0, 0xF0], who: 0, way: own | 1) + nap(5) + say(7, [31, 0, 0xF0], who: 0, way: own | 1) + nap(11)))
        result.append(("detach\(name)", [early] + say(11, [3], who: 3, way: 1 << 3) + say(11, [1], who: 3) + nap(11)))
        result.append(("data\(name)", [early] + (0..<6).flatMap { [operation(.data, 6), 0, own, UInt8($0) * 2, UInt8($0), operation(.sleep, 4)] } + nap(11)))
        result.append(("replay\(name)", [early] + (0..<20).flatMap { [operation(.replay, 6), own, UInt8($0)] } + nap(11)))
        result.append(("damaged\(name)", [early] + (0..<20).flatMap { [operation(.damaged, 14), own, UInt8($0), 20, 255, 1, 2] } + nap(11)))
        result.append(("lost\(name)", [early, operation(.other, 20), 128, 3] + nap(10) + attach + status(.complete) + nap(11)))
        result.append(("slow-disk\(name)", [early | 96] + attach + status(.complete) + nap(11) + nap(11)))
        result.append(("questions\(name)", [early] + say(13, [0, 0]) + say(13, [1, 0]) + say(14, [1]) + say(12, [0, 9], who: 0, way: own | 1) + nap(11)))
        for (kind, later) in [(UInt8(0), "statements"), (4, "places"), (8, "outlines"), (12, "refusals"), (15, "reports")] {
            let forged = (0..<6).flatMap { [operation(.laterPacket, kind), UInt8($0) * 9, own | 1, 20, 8, UInt8($0) * 40 | 1, UInt8($0) * 3, 9] + nap(4) }
            result.append(("\(later)\(name)", [early] + attach + forged + nap(11)))
        }
        result.append(("signed\(name)", [early] + (0..<6).flatMap { say(15, [UInt8($0), 8, 9], who: 0, way: own | 1) } + nap(11)))
    }
    result.append(("garbage", [streaming, operation(.raw, 7), own, 8, 1, 2, 3, 4, 5, 6, 7, 8, operation(.other, 27), own] + nap(11)))
    return result
}
