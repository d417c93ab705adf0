import FuzzSupport

@testable import RMCPProtocol

/// Sessions to their end, and each thing that a receiver or somebody else may say.
func seeds() -> [(name: String, bytes: [UInt8])] {
    func operation(_ step: Step, _ argument: UInt8 = 0) -> UInt8 { step.rawValue | argument << 3 }
    /// It says so with the cookie that it gets just before.
    func status(_ child: UInt8, _ state: ReceiverState) -> [UInt8] {
        [operation(.stop, child), child, operation(.status, child), state.rawValue, 250, 0]
    }
    func request(_ child: UInt8, _ kinds: UInt8, _ chunk: UInt8) -> [UInt8] { [operation(.request, child), kinds, chunk, 0, 3] }
    let rest = [operation(.sleep, 3), operation(.sleep, 6), operation(.fetched)]
    let streaming: UInt8 = 2 | 40 << 2
    /// The cookie that the child's own address was given.
    let own: UInt8 = 1 << 3
    var result: [(String, [UInt8])] = [
        ("nobody", [0] + Array(repeating: operation(.sleep, 15), count: 3)),
        ("joined-late", [0, operation(.sleep, 9)] + status(1, .joined) + rest + status(1, .complete) + rest),
        ("complete", [1 | 60 << 2] + rest + status(1, .complete) + rest + [operation(.sleep, 11), operation(.sleep, 11)]),
        ("lost", [streaming, operation(.sleep, 14), operation(.sleep, 14), operation(.sleep, 14), operation(.sleep, 15)]),
        ("stopped", [streaming, operation(.stop, 31)] + rest + rest),
        (
            "short-datagrams",
            [0, operation(.stop, 1), 1, operation(.status, 1), 0, 200, 0, operation(.sleep, 9), operation(.sleep, 10), operation(.sleep, 10)] + rest
        ),
        ("deaf", [streaming, operation(.stop, 1), 0, operation(.deaf, 1), own, operation(.sleep, 10)] + request(1, 15, 0) + rest + rest),
        ("deaf-no-cookie", [streaming, operation(.deaf, 1), 0, operation(.sleep, 10), operation(.deaf, 17), 0] + request(1, 15, 0) + rest),
        ("relay", [streaming, operation(.stop, 9), 1, operation(.deaf, 1), 1 | own | 64, operation(.sleep, 10)] + rest + request(1, 15, 0) + rest),
        ("detached", [streaming, operation(.stop, 1), 0, operation(.deaf, 1), own, operation(.stop, 17), own] + rest + request(1, 15, 0) + rest),
        ("solicited", [streaming, operation(.stop, 30), 5, operation(.stop, 30), 1] + rest),
        ("deaf-victim", [streaming, operation(.deaf, 1), 5, operation(.sleep, 10), operation(.deaf, 1), 5] + request(1, 15, 0) + rest),
        ("garbage", [streaming, operation(.raw), 0, 8, 1, 2, 3, 4, 5, 6, 7, 8] + rest),
    ]
    for (kinds, name) in [(UInt8(1), "end"), (2, "pages"), (4, "chunks"), (8, "packets"), (31, "everything")] {
        // From where the first receiver is, with its cookie and without.
        result.append(("ask-own-\(name)", [streaming] + request(0, kinds | 32, 1) + rest + rest))
        result.append(("ask-\(name)", [streaming] + request(1, kinds, 1) + rest + request(2, kinds, 2) + rest + rest))
        result.append(("drain-\(name)", [2 | 63 << 2, operation(.sleep, 6)] + request(1, kinds, 1) + rest + request(2, kinds, 0) + rest + rest))
    }
    let sum: [UInt8] = Array(repeating: 0, count: 12) + [1, 244, 0, 1, 0, 0xFF, 0xFF, 0xFF, 0xFF, 1, 3, 0, 0, 0, 9, 0, 0, 0]
    result.append(("forged-sum", [streaming, operation(.forged, 1), 0, 3, UInt8(sum.count / 2)] + sum + [1] + rest))
    return result
}
