import RMCPContent
import RMCPProtocol
import RMCPReport
import Testing

@testable import RMCPHost

/// A send as its observer sees it, on the loopback interface.
@Suite struct SendLoopTests {
    @Test("What strangers send to a sealed session is counted, though it does not come in")
    func strangers() throws {
        let group = SocketAddress.ipv4(239, 255, 76, 90, port: .random(in: 20_000...30_000))
        var configuration = Configuration()
        configuration.joining.minimumWait = .zero
        configuration.joining.maximumWait = .seconds(2)
        let request = SendRequest(
            source: .path(#filePath), group: group, interfaceName: "lo", timeToLive: 0, name: nil, compressionLevel: 0, isSigned: false,
            groupKey: GroupKey(), configuration: configuration)
        let elsewhere = SocketAddress.ipv4(239, 255, 76, 90, port: group.port - 1)
        let end = LockedValue<SendSnapshot?>(nil)
        let sender = try HostThread(name: "sender") {
            do throws(HostError) {
                let interface = try NetworkInterface.forGroup(group, named: "lo")
                let stranger = try DatagramSocket.sending(to: elsewhere, through: interface, timeToLive: 0)
                guard var home = interface.address(for: group) else { throw HostError("no address") }
                home.port = group.port
                let outcome = try SendLoop(request) { UnsignedSigner() }.run { update in
                    switch update {
                    case .ready:
                        for length in [1, 40, 200] { _ = stranger.send([UInt8](repeating: 7, count: length), to: home) }
                    case .finished(_, let snapshot, _): end.withLock { $0 = snapshot }
                    default: break
                    }
                }
                #expect(outcome.kind == .nobodyCame)
            } catch { Issue.record("\(error.description)") }
        }
        sender.join()
        #expect(end.withLock { $0 }?.counters.foreign == 3)
    }
}
