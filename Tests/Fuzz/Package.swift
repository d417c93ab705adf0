// swift-tools-version: 6.2
import PackageDescription

// libFuzzer targets: scripts/fuzz builds and runs them. A package of its own, because everything in it must be built
// with libFuzzer's instrumentation and is linked with libFuzzer's main.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableExperimentalFeature("Lifetimes"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    // Without it a target of one file takes it for a script with a main of its own.
    .unsafeFlags(["-parse-as-library"]),
]

func target(_ name: String, _ modules: String..., others: [Target.Dependency] = []) -> Target {
    .executableTarget(
        name: name,
        dependencies: ["FuzzSupport"] + (["TestSupport"] + modules).map { .product(name: $0, package: "rmcp") } + others,
        swiftSettings: strict
    )
}

let package = Package(
    name: "rmcp-fuzz",
    dependencies: [
        .package(name: "rmcp", path: "../.."),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    ],
    targets: [
        .target(
            name: "FuzzSupport",
            dependencies: [.product(name: "RMCPProtocol", package: "rmcp"), .product(name: "TestSupport", package: "rmcp")],
            swiftSettings: strict),
        target("fuzz-packet", "RMCPProtocol"),
        target("fuzz-receiver", "RMCPProtocol"),
        target("fuzz-sender", "RMCPProtocol"),
        target("fuzz-repair", "RMCPProtocol"),
        target("fuzz-stranger", "RMCPProtocol"),
        target(
            "fuzz-sessions", "RMCPProtocol", "RMCPContent", "RMCPReport", "RMCPHost",
            others: [.product(name: "OrderedCollections", package: "swift-collections")]),
        target("fuzz-catalog", "RMCPProtocol", "RMCPContent"),
        target("fuzz-files", "RMCPProtocol", "RMCPContent", "RMCPHost"),
    ]
)
