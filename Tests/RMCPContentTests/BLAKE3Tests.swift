import CBLAKE3
import RMCPContent
import RMCPProtocol
import Testing

/// The digest against the vectors that BLAKE3's authors publish (inputs are 0, 1, ... 250, 0, 1, ... up to their length), and its
/// vector widths against each other.
@Suite struct BLAKE3Tests {
    private static func input(_ length: Int) -> [UInt8] { (0..<length).map { UInt8($0 % 251) } }

    static let vectors: [(Int, String)] = [
        (0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
        (1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"),
        (64, "4eed7141ea4a5cd4b788606bd23f46e212af9cacebacdc7d1f4c6dc7f2511b98"),
        (65, "de1e5fa0be70df6d2be8fffd0e99ceaa8eb6e8c93a63f2d8d1c30ecb6b263dee"),
        (1023, "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11"),
        (1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"),
        (1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444"),
        (2048, "e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a"),
        (2049, "5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030"),
        (3073, "7124b49501012f81cc7f11ca069ec9226cecb8a2c850cfe644e327d22d3e1cd3"),
        (5121, "628bd2cb2004694adaab7bbd778a25df25c47b9d4155a55f8fbd79f2fe154cff"),
        (8193, "bab6c09cb8ce8cf459261398d2e7aef35700bf488116ceb94a36d0f5f1b7bc3b"),
        (16385, "1dabe216be2578830263b049de1639f39f05a4da616b9b78c7a5e4e41662fd1f"),
        (31744, "62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47"),
        (102_400, "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085"),
        (1_048_576, "74cb441fd087764ca9c3694da742ebe30cbeb3060a17009ca81825c7a8d10343"),
        (1_048_577, "2f053cd7472cf0cd2f9adaf45c1180255b91b9a865404a63671a0ee5f792ed33"),
        (3_146_505, "af47dfe5284779cecdf26b7bb8209b1a4ca1e24bb168adff9f9ee4294a9e52e9"),
    ]

    @Test("Published vectors", arguments: vectors)
    func vector(length: Int, expected: String) {
        #expect(BLAKE3Digest().digest(of: Self.input(length)).value.bytes == bytes(hex: expected))
    }

    /// Of the same inputs under the key that the authors publish with them.
    static let keyedVectors: [(Int, String)] = [
        (0, "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26"),
        (1, "6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b"),
        (64, "ba8ced36f327700d213f120b1a207a3b8c04330528586f414d09f2f7d9ccb7e6"),
        (65, "c0a4edefa2d2accb9277c371ac12fcdbb52988a86edc54f0716e1591b4326e72"),
        (1023, "c951ecdf03288d0fcc96ee3413563d8a6d3589547f2c2fb36d9786470f1b9d6e"),
        (1024, "75c46f6f3d9eb4f55ecaaee480db732e6c2105546f1e675003687c31719c7ba4"),
        (1025, "357dc55de0c7e382c900fd6e320acc04146be01db6a8ce7210b7189bd664ea69"),
        (2048, "879cf1fa2ea0e79126cb1063617a05b6ad9d0b696d0d757cf053439f60a99dd1"),
        (2049, "9f29700902f7c86e514ddc4df1e3049f258b2472b6dd5267f61bf13983b78dd5"),
        (3073, "68dede9bef00ba89e43f31a6825f4cf433389fedae75c04ee9f0cf16a427c95a"),
        (8193, "954a2a75420c8d6547e3ba5b98d963e6fa6491addc8c023189cc519821b4a1f5"),
        (31744, "efa53b389ab67c593dba624d898d0f7353ab99e4ac9d42302ee64cbf9939a419"),
        (102_400, "1c35d1a5811083fd7119f5d5d1ba027b4d01c0c6c49fb6ff2cf75393ea5db4a7"),
        (1_048_577, "a0c8e093827da3e07e22fa684eb60fc1600cf44c5036c80fb0b587d0f39ef421"),
    ]

    @Test("Published vectors of the keyed mode, at every width", arguments: keyedVectors)
    func keyedVector(length: Int, expected: String) {
        let key = Array("whats the Elvish word for friend".utf8)
        let input = Self.input(length)
        for lanes in [4, 8, 16] as [UInt32] {
            var output = [UInt8](repeating: 0, count: 32)
            input.withUnsafeBytes { rmcp_blake3_keyed_with_lanes(key, $0.baseAddress, $0.count, &output, lanes) }
            #expect(output == bytes(hex: expected), "\(lanes) lanes")
        }
        let keyed = input.withUnsafeBytes { BLAKE3Digest.keyed(Bytes32(bytes: key)!, $0) }
        #expect(keyed.bytes == bytes(hex: expected))
    }

    private static func digest(_ message: ArraySlice<UInt8>, lanes: UInt32) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: 32)
        message.withUnsafeBytes { rmcp_blake3_with_lanes($0.baseAddress, $0.count, &output, lanes) }
        return output
    }

    @Test("Every width that the processor has gives the same digest, at lengths around each edge of the tree")
    func widths() {
        let message = Self.input(200_000)
        let leaf = 1_024
        for leaves in [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 128, 190] {
            for extra in [-1, 0, 1, 63, 64, 65, 500] where leaves * leaf + extra >= 0 {
                // At an odd address, too: nothing may rely on alignment.
                for start in [0, 1] {
                    let slice = message[start..<start + leaves * leaf + extra]
                    let narrow = Self.digest(slice, lanes: 4)
                    #expect(Self.digest(slice, lanes: 8) == narrow && Self.digest(slice, lanes: 16) == narrow, "\(slice.count) bytes at \(start)")
                }
            }
        }
    }

    @Test("A bit that changes anywhere changes the digest")
    func sensitivity() {
        var message = Self.input(70_000)
        let before = BLAKE3Digest().digest(of: message)
        for position in stride(from: 0, to: message.count, by: 4_999) {
            message[position] ^= 0x10
            #expect(BLAKE3Digest().digest(of: message) != before)
            message[position] ^= 0x10
        }
        #expect(BLAKE3Digest().digest(of: message) == before)
    }
}
