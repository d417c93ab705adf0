import Glibc
import RMCPContent

/// Names of users and groups, each asked for once: a directory service may take milliseconds for one.
struct OwnerNames {
    private let choice: TreeSelection.Owners
    private var users: [UInt32: [UInt8]?] = [:]
    private var groups: [UInt32: [UInt8]?] = [:]
    /// Bytes for an entry of the user database; a group's has all its members.
    private static let entryLength = 1 << 16

    init(_ choice: TreeSelection.Owners) { self.choice = choice }

    /// Nil where nobody wants to know. An owner that cannot be one, 2^32 - 1, is taken for nobody of 65534.
    mutating func owner(_ status: stat) -> CatalogOwner? {
        guard choice != .none else { return nil }
        let (user, group) = (Self.valid(status.st_uid), Self.valid(status.st_gid))
        guard choice == .names else { return CatalogOwner(user: user, group: group) }
        let userName = users[user] ?? Self.userName(user)
        let groupName = groups[group] ?? Self.groupName(group)
        users[user] = .some(userName)
        groups[group] = .some(groupName)
        return CatalogOwner(user: user, group: group, userName: userName, groupName: groupName)
    }

    private static let nobody: UInt32 = 65_534
    private static func valid(_ number: UInt32) -> UInt32 { number == .max ? nobody : number }

    private static func userName(_ number: UInt32) -> [UInt8]? {
        var entry = unsafe passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: entryLength)
        guard unsafe getpwuid_r(number, &entry, &buffer, buffer.count, &found) == 0, unsafe found != nil, let name = unsafe entry.pw_name
        else { return nil }
        return unsafe bytes(name)
    }

    private static func groupName(_ number: UInt32) -> [UInt8]? {
        var entry = unsafe Glibc.group()
        var found: UnsafeMutablePointer<Glibc.group>?
        var buffer = [CChar](repeating: 0, count: entryLength)
        guard unsafe getgrgid_r(number, &entry, &buffer, buffer.count, &found) == 0, unsafe found != nil, let name = unsafe entry.gr_name
        else { return nil }
        return unsafe bytes(name)
    }

    private static func bytes(_ name: UnsafePointer<CChar>) -> [UInt8]? {
        let bytes = unsafe Array(UnsafeRawBufferPointer(start: name, count: strlen(name)))
        return (1...CatalogLimits.nameLength).contains(bytes.count) ? bytes : nil
    }
}
