import Glibc
import RMCPContent

/// Users and groups of this host, by name and by number.
enum Accounts {
    /// Bytes for an entry of the user database; a group's has all its members.
    private static let entryLength = 1 << 16
    /// Bytes that a name in a catalog may have.
    private static let nameLengths = 1...CatalogLimits.nameLength

    static func user(_ name: [UInt8]) -> uid_t? {
        var entry = unsafe passwd()
        var result: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: entryLength)
        let code = unsafe getpwnam_r(name.map { CChar(bitPattern: $0) } + [0], &entry, &buffer, buffer.count, &result)
        return unsafe code == 0 && result != nil ? entry.pw_uid : nil
    }

    static func group(_ name: [UInt8]) -> gid_t? {
        var entry = unsafe Glibc.group()
        var result: UnsafeMutablePointer<Glibc.group>?
        var buffer = [CChar](repeating: 0, count: entryLength)
        let code = unsafe getgrnam_r(name.map { CChar(bitPattern: $0) } + [0], &entry, &buffer, buffer.count, &result)
        return unsafe code == 0 && result != nil ? entry.gr_gid : nil
    }

    static func userName(_ number: UInt32) -> [UInt8]? {
        var entry = unsafe passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: entryLength)
        guard unsafe getpwuid_r(number, &entry, &buffer, buffer.count, &found) == 0, unsafe found != nil, let name = unsafe entry.pw_name
        else { return nil }
        return unsafe bytes(name)
    }

    static func groupName(_ number: UInt32) -> [UInt8]? {
        var entry = unsafe Glibc.group()
        var found: UnsafeMutablePointer<Glibc.group>?
        var buffer = [CChar](repeating: 0, count: entryLength)
        guard unsafe getgrgid_r(number, &entry, &buffer, buffer.count, &found) == 0, unsafe found != nil, let name = unsafe entry.gr_name
        else { return nil }
        return unsafe bytes(name)
    }

    private static func bytes(_ name: UnsafePointer<CChar>) -> [UInt8]? {
        let bytes = unsafe Array(UnsafeRawBufferPointer(start: name, count: strlen(name)))
        return nameLengths.contains(bytes.count) ? bytes : nil
    }
}
