/// What one receiver says of itself.
public struct LeafStatus: Hashable, Sendable {
    /// What the rate follows.
    public struct Network: Hashable, Sendable {
        /// `LossBucket`, 0...15. More is counted as that.
        public var loss: UInt8
        /// `PressureBucket`, 0...7. More is counted as that.
        public var pressure: UInt8
        /// Nil while there is no stream to measure it by.
        public var arrival: UInt8?

        public init(loss: UInt8, pressure: UInt8, arrival: UInt8?) {
            self.loss = loss
            self.pressure = pressure
            self.arrival = arrival
        }

        var clamped: Network {
            Network(
                loss: min(loss, UInt8(LossBucket.count - 1)), pressure: min(pressure, UInt8(PressureBucket.count - 1)),
                arrival: arrival.map { min($0, UInt8(ArrivalBucket.count - 1)) })
        }
    }

    /// State that it says itself; at its parent `.lost`, once it is silent.
    public var state: ReceiverState
    /// 0...10.
    public var progress: UInt8
    /// Nil for a receiver that has no say in the rate.
    public var network: Network?
    /// It left a parent that has not confirmed it, and is counted there, too.
    public var isRehomed: Bool
    /// How many it has, 0...`Limits.maximumChunks`: deciles are too coarse to tell a slow one from one that stands still.
    public var chunksDone: UInt32

    public init(state: ReceiverState, progress: UInt8, network: Network?, isRehomed: Bool = false, chunksDone: UInt32 = 0) {
        self.state = state
        self.progress = progress
        self.network = network
        self.isRehomed = isRehomed
        self.chunksDone = chunksDone
    }

    /// As it is counted: what is beyond a list's end is in its last bucket.
    var clamped: LeafStatus {
        LeafStatus(
            state: state, progress: min(progress, UInt8(StatusHistogram.progressCount - 1)), network: network?.clamped, isRehomed: isRehomed,
            chunksDone: min(chunksDone, Limits.maximumChunks))
    }

    // MARK: On the wire

    /// Writes the lists of a histogram of one.
    func write(to writer: inout ByteWriter) {
        func one(_ bucket: UInt8?) {
            writer.writeUInt8(bucket == nil ? 0 : 1)
            guard let bucket else { return }
            writer.writeUInt8(bucket)
            writer.writeUInt32(1)
        }
        one(state.rawValue)
        one(progress)
        one(network?.loss)
        one(network?.pressure)
        one(network?.arrival)
        one(isRehomed ? ReceiverState.lost.rawValue : nil)
    }

    /// Reads lists that are of one receiver; nil for any others, well formed or not.
    init?(reading reader: inout ByteReader) throws(WireError) {
        var isSingle = true
        func one(_ limit: Int) throws(WireError) -> UInt8? {
            switch try reader.readUInt8() {
            case 0: return nil
            case 1:
                let bucket = try reader.readUInt8()
                let count = try reader.readUInt32()
                isSingle = isSingle && count == 1 && Int(bucket) < limit
                return bucket
            default:
                isSingle = false
                return nil
            }
        }
        let state = try one(StatusHistogram.stateCount).flatMap { ReceiverState(rawValue: $0) }
        let progress = isSingle ? try one(StatusHistogram.progressCount) : nil
        let loss = isSingle ? try one(LossBucket.count) : nil
        let pressure = isSingle ? try one(PressureBucket.count) : nil
        let arrival = isSingle ? try one(ArrivalBucket.count) : nil
        let rehomed = isSingle ? try one(StatusHistogram.stateCount) : nil
        guard isSingle, let state, let progress, (loss == nil) == (pressure == nil), loss != nil || arrival == nil,
            rehomed == nil || rehomed == ReceiverState.lost.rawValue
        else { return nil }
        let network = loss.flatMap { loss in pressure.map { Network(loss: loss, pressure: $0, arrival: arrival) } }
        self.init(state: state, progress: progress, network: network, isRehomed: rehomed != nil)
    }
}
