/// What the host says of its storage. It works on threads of its own and answers late: whatever it says is held against what
/// it was given.
extension ReceiverEngine {
    /// Takes what the host's storage says. What is of nothing that the host was given changes nothing: it comes late, of a session
    /// that is over.
    public mutating func handle(_ event: StorageEvent, at now: Instant) { _ = take(event, at: now) }

    /// - Returns: whether it was of something that the host had been given.
    mutating func take(_ event: StorageEvent, at now: Instant) -> Bool {
        guard apply(event, at: now) else {
            counters.strayResults += 1
            return false
        }
        commitIfWhole(at: now)
        return true
    }

    private mutating func apply(_ event: StorageEvent, at now: Instant) -> Bool {
        switch event {
        case .kept(let chunk):
            guard ledger[chunk] == .consulting || stopReceiving(chunk) else { return false }
            ledger[chunk] = .done
            counters.chunksKept += 1
        case .absent(let chunk):
            if let slot = consultedSlot(of: chunk) {
                slots[slot].isConsulted = false
                return true
            }
            guard ledger[chunk] == .consulting else { return false }
            ledger[chunk] = .absent
            armNAK(at: now)
        case .stored(let slot, let chunk):
            guard slots.isWithHost(slot, of: chunk) else { return false }
            ledger[chunk] = .done
            creditSupplier(of: slot)
            slots.noteStored(at: now)
            slots.release(slot)
            renewCatchUp(at: now)
        case .storedZeros(let range): return storeZeros(range)
        case .rejected(let slot, let chunk):
            guard slots.isWithHost(slot, of: chunk) else { return false }
            inquire(into: slot, chunk: chunk, at: now)
        case .examined(let slot, let chunk, let wrong):
            guard slots.isWithHost(slot, of: chunk), slots[slot].inquiry?.isComplete ?? false else { return false }
            fetchAgain(wrong, of: slot, chunk: chunk, at: now)
        case .unavailable(let slot):
            guard slots.isInUse(slot) else { return false }
            vacate(slot)
            counters.windowDrops += 1
        case .damaged(let chunk): return lose(chunk, at: now)
        case .committed:
            guard case .committing = phase else { return false }
            if role.isRepairNode {
                phase = .serving
                timers.arm(.status, at: now)
                if link.isLost(at: now) { close(after: .complete, at: now) }
            } else {
                finish(as: .complete, at: now)
            }
        case .failed(let state): finish(as: state.isFailure ? state : .failedStorage, at: now)
        case .overflow(let datagrams):
            counters.overflowed &+= datagrams
            status.noteOverflow()
        case .backlog(let share):
            status.note(socketShare: share, at: now)
            reportRisingPressure(at: now)
        }
        return true
    }

    /// The host has a chunk of which some packets have come since it was asked. False when all have come: then the host
    /// stores it, and is asked for nothing any more.
    private mutating func stopReceiving(_ chunk: UInt32) -> Bool {
        guard let slot = consultedSlot(of: chunk) else { return false }
        slots[slot].isConsulted = false
        guard slots[slot].isAssembling else { return false }
        slots.release(slot)
        return true
    }

    /// Slot of a chunk of which packets have come since the host was asked for it.
    private mutating func consultedSlot(of chunk: UInt32) -> Int? {
        guard ledger[chunk] == .assembling || ledger[chunk] == .verifying, let slot = slots.slot(ofChunk: chunk), slots[slot].isConsulted else { return nil }
        return slot
    }

    /// Zeros are stored where the table has them and the host was asked for them.
    private mutating func storeZeros(_ range: Range<UInt32>) -> Bool {
        var isAnyStored = false
        for chunk in range.clamped(to: 0..<ledger.recordBound) where ledger[chunk] == .verifying && ledger.record(of: chunk)?.kind == .zero {
            ledger[chunk] = .done
            isAnyStored = true
        }
        return isAnyStored
    }

    /// A stored chunk cannot be read back. It is fetched again, unless the bundle is being put in place with it.
    private mutating func lose(_ chunk: UInt32, at now: Instant) -> Bool {
        guard ledger[chunk] == .done else { return false }
        switch phase {
        case .receiving: break
        case .serving: phase = .receiving
        case .committing: finish(as: .failedStorage, at: now)
        case .final, .finished: return false
        }
        ledger[chunk] = .absent
        armNAK(at: now)
        return true
    }

    /// Empties a slot whose chunk is not put together any more. A host that was asked for the chunk has still to answer.
    mutating func vacate(_ slot: Int) {
        ledger[slots[slot].chunk] = slots[slot].isConsulted ? .consulting : .absent
        slots.release(slot)
    }

    /// Everything is there when the signed END says so, and not before.
    mutating func commitIfWhole(at now: Instant) {
        guard case .receiving = phase, let end = ledger.end, ledger.hasWholeTable(end) else { return }
        guard ledger.doneCount == end.chunkCount else { return }
        guard ledger.matches(end, digest: digest), announce.contentLength.map({ $0 == end.contentLength }) ?? true else {
            return finish(as: .failedVerification, at: now)
        }
        phase = .committing
        events.append(.commit(end))
    }
}
