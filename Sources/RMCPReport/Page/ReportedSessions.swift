internal import FoundationEssentials

/// The sessions that a file of lines tells of, of which one is wished for. A file that several sends have written to has them one after
/// another, and may have more than there is memory for: two of them are kept.
public struct ReportedSessions: Sendable {
    private enum Wish {
        case newest
        /// From 1 on.
        case number(Int)
        case id(beginning: String)
    }

    private let wish: Wish
    /// Sessions so far.
    public private(set) var count = 0
    private(set) var newest: TransferReport?
    /// The last one before it that is what is wished for.
    private(set) var found: (report: TransferReport, number: Int)?
    /// Lines that are no events of a send, whatever they are.
    public private(set) var skippedLines = 0
    /// Events of other commands.
    private var foreignEvents = 0
    /// A command that events are of, other than `send`.
    private var foreignCommand: String?

    /// Digits from which on a number is the beginning of an id: so many are shown of one elsewhere.
    private static let digitsOfID = 8

    /// - Parameter wish: a number from 1 on, or the beginning of an id, 8 digits of it or one that is no number; nil for the last one.
    public init(wish: String? = nil) {
        guard let wish else {
            self.wish = .newest
            return
        }
        if let number = Int(wish), wish.utf8.count < Self.digitsOfID { self.wish = .number(number) } else { self.wish = .id(beginning: wish.lowercased()) }
    }

    private func isWished(_ report: TransferReport, _ number: Int) -> Bool {
        switch wish {
        case .newest: number == count
        case .number(let wished): number == wished
        case .id(let beginning): !beginning.isEmpty && report.sessionID.hasPrefix(beginning)
        }
    }

    private mutating func begin() {
        if let newest, isWished(newest, count) { found = (newest, count) }
        count += 1
        newest = TransferReport()
    }

    /// Takes in a line.
    public mutating func note(line: String) {
        guard let event = try? JSONDecoder().decode(SendEvent.self, from: Data(line.utf8)) else {
            skippedLines += 1
            newest?.noteSkipped()
            return
        }
        if let command = event.command, command != "send" {
            foreignEvents += 1
            foreignCommand = command
            return
        }
        // A send alone is ready, and the others alone listen.
        if event.event == "listening" { return foreignEvents += 1 }
        if event.event == "ready" || newest == nil && event.isOfSend { begin() }
        if newest == nil { foreignEvents += 1 }
        newest?.note(event)
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

    /// - Returns: the report that is wished for, and its number.
    public func choose() throws(Objection) -> (report: TransferReport, number: Int) {
        guard let newest else { throw foreignEvents > 0 ? .ofOthers(foreignCommand) : .nothing }
        if isWished(newest, count) { return (newest, count) }
        guard let found else { throw .noSuchSession(count: count) }
        return found
    }
}
