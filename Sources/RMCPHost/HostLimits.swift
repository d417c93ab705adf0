import Glibc
import RMCPProtocol

/// Bounds of the host's own making; those of the protocol are in `Configuration`.
enum HostLimits {
    /// Threads that encode or store: as many as there are cores, but no more than keep one fast network busy.
    static var workerThreads: Int { max(1, min(4, sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }
    /// Sessions that one receiver takes part in at one time.
    static let sessions = 8
    /// Sessions beside those that nothing has come of yet but ANNOUNCEs and the like, which anybody can repeat.
    static let candidates = 64
    /// A session that nothing came of for so long gives its place to one of which something does.
    static let placePatience = Interval.seconds(10)
    /// Chunks that a session may put together at the least, however long they are, and that a repair node serves from: one that comes, one
    /// that lacks a packet, and the same while others are written.
    static let fewestSlots = 4
    /// Sessions that one repair node serves at one time; others wait in its cache.
    static let repairSessions = 16
    /// Sessions whose part of the cache is being opened. More would only wait for a disk that does not answer.
    static let repairArrivals = 2 * repairSessions
    /// Chunks of one session that are read back from the cache to be verified at one time.
    static let cacheChecks = 16
    /// Bytes of one session's pages that wait to be written down. What is more comes from upstream after a restart.
    static let unkeptTableBytes = 4 << 20
    /// How long a session that has lost part of what it kept waits for somebody who has it.
    static let damagePatience = Interval.seconds(10)
    /// Bytes of a group's socket buffer below which the user is warned: 3 ms at 10 Gb/s.
    static let sufficientReceiveBuffer = 4 << 20
    /// How often the groups are joined anew while no session is under way. A snooping switch without a querier forgets a
    /// member after 260 s (RFC 3376, 8.4), one that was restarted has forgotten it already; a sender waits for 30 s.
    static let idleRejoinInterval = Interval.seconds(20)
    /// With --once, how long a newer session than an outdated one may still come.
    static let outdatedPatience = Interval.seconds(5)
    /// Time for which a start waits for an IPv6 address that another host might have: the kernel asks for a second, after up to another one
    /// (RFC 4862, 5.1 and 5.4.2).
    static let addressPatience = Interval.seconds(5)
    /// Time for which a receiver that can take nothing at all stays to tell a sender why: a question, its answer and the reason, with
    /// room for one of them to be lost.
    static let refusalPatience = Interval.seconds(2)
    /// How long a session waits for its storage to be open before it begins without.
    static let openingPatience = Interval.seconds(1)
    /// How long a session waits for the storage of its predecessor before it gets its own.
    static let predecessorPatience = Interval.seconds(10)
    /// How long a hook that was asked to end may take to do so.
    static let hookPatience = Interval.seconds(5)
    /// How long a process that was told to stop waits for disks. What they have not taken by then is fetched again.
    static let stopPatience = Interval.seconds(5)
    /// Time that a sender which was told to stop gives its threads, which only read.
    static let readerPatience = Interval.seconds(1)
    /// Warnings that are not said twice.
    static let rememberedWarnings = 256
    /// Streams of serials of a group whose last ones are remembered, of all nodes that this one hears: two for each.
    static let replayWindows = 1 << 18
    /// Peers that could not be sent to and are left alone for a while.
    static let unreachablePeers = 256
    /// Peers that are sent something when this host's interface was made anew. Over IPv4 one is enough for a whole network: who is asked for
    /// is asked for by broadcast.
    static let peersToldOfMoves = 64
    /// Chunks of standard input that are read before they can be encoded.
    static let readAhead = 4
    /// Datagram trains in one receive call: 1 MiB.
    static let slabBuffers = 16
    /// Datagram trains in one receive call from a region's socket, which carries repairs.
    static let regionSlabBuffers = 4
    /// Receive calls before other work gets its turn.
    static let receiveRounds = 8
    /// Sends before other work gets its turn.
    static let sendsPerRound = 16
    /// Sessions that a watcher shows at one time; nodes of them all, and as many addresses that it asks.
    static let watchedSessions = 64
    static let watchedNodes = 1_024
    /// A parent that was silent for so long is shown as gone, and after so long is not shown any more. Nor are the numbers of one that has not
    /// answered for as long.
    static let watchedNodeSilence = Interval.seconds(3)
    static let watchedNodeMemory = Interval.seconds(6)
}
