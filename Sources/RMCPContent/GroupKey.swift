import Crypto
import FoundationEssentials
import RMCPProtocol

/// The key that a group shares: whoever has it reads what is sealed for the group, and may speak in it.
///
/// Nothing is sealed or authenticated with it itself: each use has a key of its own, derived by HKDF-SHA256 (RFC 5869)
/// (docs/protocol.md, "Sealed sessions").
public struct GroupKey: Sendable {
    let bytes: Bytes32
    fileprivate static let label = "rmcp-group-key"

    /// A new key from the system's random numbers.
    public init() { bytes = .random() }

    init(bytes: Bytes32) { self.bytes = bytes }

    /// For nodes that verify and keep what is sealed and do not read it.
    public var control: ControlKey { ControlKey(bytes: Self.derive(bytes, salt: [], "rmcp control v1", count: 1)[0]) }

    /// The text of its file.
    public var fileText: String {
        "# Group key of rmcp. Keep it secret: whoever has it can read everything that is sealed for the group.\n"
            + "\(Self.label) \(Data(bytes.bytes).base64EncodedString())\n"
    }

    /// Keys of one session, by the salt that its ANNOUNCE has.
    func sessionKeys(of session: SessionID, salt: Bytes32) -> SessionKeys {
        var info = "rmcp session v1 "
        info += session.text
        let keys = Self.derive(bytes, salt: salt.bytes, info, count: 4)
        return SessionKeys(content: keys[0], nonce: keys[1], mask: keys[2], details: keys[3])
    }

    /// The same in all sessions of the group, so that what is here from before is known again.
    var digester: ContentDigester {
        let keys = Self.derive(bytes, salt: [], "rmcp content digest v1", count: 2)
        return ContentDigester(code: keys[0], digest: keys[1])
    }

    private static func derive(_ key: Bytes32, salt: [UInt8], _ info: String, count: Int) -> [Bytes32] {
        let derived = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: key.bytes), salt: salt, info: Array(info.utf8), outputByteCount: 32 * count)
        let bytes = unsafe derived.withUnsafeBytes { unsafe Array($0) }
        return (0..<count).map { Bytes32(bytes: bytes[32 * $0..<32 * $0 + 32]) ?? .zero }
    }
}

/// Keys of a sealed session, one for each use.
struct SessionKeys {
    var content: Bytes32
    var nonce: Bytes32
    var mask: Bytes32
    var details: Bytes32
}

/// The key by which a group's packets are authenticated. It is derived from the group's key, which it does not tell:
/// repair nodes need no more.
public struct ControlKey: Sendable {
    let bytes: Bytes32
    fileprivate static let label = "rmcp-group-control-key"

    init(bytes: Bytes32) { self.bytes = bytes }

    /// The text of its file.
    public var fileText: String {
        "# Control key of a group of rmcp, for repair nodes: they take part in the group's sessions and cannot read them.\n"
            + "\(Self.label) \(Data(bytes.bytes).base64EncodedString())\n"
    }

    /// Length of `code(for:)`, bytes.
    public static let codeLength = 16

    /// The authentication code of a message: the first 16 bytes of BLAKE3 in its keyed mode, as two big-endian words.
    public func code(for message: UnsafeRawBufferPointer) -> (UInt64, UInt64) {
        let code = unsafe BLAKE3Digest.keyed(bytes, message)
        return (code.a, code.b)
    }
}

/// Key in the file of `--group-key`.
public enum GroupKeyFile: Sendable {
    /// The group's key: its holder reads what is sealed.
    case group(GroupKey)
    /// The control key: its holder, such as a repair node, does not.
    case control(ControlKey)

    /// Reads the first line that is neither empty nor a comment (#). Throws `.invalidKey` for any but a key of 32 bytes that are not all zero.
    public init(parsing text: String) throws(ContentError) {
        for line in text.split(whereSeparator: \.isNewline) where !line.hasPrefix("#") {
            let words = line.split(separator: " ")
            guard words.count >= 2, let data = Data(base64Encoded: String(words[1])), let bytes = Bytes32(bytes: data), bytes != .zero else { break }
            switch words[0] {
            case GroupKey.label: self = .group(GroupKey(bytes: bytes))
            case ControlKey.label: self = .control(ControlKey(bytes: bytes))
            default: throw Self.refusal
            }
            return
        }
        throw Self.refusal
    }

    private static let refusal = ContentError.invalidKey("not an rmcp group key; make one with: rmcp keygen --group -o FILE")

    /// Control key, derived from the group's where that is what the file has.
    public var control: ControlKey {
        switch self {
        case .group(let key): key.control
        case .control(let key): key
        }
    }

    /// Nil for a control key.
    public var group: GroupKey? { if case .group(let key) = self { key } else { nil } }
}

extension Bytes32 {
    /// From the system's random numbers.
    static func random() -> Bytes32 { Bytes32(.random(in: 0...(.max)), .random(in: 0...(.max)), .random(in: 0...(.max)), .random(in: 0...(.max))) }
}
