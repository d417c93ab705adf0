import RMCPReport

/// How much is said, and to whom.
struct OutputStyle {
    var isJSON: Bool
    var isQuiet: Bool
    var isVerbose: Bool

    /// Something that the user should know: a line for him, or for his program.
    func warn(_ text: String) { if isJSON { Console.event(.warning(text)) } else { Console.warning(text) } }
}
