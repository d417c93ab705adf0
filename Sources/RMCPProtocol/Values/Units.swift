/// Rates are in bits per second, lengths in bytes.
enum Units {
    static let bitsPerByte = 8.0
}
