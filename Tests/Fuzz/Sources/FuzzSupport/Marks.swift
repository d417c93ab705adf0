package import RMCPProtocol
import TestSupport

/// Takes as signed what was signed, and nothing else.
package struct GenuineVerifier: MessageVerifier {
    private let messages: Set<[UInt8]>

    package init(messages: Set<[UInt8]>) { self.messages = messages }

    package func isValid(_ signature: Signature, for message: [UInt8], by key: PublicKey) -> Bool {
        key == MarkSigner.key && signature == MarkSigner.mark && messages.contains(message)
    }
}

/// Signs for the honest, and takes as signed what it has signed itself: nobody else can.
package final class Notary: MessageSigner, MessageVerifier, @unchecked Sendable {
    /// libFuzzer has one thread.
    private var messages: Set<[UInt8]> = []
    package let publicKey = MarkSigner.key

    package init() {}

    package func signature(for message: [UInt8]) -> Signature {
        messages.insert(message)
        return MarkSigner.mark
    }

    package func isValid(_ signature: Signature, for message: [UInt8], by key: PublicKey) -> Bool {
        key == MarkSigner.key && signature == MarkSigner.mark && messages.contains(message)
    }
}
