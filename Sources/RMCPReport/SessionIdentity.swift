import RMCPProtocol

extension Announce {
    /// Fields of a line that is about this session.
    func identity(with more: [String: JSONLine.Value]) -> [String: JSONLine.Value] {
        more.merging(["name": .string(name), "session": .string(session.text)]) { first, _ in first }
    }
}
