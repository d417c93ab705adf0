internal import FoundationEssentials

/// The sessions that a file of lines tells of. A file that several sends have written to has them one after another.
public struct ReportedSessions: Sendable {
    private var sessions: [TransferReport] = []
    /// Lines that are no events of a send, whatever they are.
    public private(set) var skippedLines = 0
    /// Events of other commands.
    private var foreignEvents = 0
    /// A command that events are of, other than `send`.
    private var foreignCommand: String?

    public init() {}

    public var count: Int { sessions.count }

    /// Takes in a line.
    public mutating func note(line: String) {
        guard let event = try? JSONDecoder().decode(SendEvent.self, from: Data(line.utf8)) else {
            skippedLines += 1
            sessions.indices.last.map { sessions[$0].noteSkipped() }
            return
        }
        if let command = event.command, command != "send" {
            foreignEvents += 1
            foreignCommand = command
            return
        }
        // A send alone is ready, and the others alone listen.
        if event.event == "listening" { return foreignEvents += 1 }
        if event.event == "ready" { sessions.append(TransferReport()) }
        guard let last = sessions.indices.last else {
            if event.isOfSend { sessions.append(TransferReport()) } else { foreignEvents += 1 }
            sessions.indices.last.map { sessions[$0].note(event) }
            return
        }
        sessions[last].note(event)
    }

    /// Why there is no report.
    public enum Objection: Error, Sendable {
        /// File without an event.
        case nothing
        /// Events, but of another command, where it says which.
        case ofOthers(String?)
        /// Number or id of a session that is not among so many.
        case noSuchSession(count: Int)
    }

    /// Digits from which on a number is the beginning of an id: so many are shown of one elsewhere.
    private static let digitsOfID = 8

    /// - Parameter wish: a number from 1 on, or the beginning of an id, 8 digits of it or one that is no number; nil for the last one.
    /// - Returns: the report, and its number.
    public func choose(_ wish: String?) throws(Objection) -> (report: TransferReport, number: Int) {
        guard let last = sessions.last else { throw foreignEvents > 0 ? .ofOthers(foreignCommand) : .nothing }
        guard let wish else { return (last, sessions.count) }
        if let number = Int(wish), wish.utf8.count < Self.digitsOfID {
            guard sessions.indices.contains(number - 1) else { throw .noSuchSession(count: sessions.count) }
            return (sessions[number - 1], number)
        }
        let found = sessions.indices.filter { !wish.isEmpty && sessions[$0].sessionID.hasPrefix(wish.lowercased()) }
        guard let index = found.last else { throw .noSuchSession(count: sessions.count) }
        return (sessions[index], index + 1)
    }
}
