import ArgumentParser
import RMCPReport

/// A command whose end is one of the contract's exit codes.
protocol CodedCommand: ParsableCommand {
    mutating func execute() throws -> ExitStatus
}

extension CodedCommand {
    mutating func run() throws { ExitStatus.exit(try execute()) }
}
