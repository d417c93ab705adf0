/// One chunk that is being put together in memory.
struct AssemblySlot: Sendable {
    var isInUse = false
    var chunk: UInt32 = 0
    var received: PacketSet
    /// Asked for as a whole chunk, behind the live stream.
    var isCatchUp = false
    /// Hold that keeps its packets from being asked for.
    var hold = PacketHold()
    /// Time from which packets behind the last one that came as a repair are taken to be lost, and not to be on their way. Those of a chunk
    /// that is caught up with may come slowly: they have a small share of the rate.
    private(set) var restIsDue = Instant.zero
    /// Another chunk has begun to be caught up with since: the parent is done with this one.
    private var isPassed = false
    /// A repair node that some of it came from, and which packets.
    private(set) var supplier: UInt32?
    private(set) var supplied = PacketSet()
    /// Set once the chunk was rejected.
    var inquiry: ChunkInquiry?
    /// The host was asked whether it has the chunk from before, and has not answered yet.
    var isConsulted = false
    /// All packets are in and the host has it: verified, decompressed and written from the slot's buffer.
    var isWithHost = false

    init(received: PacketSet) { self.received = received }

    /// Packets may still come.
    var isAssembling: Bool { isInUse && !isWithHost }
    /// All packets came, and it is not known yet which of them are wrong.
    var lacksOutline: Bool { inquiry.map { !$0.isComplete } ?? false }

    /// Whether packets behind the last one that came are lost.
    func lacksRest(at now: Instant) -> Bool { isPassed || now >= restIsDue }
    /// Whether nothing is lost, as far as is known, and the rest of a chunk that is caught up with is on its way.
    func awaitsRest(at now: Instant) -> Bool { isCatchUp && !lacksRest(at: now) && received.containsAll(below: (received.last ?? -1) + 1) }

    /// Packets are to come from the beginning, or after the chunk was rejected.
    mutating func begin(isCatchUp: Bool) {
        self.isCatchUp = isCatchUp
        restIsDue = .zero
        isPassed = false
    }

    fileprivate mutating func notePassed() { isPassed = true }

    /// A repair came of a chunk that is caught up with. The rest of it may be on its way; of one that is fetched again for what was wrong
    /// it is not.
    mutating func awaitRest(until end: Instant) { if inquiry == nil { restIsDue = end } }

    /// A packet came from a repair node. Of two nodes the last is remembered.
    mutating func note(_ packet: Int, from node: UInt32) {
        if supplier != node { supplied.removeAll() }
        supplier = node
        supplied.insert(packet)
    }

    func hasSupplied(anyOf packets: PacketSet) -> Bool {
        guard supplier != nil else { return false }
        var others = supplied
        others.subtract(packets)
        return others.count < supplied.count
    }

    mutating func forgetSupplier() {
        supplier = nil
        supplied.removeAll()
    }
}

/// The bounded window in which chunks are assembled. A slot is an index that the host pairs with a buffer. Slots come into
/// being as they are first needed: most receivers need few of them, and who looks through all of them finds few.
struct AssemblySlots: Sendable {
    private var slots: [AssemblySlot] = []
    private var limit: Int
    /// Slots that may wait for storage while it keeps up, if there are so many.
    private let ordinaryQueue: Int
    /// Slots that may wait for storage.
    private var storageQueue: Int
    private let standstill: Interval
    /// Time at which something was stored last, or had not to wait.
    private var storedAt = Instant.zero
    private let packetCapacity: Int
    /// Slot of a chunk, for packets that are out of order.
    private var index: [UInt32: Int] = [:]
    /// Released slots, to be used again.
    private var free: [Int] = []
    private var withHostCount = 0
    private var lastChunk: UInt32 = .max
    private var lastSlot = 0

    /// - Parameters:
    ///   - storageQueue: slots that may wait for the host's storage as long as that keeps up; `count` at most.
    ///   - standstill: time without anything stored from which it does not.
    ///   - packetCapacity: of one chunk.
    init(count: Int, storageQueue: Int, standstill: Interval, packetCapacity: Int) {
        limit = count
        ordinaryQueue = storageQueue
        self.storageQueue = max(1, min(storageQueue, count))
        self.standstill = standstill
        self.packetCapacity = packetCapacity
    }

    var count: Int { limit }

    /// More slots, or fewer: those in use stay as they are.
    mutating func setLimit(_ count: Int) {
        let stoodStill = storageQueue > ordinaryQueue
        limit = count
        storageQueue = max(1, min(stoodStill ? count : ordinaryQueue, count))
    }

    /// Slots that may still be taken; below 0 where there were more.
    var freeCount: Int { limit - usedCount }
    var usedCount: Int { slots.count - free.count }
    /// Slots that wait for the host's storage, as a share of those that may (0...1). Those that wait for packets are no sign of a slow
    /// host: sending slower would not bring them their packets.
    var storageShare: Double { min(1, Double(withHostCount) / Double(storageQueue)) }
    /// Of all slots that were ever in use.
    var indices: Range<Int> { slots.indices }

    subscript(slot: Int) -> AssemblySlot {
        // Lent: a copy would retain its sets for each field that is looked at.
        _read { yield slots[slot] }
        _modify { yield &slots[slot] }
    }

    @inline(__always)
    mutating func slot(ofChunk chunk: UInt32) -> Int? { chunk == lastChunk ? lastSlot : search(chunk) }

    private mutating func search(_ chunk: UInt32) -> Int? {
        guard let slot = index[chunk] else { return nil }
        lastChunk = chunk
        lastSlot = slot
        return slot
    }

    mutating func allocate(chunk: UInt32, isCatchUp: Bool, at now: Instant) -> Int? {
        noteStorage(at: now)
        guard freeCount > 0 else { return nil }
        let slot = free.popLast() ?? slots.count
        if slot == slots.count { slots.append(AssemblySlot(received: PacketSet(capacity: packetCapacity))) }
        slots[slot].isConsulted = false
        slots[slot].isInUse = true
        slots[slot].chunk = chunk
        slots[slot].received.removeAll()
        slots[slot].begin(isCatchUp: isCatchUp)
        slots[slot].forgetSupplier()
        slots[slot].hold.restart(at: now)
        // A parent sends the chunks that are caught up with one after the other.
        if isCatchUp { for other in slots.indices where other != slot && slots[other].isCatchUp && slots[other].isInUse { slots[other].notePassed() } }
        index[chunk] = slot
        return slot
    }

    /// A storage that stands still at times gets all the room that there is.
    private mutating func noteStorage(at now: Instant) {
        if withHostCount == 0 { return noteStored(at: now) }
        if now - storedAt >= standstill { storageQueue = limit }
    }

    mutating func noteStored(at now: Instant) { storedAt = now }

    /// Whether the host has all packets of this chunk, from this slot. What it says of any other slot or chunk is of another
    /// session, or of what is over.
    func isWithHost(_ slot: Int, of chunk: UInt32) -> Bool {
        slots.indices.contains(slot) && slots[slot].isInUse && slots[slot].isWithHost && slots[slot].chunk == chunk
    }

    func isInUse(_ slot: Int) -> Bool { slots.indices.contains(slot) && slots[slot].isInUse }

    mutating func setWithHost(_ slot: Int, _ isWithHost: Bool) {
        guard slots[slot].isWithHost != isWithHost else { return }
        slots[slot].isWithHost = isWithHost
        withHostCount += isWithHost ? 1 : -1
    }

    mutating func release(_ slot: Int) {
        guard slots[slot].isInUse else { return }
        setWithHost(slot, false)
        let chunk = slots[slot].chunk
        slots[slot].isInUse = false
        slots[slot].inquiry = nil
        index[chunk] = nil
        free.append(slot)
        if lastChunk == chunk { lastChunk = .max }
    }
}
