import Glibc
import RMCPHost
import RMCPReport

/// Abilities of the terminal, as its user and its variables say.
enum Terminal {
    /// Whether and when to write bold, faint and in colours.
    enum Color: String, Sendable, CaseIterable {
        case auto
        case always
        case never
    }

    /// A terminal that can only write one line below the other, such as one inside an editor.
    static func isDumb(_ environment: (String) -> String?) -> Bool { environment("TERM") == "dumb" }

    /// Whether it shows UTF-8: the first of the three that is set decides (POSIX, locale).
    static func isUnicode(_ environment: (String) -> String?) -> Bool {
        let name = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap(environment).first { !$0.isEmpty } ?? ""
        let lower = name.lowercased()
        return lower.contains("utf-8") || lower.contains("utf8")
    }

    /// - Parameter isTerminal: whether what is written goes to one.
    static func hasColor(_ wish: Color, isTerminal: Bool, _ environment: (String) -> String?) -> Bool {
        switch wish {
        case .always: return true
        case .never: return false
        case .auto: break
        }
        // Any value but none at all (no-color.org); whoever forces colours means it.
        if environment("NO_COLOR").map({ !$0.isEmpty }) ?? false { return false }
        if let force = environment("CLICOLOR_FORCE"), !force.isEmpty, force != "0" { return true }
        return isTerminal && !isDumb(environment)
    }

    static func style(_ color: Color) -> ScreenStyle {
        ScreenStyle(isUnicode: isUnicode(SystemText.variable), hasColor: hasColor(color, isTerminal: Console.isTerminal, SystemText.variable))
    }
}
