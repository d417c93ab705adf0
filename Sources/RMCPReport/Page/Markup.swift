import RMCPProtocol

/// Text in HTML, whoever it comes from.
enum Markup {
    /// Characters that HTML reads as its own, written out.
    static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// The same of a text that somebody else may have had a part in: neither control characters nor any that turn text around.
    static func text(_ text: String) -> String {
        escaped(String(String.UnicodeScalarView(text.unicodeScalars.map { BundleName.isPrintable($0) ? $0 : "?" })))
    }

    /// The same of a name, which is short.
    static func name(_ text: String) -> String { "<bdi>\(escaped(BundleName.printable(text)))</bdi>" }

    /// Advice of this module: options are not broken at their hyphens.
    static func advice(_ text: String) -> String {
        text.split(separator: " ").map { $0.contains("--") ? "<span class=\"option\">\($0)</span>" : String($0) }.joined(separator: " ")
    }

    /// A number as SVG and CSS have it: two decimals at most.
    static func number(_ value: Double) -> String {
        guard value.isFinite else { return "0" }
        var text = Units.fixed(value, digits: 2)
        while text.hasSuffix("0") { text.removeLast() }
        if text.hasSuffix(".") { text.removeLast() }
        return text
    }

    /// JSON inside of a script element: nothing in it can end that, or turn the text around for whoever reads the source.
    static func embedded(json: String) -> String {
        var result = ""
        for scalar in json.unicodeScalars {
            switch scalar {
            case "<", ">", "&", "\u{61C}", "\u{200E}", "\u{200F}", "\u{2028}"..."\u{202E}", "\u{2066}"..."\u{2069}":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
