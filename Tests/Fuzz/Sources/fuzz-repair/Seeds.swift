import FuzzSupport

@testable import RMCPProtocol

/// Sessions through a repair node and through a relay, and what may befall either.
func seeds() -> [(name: String, bytes: [UInt8])] {
    func operation(_ step: Step, _ argument: UInt8 = 0) -> UInt8 { step.rawValue | argument << 3 }
    let all = operation(.work, 31)
    let nap = operation(.sleep, 6)
    /// A status of child 1 at its own address, with the cookie that it gets just before: `flags` are 32 for deaf and 64 for a
    /// stream.
    func status(_ state: ReceiverState, flags: UInt8 = 0) -> [UInt8] {
        [operation(.child, 1), 1 | (flags == 64 ? 16 : 0), operation(.child, 17), 1 | flags, state.rawValue]
    }
    func ask(_ kinds: UInt8, _ chunk: UInt8) -> [UInt8] { [operation(.request, 1), kinds, chunk, 0x20] }
    var result: [(String, [UInt8])] = []
    for (mode, name) in [(UInt8(0), "repair"), (1, "repair-unsigned"), (2, "relay"), (3, "relay-unsigned")] {
        var whole: [UInt8] = [mode] + status(.receiving)
        for first in stride(from: 0, to: min(fixtures[0].datagrams.count, 255), by: 15) {
            whole += [operation(.run, 15), UInt8(first), all, operation(.sleep, 5)]
        }
        whole += [all]
        result.append(("whole-\(name)", whole + ask(15, 0) + [nap, all, nap] + status(.complete) + [operation(.sleep, 11)]))
        result.append(("restart-\(name)", whole + [operation(.trouble, 1), 2, nap] + ask(8, 1) + [nap, all, nap] + ask(4, 2) + [nap, all, nap]))
        result.append(("stream-\(name)", [mode, operation(.child, 1), 17] + status(.receiving, flags: 64) + whole.dropFirst() + [nap, nap]))
        result.append(("deaf-\(name)", whole + [operation(.child, 1), 1] + status(.receiving, flags: 32) + ask(15, 0) + [nap, all, nap]))
        result.append(("retire-\(name)", whole + [operation(.trouble, 0), nap, operation(.sleep, 9)]))
        result.append(("early-\(name)", [mode | 20 << 2] + status(.receiving) + ask(8, 0) + ask(15, 1) + [nap, all, nap, all, nap]))
        result.append(("damaged-\(name)", whole + ask(8, 1) + [nap, operation(.work, 17), nap, operation(.run, 31), 10, all, nap]))
    }
    result.append(("own-repairs", [20 << 2] + status(.receiving) + [all, nap] + ask(31, 0) + ask(24, 1) + [nap, all, nap, nap]))
    result.append(("silence", [20 << 2] + status(.receiving) + [operation(.sleep, 12), operation(.sleep, 15), operation(.sleep, 15)]))
    result.append(("disk-full", [20 << 2] + status(.receiving) + [operation(.trouble, 2), 0, nap, operation(.sleep, 12)]))
    result.append(("detached", [20 << 2, operation(.child, 1), 1] + status(.receiving) + [operation(.child, 9), 1] + status(.receiving) + [nap]))
    // A HEARTBEAT of the highest rate, and one of a parent below the node itself.
    let beat: [UInt8] = [1, 0, 16, 8] + Array(repeating: 0, count: 8) + [0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]
    let beats: UInt8 = 4
    let place: [UInt8] = [8, 0, 0, 0, 0, 1, 0, 0, 0, 4]
    let heartbeat = beat + Array(repeating: 0xFF, count: 8) + place
    result.append(("forged-rate", [40 << 2, operation(.forged), beats, 0, UInt8((heartbeat.count + 1) / 2)] + heartbeat + [0, nap, nap] + ask(8, 0) + [nap]))
    result.append(("forged-parent", [20 << 2, operation(.forged), beats, 2, UInt8((heartbeat.count + 1) / 2)] + heartbeat + [0, nap, operation(.sleep, 12)]))
    return result
}
