import RMCPProtocol

private let digest = Digest(Bytes32(1, 2, 3, 4))
private let signature = Signature(r: Bytes32(7, 7, 7, 7), s: Bytes32(9, 9, 9, 9))

/// A packet of each kind as a busy session has them.
private let samples: [(name: String, packet: Packet)] = [
    ("announce", .announce(Fixture.announce, signature)),
    ("end", .end(EndOfTable(chunkCount: 44, pageCount: 4, contentLength: 344_700, encodedLength: 8_300, tableDigest: digest), signature)),
    ("heartbeat", Fixture.heartbeat(position: StreamPosition(chunk: 41, packet: 2), path: [9])),
    ("nak", .nak(NegativeAcknowledgement(echo: TimestampEcho(timestamp: 1, delay: 2), request: request))),
    ("ncf", .ncf(request)),
    ("status-leaf", Fixture.status(StatusHistogram(Fixture.leaf()))),
    ("status-sum", Fixture.status(sum(of: 100))),
    ("acknowledgement", .acknowledgement(sequence: 9)),
    ("solicitation", .solicitation),
    ("attach", .attach(AttachRequest(nonce: 4, wantsStream: false))),
    ("attached", .attached(AttachAnswer(nonce: 4, verdict: .accepted, cookie: 5))),
    ("detach", .detach(cookie: 5)),
    ("advertisement", .advertisement(Advertisement(region: .ipv4(239, 1, 1, 1, port: 7_700)), .none)),
    ("query", .query(WatchQuery(nonce: 6))),
]

/// Eight packets of each of four chunks, as 1 % of loss leaves them.
private var request: RepairRequest {
    var request = RepairRequest()
    request.packets = (0..<4).map { RepairRequest.ChunkPackets(chunk: $0, packets: scattered(count: 8, seed: UInt64($0))) }
    return request
}

/// So many packets of a chunk, at random.
func scattered(count: Int, seed: UInt64) -> PacketSet {
    var random = RandomSource(seed: seed)
    var set = PacketSet()
    while set.count < count { set.insert(Int(random.next() % UInt64(Fixture.packetsPerChunk))) }
    return set
}

/// What a repair node reports of so many receivers.
func sum(of receivers: Int) -> StatusHistogram {
    var sum = StatusHistogram()
    for number in 0..<receivers {
        let network = LeafStatus.Network(loss: UInt8(number % 4), pressure: UInt8(number % 3), arrival: UInt8(80 + number % 10))
        sum.add(LeafStatus(state: .receiving, progress: UInt8(number % 10), network: network))
    }
    sum.tree.repairNodes = 1
    return sum
}

let wirePaths: [EnginePath] =
    [
        EnginePath("parse-data", per: "packet", isHot: true) {
            let datagram = DataDatagram()
            return { unsafe parse(Array(datagram.bytes(of: 0)), $0) }
        },
        EnginePath("parse-page", per: "packet") {
            let pages = Fixture.pages()
            return { parse(pages[0], $0) }
        },
    ]
    + samples.map { name, packet in
        EnginePath("parse-\(name)", per: "packet") {
            let datagram = Fixture.fromSender(packet)
            return { parse(datagram, $0) }
        }
    }
    + [
        EnginePath("write-data-header", per: "packet", isHot: true) {
            let header = PacketHeader(kind: .data, sessionTag: 1, transmitter: 2, sequence: 3)
            return { count in
                var bytes = [UInt8](repeating: 0, count: DataHeader.length)
                for index in 0..<count {
                    let data = DataHeader(chunk: 7, packet: UInt16(truncatingIfNeeded: index), isRepair: false)
                    unsafe bytes.withUnsafeMutableBytes { buffer in
                        var span = unsafe buffer.mutableBytes
                        data.write(after: header, into: &span)
                    }
                }
                consume(Int(bytes[21]))
                return count
            }
        }
    ]

private func parse(_ datagram: [UInt8], _ count: Int) -> Int {
    let span = unsafe datagram.span.bytes
    for _ in 0..<count {
        guard let (header, _) = try? Packet.parse(span) else { fatalError("the sample does not parse") }
        consume(Int(header.sequence))
    }
    return count
}
