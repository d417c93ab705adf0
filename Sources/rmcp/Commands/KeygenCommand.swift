import ArgumentParser
import Glibc
import RMCPContent
import RMCPHost
import RMCPProtocol

struct KeygenCommand: CodedCommand {
    static let configuration = CommandConfiguration(
        commandName: "keygen", abstract: "Make a signing key and print its public line.",
        discussion: "Give the public line to receivers: rmcp recv --trust 'rmcp-ed25519 BASE64', or in a file with one key a line.")

    @OptionGroup var options: KeygenOptions

    mutating func execute() throws -> ExitStatus {
        // A key without its public line is of no use to anybody, so nothing is made.
        try ProcessStart.requireOpen(STDOUT_FILENO, "standard output", for: "the public line goes there")
        let path = try KeyFiles.defaultKey(unless: options.output, option: "-o")
        let key = try KeyFiles.generate(at: path)
        Console.line("private key written to \(path)")
        try Console.result(key.publicKey.text)
        return .done
    }
}
