import ArgumentParser
import RMCPHost
import RMCPReport

/// Colours of what is drawn on a terminal.
struct ColorOptions: OptionGroupDeclaration {
    static let color = Setting(
        "color", .color, "when", default: "auto", completion: .list(["auto", "always", "never"]),
        "Whether to draw in bold and colours: auto, which looks at the terminal, NO_COLOR and CLICOLOR_FORCE; always; or never (default: auto).")
    static let declared = [color.entry]

    @Option(Self.color) var color: String?

    func style(_ settings: Settings) throws(HostError) -> ScreenStyle { Terminal.style(try settings.inForce(Self.color, color)) }
}
