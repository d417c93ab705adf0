/// A receiver that failed, by the name that its own user has given it for this: without one, receivers are counted and never named.
public struct FailureLabel: Hashable, Sendable {
    /// 1 to 63 bytes without control characters.
    public let text: String
    /// State in which it failed.
    public let state: ReceiverState

    /// Bytes of a label's text.
    public static let maximumLength = 63

    /// Nil for a text that is no label, and for a state that is no failure.
    public init?(_ text: String, _ state: ReceiverState) {
        guard state.isFailure, Self.isLabel(text) else { return nil }
        self.text = text
        self.state = state
    }

    /// Tells a label from other texts: 1...63 bytes of UTF-8, all of them printable (`BundleName.isPrintable`).
    public static func isLabel(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= maximumLength && BundleName.printable(text).utf8.elementsEqual(text.utf8)
    }

    /// Labels in the order of their texts, as bytes.
    static func < (left: FailureLabel, right: FailureLabel) -> Bool {
        left.text.utf8.elementsEqual(right.text.utf8)
            ? left.state.rawValue < right.state.rawValue : left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
    }

    // MARK: On the wire

    /// Bytes of a STATUS that labels may take: those that do not fit are left out, and their receivers counted like all others.
    static let listLength = 512
    /// State and length.
    private static let entryPrefixLength = 2

    /// The number of entries (1 byte), and for each its state (1), its length (1) and its text.
    /// - Parameter room: bytes that the datagram has left.
    static func write(_ labels: [FailureLabel], room: Int, to writer: inout ByteWriter) {
        var room = min(listLength, room) - 1
        var fitting: [FailureLabel] = []
        for label in labels {
            let length = entryPrefixLength + label.text.utf8.count
            guard length <= room, fitting.count < Int(UInt8.max) else { break }
            room -= length
            fitting.append(label)
        }
        writer.writeUInt8(UInt8(fitting.count))
        for label in fitting {
            writer.writeUInt8(label.state.rawValue)
            writer.writeUInt8(UInt8(label.text.utf8.count))
            writer.writeArray(Array(label.text.utf8))
        }
    }

    static func read(from reader: inout ByteReader) throws(WireError) -> [FailureLabel] {
        let start = reader.offset
        var labels: [FailureLabel] = []
        for _ in 0..<(try reader.readUInt8()) {
            let state = ReceiverState(rawValue: try reader.readUInt8())
            let bytes = try reader.readArray(count: Int(try reader.readUInt8()))
            guard let state, let text = String(validating: bytes, as: UTF8.self), let label = FailureLabel(text, state) else { throw .invalidField("label") }
            labels.append(label)
        }
        guard reader.offset - start <= listLength else { throw .invalidField("labels") }
        return labels
    }
}
