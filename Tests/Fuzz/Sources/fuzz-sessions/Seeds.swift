/// Sessions one by one and together, and each thing that may befall them.
func seeds() -> [(name: String, bytes: [UInt8])] {
    func operation(_ step: Step, _ argument: UInt8 = 0) -> UInt8 { step.rawValue | argument << 3 }
    let all = operation(.work, 31)
    let nap = operation(.sleep, 9)
    func whole(_ fixture: UInt8) -> [UInt8] {
        let count = fixtures[Int(fixture)].datagrams.count
        return stride(from: 0, to: min(count, 255), by: 16).flatMap { [operation(.run, 15), fixture, UInt8($0), all] } + [all, nap, all]
    }
    func half(_ fixture: UInt8) -> [UInt8] { Array(whole(fixture).prefix(8)) }
    var result: [(String, [UInt8])] = []
    for (mode, name) in [(UInt8(0), "directory"), (1, "once"), (2, "output"), (4, "unsigned"), (8, "any-version"), (7, "once-output-unsigned")] {
        result.append(("one-\(name)", [mode] + whole(0) + [operation(.sleep, 15), operation(.sleep, 15)]))
        result.append(("versions-\(name)", [mode] + whole(0) + whole(1) + whole(2) + whole(0)))
        result.append(("together-\(name)", [mode] + half(0) + half(3) + half(5) + half(4) + whole(3) + [operation(.sleep, 14)] + whole(1)))
        result.append(("slow-\(name)", [mode, operation(.run, 31), 0, 0, operation(.run, 31), 0, 31, operation(.sleep, 15), operation(.sleep, 15)] + whole(1)))
    }
    for failure in 0..<6 as Range<UInt8> {
        result.append(("failure-\(failure)", [0, operation(.disk), 1 << failure] + whole(0) + [operation(.disk), 0, nap] + whole(1)))
    }
    result.append(("superseded", [0] + half(0) + [operation(.sleep, 12), operation(.sleep, 12)] + whole(1)))
    result.append(("stopped", [0] + half(0) + [operation(.disk, 31), nap] + whole(1)))
    result.append(("train", [0, operation(.train, 20), 0, 0] + (0..<42).map { UInt8($0 / 2) } + [all, operation(.train, 3), 1, 200, 0, 1, 1, 2, 2, 3, 3, 4]))
    result.append(
        ("train-short", [4, operation(.train, 7), 3, 0x40] + (0..<16).map { UInt8($0) } + [operation(.raw, 4), 7] + Array(repeating: 0x52, count: 64)))
    result.append(("damaged", [4] + half(0) + [operation(.damaged, 3), 0, 40, 20, 1, 2, 3, 4] + whole(0)))
    for shape in [1, 3, 5, 9, 15, 17, 31] as [UInt8] {
        result.append(("made-\(shape)", [4, operation(.made, shape), 0, 1, 2, 3, 4, 5, 6, 7, operation(.work, 31), operation(.sleep, 15), all] + whole(0)))
    }
    result.append(("flood", [4] + (0..<40).flatMap { [operation(.made, 3), 0, UInt8($0), 1, 1] } + [all, operation(.sleep, 15), all, operation(.sleep, 15)]))
    var stretches: [UInt8] = [0xEE, 0]
    for index in 0..<6 as Range<UInt8> { stretches += [0xF0, 0, index * 16] }
    result.append(("repair-daemon", stretches + [0xF8, 3, 0, 20, 1, 2, 3, 4, 0xF2, 0, 8]))
    var garbage: [UInt8] = [0xEE, 1]
    for index in 0..<20 as Range<UInt8> { garbage += [index % 4 | 4, index, index, 8, 1, 2, 3, 4, 5, 6, 7, 8] }
    result.append(("repair-daemon-garbage", garbage))
    result.append(("regions", [0xF0, 5, 0x60, 1, 0x60, 2, 0x60, 3, 0x60, 4, 0x60, 5, 15, 3, 0x61, 1, 0x00, 9, 0x40, 1, 15, 2, 0x60, 9, 0x20, 239, 9]))
    return result
}
