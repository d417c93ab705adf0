import Foundation
import Testing

@testable import RMCPHost
@testable import RMCPProtocol

/// Messages to a service manager, as a real socket hears them.
@Suite struct ServiceTests {
    /// The manager's end.
    private final class Manager {
        let name: String
        private let raw: Int32

        init(isAbstract: Bool) throws {
            let path = NSTemporaryDirectory() + "rmcp-notify-\(UInt32.random(in: 0...(.max)))"
            name = isAbstract ? "@" + path : path
            raw = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            let bytes = isAbstract ? [0] + Array(path.utf8) : Array(path.utf8) + [0]
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
            let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
            let result = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(raw, $0, length) }
            }
            try #require(result == 0)
        }

        deinit {
            close(raw)
            unlink(name)
        }

        /// Messages since this was last asked.
        func heard() -> [String] {
            var messages: [String] = []
            var bytes = [UInt8](repeating: 0, count: 4_096)
            while case let count = recv(raw, &bytes, bytes.count, 0), count >= 0 { messages.append(String(decoding: bytes.prefix(count), as: UTF8.self)) }
            return messages
        }
    }

    private let start = Instant.zero + .seconds(50)

    @Test("Readiness, a reload and the end are told", arguments: [false, true])
    func states(isAbstract: Bool) throws {
        let manager = try Manager(isAbstract: isAbstract)
        let notifier = try #require(ServiceNotifier(socket: manager.name))
        #expect(manager.heard().isEmpty)
        notifier.ready(at: start)
        #expect(manager.heard() == ["READY=1"] && notifier.deadline == nil)
        notifier.reloaded(at: start)
        #expect(manager.heard().isEmpty)
        notifier.reloading(at: start + .microseconds(7))
        #expect(manager.heard() == ["RELOADING=1\nMONOTONIC_USEC=50000007"])
        notifier.show("waiting", at: start + .seconds(1))
        notifier.reloaded(at: start + .seconds(1))
        notifier.stopping(within: .seconds(15))
        #expect(manager.heard() == ["STATUS=waiting", "READY=1\nSTATUS=waiting", "STOPPING=1\nSTATUS=stopping\nEXTEND_TIMEOUT_USEC=15000000"])
    }

    @Test("A status is told when it is another one, once a second at most, and the last one always")
    func status() throws {
        let manager = try Manager(isAbstract: true)
        let notifier = try #require(ServiceNotifier(socket: manager.name))
        notifier.ready(at: start)
        notifier.show("1 %", at: start + .milliseconds(200))
        notifier.show("2 %", at: start + .milliseconds(400))
        #expect(manager.heard() == ["READY=1"] && notifier.deadline == start + .seconds(1))
        notifier.tick(at: start + .milliseconds(999))
        #expect(manager.heard().isEmpty)
        notifier.tick(at: start + .seconds(1))
        notifier.show("2 %", at: start + .seconds(9))
        #expect(manager.heard() == ["STATUS=2 %"] && notifier.deadline == nil)
        // A line break would be another field.
        notifier.show("a\nWATCHDOG=1", at: start + .seconds(20))
        #expect(manager.heard() == ["STATUS=a WATCHDOG=1"])
    }

    @Test("The loop says that it turns, twice as often as it must, and only once it is ready")
    func watchdog() throws {
        let manager = try Manager(isAbstract: true)
        let notifier = try #require(ServiceNotifier(socket: manager.name, watchdogMicroseconds: 60_000))
        notifier.tick(at: start)
        #expect(notifier.deadline == nil && manager.heard().isEmpty)
        let loop = try HostLoop(service: notifier)
        let begun = Poller.now()
        notifier.ready(at: begun)
        var heard: [String] = []
        // Nothing but the notifier's own deadlines wakes it.
        loop.run { now, _ in
            heard += manager.heard()
            let isOver = heard.count { $0 == "WATCHDOG=1" } == 4 || now - begun > .seconds(20)
            return isOver ? .over : .wait(until: begun + .seconds(20))
        }
        let took = Poller.now() - begun
        #expect(heard == ["READY=1"] + [String](repeating: "WATCHDOG=1", count: 4), "\(heard)")
        #expect(took >= .milliseconds(30) * 4 && took < .seconds(20), "\(took)")
    }

    @Test("However often settings are read anew, the manager hears a keepalive in every half of its limit")
    func watchdogWhileReloading() throws {
        let manager = try Manager(isAbstract: true)
        let notifier = try #require(ServiceNotifier(socket: manager.name, watchdogMicroseconds: 60_000))
        notifier.ready(at: start)
        var keepAlives: [Int64] = []
        for elapsed in stride(from: Int64(0), to: 300, by: 5) {
            let now = start + .milliseconds(elapsed)
            if elapsed > 0, elapsed % 20 == 0 {
                notifier.reloading(at: now)
                notifier.reloaded(at: now)
            }
            notifier.tick(at: now)
            if manager.heard().contains("WATCHDOG=1") { keepAlives.append(elapsed) }
        }
        #expect(keepAlives == [30, 60, 90, 120, 150, 180, 210, 240, 270])
    }

    @Test("A manager that is gone, or a socket of another kind, is nobody")
    func nobody() throws {
        for name in ["", "@", "relative", "vsock:2:1234", "/" + String(repeating: "x", count: 200)] { #expect(ServiceNotifier(socket: name) == nil, "\(name)") }
        let notifier = try #require(ServiceNotifier(socket: NSTemporaryDirectory() + "rmcp-nobody"))
        notifier.ready(at: start)
        notifier.show("a", at: start + .seconds(2))
        // The message is tried again.
        #expect(notifier.deadline == start + .seconds(3))
    }

    @Test("SIGHUP asks to reload where that is wanted, and to stop elsewhere", arguments: [true, false])
    func hangup(reloads: Bool) throws {
        let loop = try HostLoop(reloads: reloads)
        var turns: [(isStopped: Bool, reload: Bool)] = []
        loop.run { _, isStopped in
            turns.append((isStopped, loop.takeReload()))
            if turns.count == 1 { pthread_kill(pthread_self(), SIGHUP) }
            return turns.count == 3 ? .over : .again
        }
        #expect(turns.map(\.isStopped) == [false, !reloads, false] && turns.map(\.reload) == [false, reloads, false])
        #expect(loop.stopSignal == (reloads ? 0 : SIGHUP))
    }

    @Test("Settings are read on another thread, and once more for who asks meanwhile")
    func rereading() throws {
        let wakeUp = try WakeUp()
        let reads = LockedValue(0)
        let rereader = Rereader<Int>(wakeUp: wakeUp) {
            .success(
                reads.withLock { count in
                    count += 1; return count
                })
        }
        #expect(!rereader.isReading && rereader.take() == nil)
        try rereader.begin()
        try rereader.begin()
        #expect(rereader.isReading)
        let poller = Poller()
        _ = poller.watch(wakeUp.descriptor.raw)
        var results: [Int] = []
        while results.count < 2 {
            poller.wait(until: Poller.now() + .seconds(20))
            wakeUp.clear()
            while let result = rereader.take() { results.append(try result.get()) }
        }
        #expect(results == [1, 2] && !rereader.isReading)
        rereader.stop()
    }

    @Test("The journal is known by its device and inode")
    func journal() throws {
        var status = stat()
        #expect(fstat(STDERR_FILENO, &status) == 0)
        #expect(JournalStream.isConnected(to: STDERR_FILENO, named: "\(status.st_dev):\(status.st_ino)"))
        for name in [nil, "", "1", "\(status.st_dev):\(status.st_ino + 1)", "\(status.st_dev):x", "\(status.st_dev):\(status.st_ino):0"] {
            #expect(!JournalStream.isConnected(to: STDERR_FILENO, named: name), "\(name ?? "none")")
        }
        #expect(JournalStream.Level.warning.prefix == "<4>")
    }
}
