/// Definition of all lines of `--json`, as JSON Schema: what `rmcp help json` prints.
enum EventHelp {
    static let arguments = ["help", "json"]

    /// Text without the last line break.
    static var text: String { String(decoding: PackageResources.events_schema_json.dropLast(), as: UTF8.self) }
}
