import RMCPHost
import RMCPProtocol

/// Places that metrics go to: a file, whoever asks by HTTP, both or nowhere.
final class MetricsOutput {
    private let board: MetricsBoard
    private let path: String?
    private var file: MetricsFile?
    private let listener: MetricsListener?

    /// - Parameters:
    ///   - path: the file's; nil for none.
    ///   - address: where to listen; nil for nowhere.
    ///   - role: `send`, `recv` or `repair`.
    ///   - render: the text of the beginning.
    /// - Throws: when nobody can listen there.
    init(path: String?, address: SocketAddress?, role: String, isQuiet: Bool, _ render: @escaping @Sendable () -> String) throws(HostError) {
        let board = MetricsBoard(render)
        self.board = board
        self.path = path
        listener = try address.map { address throws(HostError) in try MetricsListener(address, board: board, role: role, version: Version.text) }
        if let listener, !isQuiet { Console.line("metrics are at http://\(listener.address.text)/metrics") }
    }

    /// Whether anybody wants to know.
    var isWanted: Bool { path != nil || listener != nil }

    /// Begins to keep the file: not before the command is sure to run. What is wrong with it is known before the first session.
    func begin() {
        guard let path, file == nil else { return }
        do throws(HostError) { file = try MetricsFile(path: path, board: board) { Console.error($0) } } catch { Console.error("no metrics: \(error)") }
    }

    /// Returns at once.
    func show(_ render: @escaping @Sendable () -> String) { if isWanted { board.show(render) } }
    func setReady(_ isReady: Bool) { board.setReady(isReady) }

    /// Time that the end waits for the file's disk.
    private static let patience = Interval.seconds(2)

    /// - Parameter keepsFile: so that what a job has done can be read when it is over.
    func finish(keepsFile: Bool) {
        board.setReady(false)
        file?.finish(keepsFile: keepsFile, within: Self.patience)
        listener?.stop()
    }
}
