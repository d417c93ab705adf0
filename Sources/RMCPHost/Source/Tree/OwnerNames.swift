import Glibc
import RMCPContent

/// Names of users and groups, each asked for once: a directory service may take milliseconds for one.
struct OwnerNames {
    private let choice: TreeSelection.Owners
    private var users: [UInt32: [UInt8]?] = [:]
    private var groups: [UInt32: [UInt8]?] = [:]

    init(_ choice: TreeSelection.Owners) { self.choice = choice }

    /// Nil where nobody wants to know. An owner that cannot be one, 2^32 - 1, is taken for nobody of 65534.
    mutating func owner(_ status: stat) -> CatalogOwner? {
        guard choice != .none else { return nil }
        let (user, group) = (Self.valid(status.st_uid), Self.valid(status.st_gid))
        guard choice == .names else { return CatalogOwner(user: user, group: group) }
        let userName = users[user] ?? Accounts.userName(user)
        let groupName = groups[group] ?? Accounts.groupName(group)
        users[user] = .some(userName)
        groups[group] = .some(groupName)
        return CatalogOwner(user: user, group: group, userName: userName, groupName: groupName)
    }

    private static let nobody: UInt32 = 65_534
    private static func valid(_ number: UInt32) -> UInt32 { number == .max ? nobody : number }
}
