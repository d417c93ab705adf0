import FuzzSupport

@testable import RMCPProtocol

/// Sessions without trouble, and some trouble at each stage of one.
func seeds() -> [(name: String, bytes: [UInt8])] {
    func operation(_ step: Step, _ argument: UInt8 = 0) -> UInt8 { step.rawValue | argument << 3 }
    let work = operation(.trouble, 7)
    var result: [(String, [UInt8])] = []
    for (mode, name) in [(UInt8(8), "signed"), (1, "unsigned"), (14, "stream-resumed"), (7, "unsigned-stream-resumed")] {
        let length = fixtures[Int(mode & 3)].recording.datagrams.count
        var whole: [UInt8] = [mode, 0]
        for first in stride(from: 0, to: min(length, 255), by: 30) {
            whole += [operation(.run, 30), UInt8(first), work, operation(.sleep, 5)]
        }
        result.append(("whole-\(name)", whole + [work, operation(.sleep, 9), operation(.sleep, 15)]))
        let late: [UInt8] = [mode, UInt8(length / 2), operation(.sleep, 7), operation(.run, 31), UInt8(length / 2), work, operation(.sleep, 9)]
        result.append(("late-\(name)", late + [operation(.run, 31), 10, work]))
        result.append(("silence-\(name)", [mode, 30, operation(.sleep, 12), operation(.sleep, 14), operation(.sleep, 15)]))
    }
    for (index, kind) in PacketKind.allCases.enumerated() {
        guard let known = fixtures[0].known.firstIndex(where: { $0[3] == kind.rawValue }) else { continue }
        let datagram = fixtures[0].known[known]
        let body = Array(datagram[16...].prefix(120))
        let forged = [operation(.forged), UInt8(index), UInt8(index % 2), 0, 0, 0, 1, UInt8((body.count + 1) / 2)] + body
        for mode: UInt8 in [8, 1] { result.append(("forged-\(kind)-\(mode)", [mode, 12] + forged + [operation(.sleep, 8)])) }
    }
    result.append(("damaged", [8, 10, operation(.damaged, 3), 4, 20, 0, 0, 0, 1, operation(.sleep, 5), operation(.trouble), 3]))
    result.append(("raw", [8, 10, operation(.raw), 0, 20] + fixtures[0].known[0].prefix(20) + [operation(.trouble, 4), 1]))
    return result
}
