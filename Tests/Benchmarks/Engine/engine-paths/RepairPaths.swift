import RMCPProtocol
import TestSupport

/// A repair node that hears the stream and keeps it, with one child that asks for nothing.
private func repairingHost() -> ListeningHost<RepairEngine> {
    var host = ListeningHost(
        RepairEngine(
            identity: 1_001, announce: Fixture.announce, signature: MarkSigner.mark, mode: .repair, configuration: Fixture.quiet,
            verifier: StubVerifier(), digest: StubDigest(), seed: 5, at: Fixture.start))
    host.hear(Fixture.fromSender(Fixture.heartbeat()))
    host.endRound()
    let child = Fixture.fromChild(Fixture.status(StatusHistogram(Fixture.leaf())), 1)
    unsafe host.engine.handle(child: child.span.bytes, from: Fixture.childAddress(1), at: host.now)
    for page in Fixture.pages() { host.hear(page) }
    host.endRound()
    return host
}

let repairPaths: [EnginePath] = [
    EnginePath("repair-node-data", per: "packet", isHot: true) {
        let prepared = repairingHost()
        return { count in
            var host = prepared
            host.receive(packets: count)
            return count
        }
    }
]
