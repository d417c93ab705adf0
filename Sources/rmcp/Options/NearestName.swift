/// Finds what was meant by a misspelt name.
enum NearestName {
    /// Letters that may be wrong, missing, too many, or swapped with their neighbour. More would guess.
    private static let maximumDistance = 2

    /// The nearest of `names`, the first of several; nil when none is near.
    static func of(_ name: String, in names: [String]) -> String? {
        let distances = names.map { (name: $0, distance: distance(name, $0)) }
        // Of a short name hardly anything would be left.
        let limit = min(maximumDistance, name.count / 2)
        return distances.filter { $0.distance <= limit }.min { $0.distance < $1.distance }?.name
    }

    /// Damerau and Levenshtein's distance, by optimal string alignment: insertions, deletions, substitutions and swaps of
    /// neighbours. Hyphens and underscores are the same: one is always written for the other.
    static func distance(_ first: String, _ second: String) -> Int {
        let a = first.map { $0 == "_" ? "-" : $0 }
        let b = second.map { $0 == "_" ? "-" : $0 }
        var rows = [Array(0...b.count)]
        for i in 0..<a.count {
            var row = [i + 1]
            for j in 0..<b.count {
                var cost = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, rows[i - 1][j - 1] + 1) }
                row.append(cost)
            }
            rows.append(row)
        }
        return rows[a.count][b.count]
    }
}
