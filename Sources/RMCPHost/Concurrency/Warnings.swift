/// Remembers what the user has been told, so that it is said once however often it happens.
struct Warnings {
    private var told: Set<String> = []

    /// Whether this is news. Names of bundles may be in it: all is forgotten before it becomes much.
    mutating func isNew(_ text: String) -> Bool {
        if told.count >= HostLimits.rememberedWarnings { told.removeAll() }
        return told.insert(text).inserted
    }
}
