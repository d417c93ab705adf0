import ArgumentParser
import Glibc
import RMCPContent
import RMCPHost
import RMCPProtocol
import RMCPReport

struct KeygenCommand: CodedCommand {
    static let configuration = CommandConfiguration(
        commandName: "keygen", abstract: "Make a signing key and print its public line, or a group's key.",
        discussion: """
            Give the public line to receivers: rmcp recv --trust 'rmcp-ed25519 BASE64', or in a file with one key a line. With \
            --group two files are made: FILE, for senders and receivers, who read with it what is sealed for the group, and \
            FILE.control, for repair nodes, who keep what is sealed and cannot read it.
            """)

    @Argument(help: ArgumentHelp("Where the key goes, as with --output.", valueName: "file"), completion: .file())
    var file: String?

    @OptionGroup var options: KeygenOptions

    mutating func execute() throws -> ExitStatus {
        guard file == nil || options.output == nil else { throw HostError("two files are named; one key is made at a time", kind: .usage) }
        let output = options.output ?? file
        // The private half is never shown.
        if output?.isEmpty == true { throw HostError("the name of the key is empty: expected a file", kind: .usage) }
        if output == "-" { throw HostError("-o - : expected a file; a private key is not written to standard output", kind: .usage) }
        if options.group == true { return try makeGroupKey(output) }
        // A key without its public line is of no use to anybody, so nothing is made.
        try ProcessStart.requireOpen(STDOUT_FILENO, "standard output", for: "the public line goes there")
        let path = try KeyFiles.defaultKey(unless: output, option: "-o")
        let key = try KeyFiles.generate(at: path)
        Console.line("private key written to \(path)")
        guard options.json == true else {
            try Console.result(key.publicKey.text)
            return .done
        }
        Console.event(.keyMade(key.publicKey.text, path: path))
        Console.event(.end("finished"))
        return .done
    }

    private func makeGroupKey(_ output: String?) throws(HostError) -> ExitStatus {
        let path = try KeyFiles.defaultGroupKey(unless: output, option: "-o")
        let control = try KeyFiles.generateGroup(at: path)
        Console.line("group key written to \(path), for senders and receivers")
        Console.line("control key written to \(control), for repair nodes")
        if options.json == true {
            Console.event(JSONLine(event: "group_key_made", ["path": .string(path), "control_path": .string(control)]))
            Console.event(.end("finished"))
        }
        return .done
    }
}
