import Glibc
import Testing

@testable import RMCPHost
@testable import RMCPProtocol

/// A failure is told by what was seen, and nothing where nothing was.
@Suite struct DiagnosisTests {
    private let peer = SocketAddress.ipv4(10, 2, 0, 1, port: 5)
    private let group = SocketAddress.ipv4(239, 255, 76, 97, port: 17_997)

    private func interface(isUp: Bool = true, hasCarrier: Bool = true, addresses: [SocketAddress] = [.ipv4(10, 77, 0, 2, port: 0)]) -> NetworkInterface {
        NetworkInterface(
            name: "eth7", index: 7, isUp: isUp, hasCarrier: hasCarrier, isMulticast: true, isLoopback: false, addresses: addresses, mtu: 1_500)
    }

    private func name(_ code: Int32, _ interface: NetworkInterface?, hasRoute: Bool = false) -> Diagnosis.Name? {
        Diagnosis.ofSending(code, to: peer, through: "eth7", interface: interface, hasRoute: hasRoute)?.name
    }

    @Test func whatKeepsDatagramsFromLeavingIsLookedAt() {
        #expect(name(ENETUNREACH, nil) == .interfaceGone)
        #expect(name(ENETDOWN, interface(isUp: false, hasCarrier: false)) == .interfaceDown)
        #expect(name(ENETUNREACH, interface(hasCarrier: false)) == .noCarrier)
        #expect(name(EPERM, interface(), hasRoute: true) == .firewall)
        #expect(name(ENETUNREACH, interface(addresses: [])) == .noAddress)
        #expect(name(ENETUNREACH, interface()) == .noRoute)
        #expect(name(EINVAL, interface(), hasRoute: true) == nil)
        #expect(Diagnosis.ofSending(ENETUNREACH, to: peer, through: "no-such-interface")?.name == .interfaceGone)
    }

    /// A host that has nothing but IPv6 has an interface that is up, and a way out.
    @Test func anInterfaceOfTheOtherFamilyIsNamed() throws {
        let other = interface(addresses: [try #require(SocketAddress(parsing: "fd77::1", defaultPort: 9))])
        let text = NetworkInterface.missing(for: group, among: [other]).description
        #expect(text.contains("eth7 (fd77::1)") && text.contains("none that is up has an IPv4 address") && text.contains("-g [ff15::7627]:17627"), "\(text)")
        let none = [interface(isUp: false), interface(addresses: [])]
        #expect(NetworkInterface.missing(for: group, among: none).description.contains("bring one up"))
    }

    @Test func theReversePathFilterIsNamedWhereItIsOnAndHasDropped() {
        let strict = Diagnosis.ofSilence(on: "eth7", droppedByReversePath: 3, mode: 1)
        #expect(strict?.name == .reversePathFilter && strict?.text.contains("sysctl -w net.ipv4.conf.eth7.rp_filter=2") == true)
        // Nobody is told to do without the filter.
        let loose = Diagnosis.ofSilence(on: "eth7", droppedByReversePath: 3, mode: 2)
        #expect(loose?.text.contains("route to the sender") == true && loose?.text.contains("sysctl") == false)
        #expect(Diagnosis.ofSilence(on: "eth7", droppedByReversePath: 3, mode: 0) == nil)
        #expect(Diagnosis.ofSilence(on: "eth7", droppedByReversePath: 0, mode: 1) == nil)
        let text = "TcpExt: SyncookiesSent IPReversePathFilter TCPLoss\nTcpExt: 0 156 7\nIpExt: InNoRoutes\nIpExt: 9\n"
        #expect(ReversePathFilter.parse(text, "TcpExt:", "IPReversePathFilter") == 156)
        #expect(ReversePathFilter.parse(text, "IpExt:", "InNoRoutes") == 9)
        #expect(ReversePathFilter.parse(text, "TcpExt:", "NoSuchCounter") == nil)
        #expect(ReversePathFilter.count() != nil)
    }

    @Test func filesAreDiagnosedByWhatTheirPlaceSays() {
        let full = Diagnosis.Place(freeBytes: 0, freeFiles: 10, isWritable: true, fileLimit: nil)
        let crowded = Diagnosis.Place(freeBytes: 1 << 30, freeFiles: 0, isWritable: true, fileLimit: nil)
        let foreign = Diagnosis.Place(freeBytes: 1 << 30, freeFiles: nil, isWritable: false, fileLimit: 1_000)
        #expect(Diagnosis.ofFile(ENOSPC, at: full)?.name == .noSpace)
        #expect(Diagnosis.ofFile(ENOSPC, at: crowded)?.name == .noInodes)
        #expect(Diagnosis.ofFile(ENOSPC, at: nil) == nil)
        #expect(Diagnosis.ofFile(EACCES, at: foreign)?.name == .notWritable)
        // An errno of something else than the directory: nothing was seen that explains it.
        #expect(Diagnosis.ofFile(EACCES, at: full) == nil)
        #expect(Diagnosis.ofFile(EFBIG, at: foreign)?.evidence.contains("1000") == true)
        #expect(Diagnosis.ofFile(EIO, at: full) == nil)
    }

    @Test func anErrorOfTheSystemSaysWhatItsDirectoryShows() {
        errno = EROFS
        #expect(HostError.system("create", "x").description.contains("mounted read-only"))
        errno = ENOENT
        #expect(HostError.system("create", "x").description == "create x: no such file or directory")
    }

    @Test func reportsOfMembershipAreWhatTheKernelWouldSend() {
        // RFC 1071, 3: its example, with the field of the checksum before it.
        #expect(MembershipReport.withChecksum([0x00, 0x01, 0, 0, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7])[2...3] == [0x22, 0x0D])
        let text =
            "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n1\tlo        :     1      V3\n\t\t\t\t010000E0     1 0:0\t\t0\n4\teth0      :     2      V2\n"
        #expect(MembershipReport.speaksVersion3(on: "lo", text) && !MembershipReport.speaksVersion3(on: "eth0", text))
    }
}
