import CAllocations

/// One way that packets take through the engine. `scripts/bench-engine` runs each twice under callgrind, with a small and a
/// large count: the difference is what the packets cost, and not what preparing for them did.
struct EnginePath: Sendable {
    let name: String
    /// What is counted.
    let unit: String
    /// On the way of every byte: nothing may be allocated for it.
    let isHot: Bool
    /// Prepares, which must not depend on the count, and answers what runs the path about so many times and says how often.
    let prepare: @Sendable () -> (Int) -> Int

    init(_ name: String, per unit: String, isHot: Bool = false, prepare: @escaping @Sendable () -> (Int) -> Int) {
        self.name = name
        self.unit = unit
        self.isHot = isHot
        self.prepare = prepare
    }

    static let all: [EnginePath] = wirePaths + tablePaths + receiverPaths + senderPaths + childPaths + repairPaths
}

/// What keeps the optimiser from leaving out what nobody looks at.
nonisolated(unsafe) var consumed = 0

@inline(never)
func consume(_ value: Int) { unsafe consumed &+= value }

@main
enum Main {
    static func main() {
        let arguments = CommandLine.arguments.dropFirst()
        if arguments.first == "list", arguments.count == 1 {
            for path in EnginePath.all { print(path.name, path.isHot ? "hot" : "-", path.unit) }
            return
        }
        guard arguments.count == 2, let name = arguments.first, let path = EnginePath.all.first(where: { $0.name == name }),
            let count = arguments.last.flatMap({ Int($0) }), count > 0
        else { fatalError("usage: engine-paths list | PATH COUNT") }
        let run = path.prepare()
        let before = allocations_so_far()
        let done = run(count)
        let allocations = allocations_so_far() - before
        // Progress on the state that the path should move, so that a path that has broken shows.
        print(done, allocations, unsafe consumed)
    }
}
