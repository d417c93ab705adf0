import RMCPHost
import RMCPProtocol
import RMCPReport

/// The view of a send on a terminal: its picture, and what keys do with it.
final class SendScreen {
    private var screen = LiveScreen()
    private let style: ScreenStyle
    private let hasKeys: Bool
    private var history = RateHistory()
    private var name = ""
    /// Lines that were said while the view was shown. It stays on the terminal when the view has gone.
    private var messages: [String] = []
    private var omitted = 0
    private var isFrozen = false
    private var isHelpShown = false
    private var frozen: SendView.Picture?
    private var isLeft = false

    private static let messageLimit = 200

    init(style: ScreenStyle) {
        self.style = style
        hasKeys = TerminalMode.askForKeys()
    }

    /// Whether it is shown: until somebody leaves it.
    var isShown: Bool { !isLeft }

    func begin(name: String) { self.name = name }

    /// Something that is said; nothing is lost of it.
    func say(_ text: String) {
        if messages.count < Self.messageLimit { messages.append(text) } else { omitted += 1 }
    }

    func show(_ snapshot: SendSnapshot) {
        history.note(snapshot.counters.bytesSent, at: snapshot.elapsed)
        for key in TerminalMode.keys() { press(key) }
        guard !isLeft else { return close() }
        var picture = SendView.Picture(snapshot: snapshot, name: name, history: history, hasKeys: hasKeys)
        if isFrozen {
            picture = frozen ?? picture
            picture.isFrozen = true
            frozen = picture
        } else {
            frozen = nil
        }
        picture.messages = messages
        picture.isHelpShown = isHelpShown
        // The last column: behind a character there nothing can be cleared without it.
        let size = Console.size
        screen.show(SendView(picture, width: size.columns - 1, height: size.rows, style: style).lines())
    }

    private func press(_ key: UInt8) {
        switch key {
        case UInt8(ascii: "q"), UInt8(ascii: "Q"): isLeft = true
        case UInt8(ascii: " "): isFrozen.toggle()
        case UInt8(ascii: "?"), UInt8(ascii: "h"): isHelpShown.toggle()
        default: break
        }
    }

    /// Gives the terminal back, and says there what was said meanwhile.
    func close() {
        screen.close()
        isLeft = true
        for text in messages { Console.line(text) }
        if omitted > 0 { Console.line("and \(Units.count(UInt64(omitted), "line")) more") }
        messages = []
        omitted = 0
    }
}
