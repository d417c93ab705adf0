/// How much is said, and to whom.
struct OutputStyle {
    var isJSON: Bool
    var isQuiet: Bool
    var isVerbose: Bool
}
