import CLinux
import Glibc
import RMCPContent

/// Reads extended attributes of what is sent: those that mean the same elsewhere, unless all are asked for.
struct AttributeReader {
    private let choice: TreeSelection.Attributes
    private let isRoot = geteuid() == 0
    /// File systems that have none: asking each file would take as long as everything else.
    private var deviceWithout: dev_t?
    private var list = [UInt8](repeating: 0, count: CatalogLimits.attributesLength)
    private var value = [UInt8](repeating: 0, count: CatalogLimits.attributesLength)
    /// Bytes that are offered first. The kernel allocates as much as it is offered, with each call: 64 KiB are a tenth of a walk's time.
    private static let firstLength = 256

    init(_ choice: TreeSelection.Attributes) { self.choice = choice }

    /// Nil with `errno` where they cannot be read, E2BIG where they are more than a catalog holds.
    mutating func attributes(of descriptor: Int32, on device: dev_t) -> [CatalogAttribute]? {
        guard choice != .none, device != deviceWithout else { return [] }
        var length = unsafe flistxattr(descriptor, &list, Self.firstLength)
        if length < 0, errno == ERANGE { length = unsafe flistxattr(descriptor, &list, list.count) }
        guard length >= 0 else {
            guard errno == ENOTSUP else { return nil }
            deviceWithout = device
            return []
        }
        var found: [CatalogAttribute] = []
        var sum = 0
        for name in list[..<length].split(separator: 0) where isWanted(Array(name)) {
            let kernelName = name.map { CChar(bitPattern: $0) } + [0]
            var size = unsafe fgetxattr(descriptor, kernelName, &value, Self.firstLength)
            if size < 0, errno == ERANGE { size = unsafe fgetxattr(descriptor, kernelName, &value, value.count) }
            if size < 0, errno == ENODATA { continue }
            guard size >= 0 else { return nil }
            sum += name.count + size
            guard size <= UInt16.max, sum <= CatalogLimits.attributesLength else {
                errno = E2BIG
                return nil
            }
            found.append(CatalogAttribute(name: Array(name), value: Array(value[..<size])))
        }
        return found
    }

    private static let user = Array("user.".utf8)
    private static let accessList = Array("system.posix_acl_access".utf8)
    private static let defaultList = Array("system.posix_acl_default".utf8)
    private static let capability = Array("security.capability".utf8)

    private func isWanted(_ name: [UInt8]) -> Bool {
        guard name.count <= CatalogLimits.nameLength else { return false }
        if choice == .all { return true }
        return name.starts(with: Self.user) || name == Self.accessList || name == Self.defaultList || (isRoot && name == Self.capability)
    }
}
