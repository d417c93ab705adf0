import BenchmarkSupport
import NIOPosix

let options = Options.parse()
// One thread: what rmcp's data path has.
let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
do {
    switch options.role {
    case .send: try send(options, on: group)
    case .receive: try receive(options, on: group)
    }
} catch {
    fail("\(error)")
}
