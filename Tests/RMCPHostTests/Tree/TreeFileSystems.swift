import Dispatch
import Foundation

@testable import RMCPHost

/// A disk without room, or without inodes.
final class FullFiles: FileSystem, @unchecked Sendable {
    var blocks: UInt = .max
    var inodes: UInt = .max
    override func space(of descriptor: Int32) -> statvfs? {
        guard var space = super.space(of: descriptor) else { return nil }
        (space.f_bfree, space.f_bavail) = (min(space.f_bfree, blocks), min(space.f_bavail, blocks))
        (space.f_ffree, space.f_favail) = (min(space.f_ffree, inodes), min(space.f_favail, inodes))
        return space
    }
}

/// A disk on which one write takes as long as a test wants.
final class StallingFiles: FileSystem, @unchecked Sendable {
    /// Error of that write; 0 makes it.
    private let code: Int32
    private let isArmed = LockedValue(false)
    private let begun = DispatchSemaphore(value: 0)
    private let wanted = DispatchSemaphore(value: 0)

    init(code: Int32 = 0) { self.code = code }

    /// The next write waits.
    func arm() { isArmed.withLock { $0 = true } }
    /// Waits until it does.
    func waitForWrite() -> Bool { begun.wait(timeout: .now() + 10) == .success }
    /// Lets it go on.
    func letGo() { wanted.signal() }

    override func write(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int, at offset: Int) -> Int {
        let isFirst = isArmed.withLock { isArmed in
            defer { isArmed = false }
            return isArmed
        }
        guard isFirst else { return super.write(descriptor, bytes, count, at: offset) }
        begun.signal()
        wanted.wait()
        guard code != 0 else { return super.write(descriptor, bytes, count, at: offset) }
        errno = code
        return -1
    }
}
