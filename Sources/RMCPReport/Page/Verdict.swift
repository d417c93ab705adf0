import RMCPProtocol

/// End of a send, in a sentence with numbers.
struct Verdict {
    enum Kind: String {
        case good
        case partial
        case bad
    }

    let kind: Kind
    /// A word or three.
    let headline: String
    let sentence: String

    init(_ report: TransferReport) {
        let size = Self.size(of: report)
        let (complete, came) = (report.complete, report.came)
        let time = Units.time(.seconds(report.end?.streaming ?? report.end?.seconds ?? 0))
        let all = complete == came ? came == 1 ? "its one receiver" : "all \(came) receivers" : "\(complete) of \(Units.count(came, "receiver"))"
        let reached = "\(size) reached \(all) in \(time)."
        let missing = Self.missing(report)
        switch report.outcome {
        case "complete": (kind, headline, sentence) = (.good, "Complete", [reached, missing, Self.cost(report)].joined())
        case "partial": (kind, headline, sentence) = (.partial, "Partly complete", [reached, missing, Self.cost(report)].joined())
        case "nobody_came":
            let waited = Units.time(.seconds(report.end?.seconds ?? 0))
            (kind, headline, sentence) = (.bad, "Nobody came", "No receiver joined in \(waited), so nothing was sent.")
        case "refused":
            let refused = report.end?.refused.reduce(0, &+) ?? 0
            (kind, headline) = (.bad, "Refused")
            sentence = "Nobody took it: \(Units.count(refused, "receiver")) refused, and no other came."
        case "no_progress":
            (kind, headline, sentence) = (.bad, "No receiver is complete", "All \(Units.count(came, "receiver")) that came were lost.\(missing)")
        case "stopped", "failed":
            let isStopped = report.outcome == "stopped" && (report.error == nil || report.exitCode == 130)
            kind = .bad
            headline = isStopped ? "Stopped" : "Failed"
            let part = Self.part(report)
            sentence =
                "It was \(isStopped ? "stopped" : "ended by an error") after \(time), with \(part) sent and \(all) complete. Receivers keep what they have."
        default:
            kind = report.error == nil ? .partial : .bad
            headline = report.error == nil ? "Not over" : "Failed"
            sentence = "The record ends after \(time), with \(Self.part(report)) sent and \(all) complete."
        }
    }

    private static func size(of report: TransferReport) -> String {
        let amount = Units.size(report.files?.bytes ?? report.contentLength ?? report.end?[.content] ?? 0)
        return report.files.map { "\(Units.count($0.count, "file")) (\(amount))" } ?? amount
    }

    private static func part(_ report: TransferReport) -> String {
        let sent = report.end?[.content] ?? 0
        guard let length = report.contentLength, length > 0 else { return Units.size(sent) }
        let share = Units.percent(Double(sent) / Double(length))
        return report.files?.bytes.map { "\(share) of \(Units.size($0))" } ?? "\(Units.size(sent)) of \(Units.size(length)) (\(share))"
    }

    private static func missing(_ report: TransferReport) -> String {
        guard let end = report.end else { return "" }
        var parts: [String] = []
        let active = end.population - end.failed - end.count(.complete)
        if active > 0 { parts.append("\(active) \(active == 1 ? "was" : "were") not done") }
        if end.failed > 0 { parts.append("\(end.failed) failed or were lost") }
        if report.unaccounted > 0 { parts.append("\(report.unaccounted) went below a repair node that never reported") }
        let refused = end.refused.reduce(0, &+)
        if refused > 0 { parts.append("\(refused) refused") }
        if let wanted = report.wanted, wanted > report.came {
            parts.append("\(wanted - report.came) that \(wanted - report.came == 1 ? "was" : "were") waited for did not come")
        }
        guard !parts.isEmpty else { return "" }
        let text = parts.joined(separator: ", ")
        return " " + text.prefix(1).uppercased() + text.dropFirst() + "."
    }

    private static func cost(_ report: TransferReport) -> String {
        guard let end = report.end, end[.wire] > 0 else { return "" }
        let sent = " \(Units.size(end[.wire])) left the sender"
        guard let saved = report.saved, saved >= worthSaying else { return sent + "." }
        let copies = Units.size((report.contentLength ?? end[.content]) &* report.complete)
        return "\(sent) in place of \(copies) for single copies: \(Units.fixed(saved, digits: saved < 10 ? 1 : 0)) times less."
    }

    /// Times from which saving is worth a word.
    private static let worthSaying = 1.05
}

extension TransferReport {
    /// Bytes of as many single copies as there are complete receivers, for one byte that was sent; nil where nothing was.
    var saved: Double? {
        guard let end, end[.wire] > 0, complete > 0 else { return nil }
        return Double(contentLength ?? end[.content]) * Double(complete) / Double(end[.wire])
    }
}

/// Causes that a send waited for, and what would have made it faster.
struct LimitText {
    let name: String
    let advice: String

    init?(_ name: String, level: Int?) {
        guard let limit = SendLimit(rawValue: name) else { return nil }
        (self.name, advice) = Self.text(of: limit, level: level)
    }

    private static func text(of limit: SendLimit, level: Int?) -> (name: String, advice: String) {
        switch limit {
        case .start:
            ("Waiting for receivers", "Before the start. With --wait-for N it begins as soon as N are there; --min-wait and --max-wait bound the wait.")
        case .source:
            (
                "Reading and compressing",
                level == 0
                    ? "Chunks were not read in time. A faster disk at the sender would help."
                    : "Chunks were not ready in time. A lower --level, more cores or a faster disk at the sender would help."
            )
        case .host:
            (
                "The sender's own machine",
                "It sent much less than it might have, and neither source nor network was in the way: look at what else its processors do."
            )
        case .cap:
            ("The rate that was set", "It was sent as fast as --rate or --max-rate allows, and nothing else was in the way.")
        case .growth:
            ("Finding the rate", "Nothing was in the way yet: the rate was still rising. Where the path is known, --rate begins with what it carries.")
        case .path:
            ("The network", "Datagrams queued on their way: the path carried no more. Only a faster link would help.")
        case .loss:
            ("Loss", "Datagrams were lost. Look at cables, wireless links and switches on the way, and at the receivers' net.core.rmem_max.")
        case .rivals:
            ("Other traffic", "It shared the path with others, and left them their part.")
        case .receivers:
            ("Slow receivers", "Receivers were overrun or had fallen behind. Look at their processors, and at net.core.rmem_max.")
        case .storage:
            ("Disks of receivers", "Disks did not take it as fast as the network brought it.")
        case .repairs:
            (
                "The last repairs",
                "All had been sent once, and some still lacked something or were writing. A repair node near those who lose most would help; --until repair lets the sender leave."
            )
        case .linger:
            ("Staying and leaving", "It stayed for latecomers (--linger), and told whoever listens that it leaves.")
        }
    }
}
