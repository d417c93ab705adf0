import RMCPHost
import Testing

@testable import rmcp

/// Options of a directory: what each of them makes of the selection.
@Suite struct SentTreeOptionsTests {
    private func selection(_ arguments: [String], file: String? = nil, _ environment: [String: String] = [:]) throws -> TreeSelection {
        let words = SentTreeOptions.spelledOut(["send"] + arguments)
        let command = try #require(try RMCP.parseAsRoot(words) as? SendCommand)
        let files = try [file].compactMap { $0 }.map { try ConfigurationFile(path: "rmcp.toml", text: $0) }
        return try command.tree.selection(of: command.paths, Settings(command: "send", files: files, environment: { environment[$0] }))
    }

    @Test func nothingGivenIsWhatPeopleExpect() throws {
        #expect(try selection(["d"]) == TreeSelection(paths: ["d"]))
        #expect(try selection(["a", "b"]).paths == ["a", "b"])
    }

    @Test func eachOptionHasItsMeaning() throws {
        #expect(try selection(["--exclude", "*.o", "--exclude=/b", "d"]).excluded == ["*.o", "/b"])
        #expect(try selection(["--files-from0", "-", "d"]).list == "-")
        #expect(try selection(["--one-file-system", "d"]).staysOnFileSystem)
        #expect(try selection(["--no-owner", "d"]).owners == .none && selection(["--numeric-owner", "d"]).owners == .numbers)
        #expect(try selection(["--no-owner", "--numeric-owner", "d"]).owners == .none)
        #expect(try selection(["--no-xattrs", "d"]).attributes == .none && selection(["--xattrs", "d"]).attributes == .usual)
        #expect(try selection(["--xattrs=all", "d"]).attributes == .all && selection(["--all-xattrs", "d"]).attributes == .all)
        #expect(try selection(["--xattrs=all", "--no-xattrs", "d"]).attributes == .none)
    }

    @Test func filesAndTheEnvironmentSetThemToo() throws {
        let file = "exclude = [\"*.o\", \"*.a\"]\n[send]\nnumeric-owner = true\nxattrs = false\n"
        let set = try selection(["d"], file: file)
        #expect(set.excluded == ["*.o", "*.a"] && set.owners == .numbers && set.attributes == .none)
        #expect(try selection(["--xattrs", "d"], file: file).attributes == .usual)
        #expect(try selection(["d"], ["RMCP_OWNER": "false", "RMCP_ONE_FILE_SYSTEM": "1"]).owners == .none)
    }

    /// Words behind `--` are paths, and other commands have their own.
    @Test func onlyTheOptionIsSpelledOut() throws {
        #expect(SentTreeOptions.spelledOut(["send", "--", "--xattrs=all"]) == ["send", "--", "--xattrs=all"])
        #expect(SentTreeOptions.spelledOut(["recv", "--xattrs=all"]) == ["recv", "--xattrs=all"])
        #expect(try selection(["--", "--xattrs=all"]).paths == ["--xattrs=all"])
        #expect(throws: (any Error).self) { try selection(["--xattrs=some", "d"]) }
    }
}
