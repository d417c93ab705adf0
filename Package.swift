// swift-tools-version: 6.2
import PackageDescription

// One set of settings for every Swift target: the strictest that the toolchain offers. Lifetimes is experimental in
// the compiler and is needed to write readers over RawSpan that cannot outlive the datagram they read.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableExperimentalFeature("Lifetimes"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
]

// Tests take unsafe pointers for granted, and keep the rest.
let strictTests: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableExperimentalFeature("Lifetimes"),
    .treatAllWarnings(as: .error),
]

let package = Package(
    name: "rmcp",
    products: [
        .executable(name: "rmcp", targets: ["rmcp"]),
        .executable(name: "rmcp-simulate", targets: ["rmcp-simulate"]),
        .library(name: "RMCPProtocol", targets: ["RMCPProtocol"]),
        .library(name: "RMCPReport", targets: ["RMCPReport"]),
        .library(name: "RMCPContent", targets: ["RMCPContent"]),
        .library(name: "RMCPHost", targets: ["RMCPHost"]),
        .library(name: "RMCPSimulator", targets: ["RMCPSimulator"]),
        // For Tests/Fuzz, which is a package of its own.
        .library(name: "TestSupport", targets: ["TestSupport"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-numerics", from: "1.1.1"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
    ],
    targets: [
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .target(name: "CLinux"),
        .target(name: "CBLAKE3", exclude: ["Lanes.inc"]),
        .target(
            name: "RMCPProtocol",
            dependencies: [
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "RealModule", package: "swift-numerics"),
            ],
            swiftSettings: strict
        ),
        .target(
            name: "RMCPContent",
            dependencies: ["CBLAKE3", "CZstd", "RMCPProtocol", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: strict
        ),
        .target(name: "RMCPReport", dependencies: ["RMCPProtocol"], swiftSettings: strict),
        .target(
            name: "RMCPHost",
            dependencies: [
                "CLinux", "RMCPProtocol", "RMCPContent", "RMCPReport",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "OrderedCollections", package: "swift-collections"),
            ],
            swiftSettings: strict
        ),
        .target(
            name: "RMCPSimulator",
            dependencies: [
                "RMCPProtocol",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "RealModule", package: "swift-numerics"),
            ],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "rmcp",
            dependencies: [
                "RMCPProtocol", "RMCPContent", "RMCPReport", "RMCPHost",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "TOMLKit", package: "TOMLKit"),
            ],
            // What `rmcp help json` prints is the very file that is published.
            resources: [.embedInCode("Resources/events.schema.json")],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "rmcp-simulate",
            dependencies: [
                "RMCPProtocol", "RMCPSimulator",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict
        ),
        // One driver of an engine, one set of builders, and groups of one's own, for tests, fuzz targets and engine-paths.
        .target(name: "TestSupport", dependencies: ["RMCPProtocol"], path: "Tests/Support", swiftSettings: strict),
        // What a packet costs the engine, counted by scripts/bench-engine: in this package, so that it is linked with the
        // very objects that rmcp is.
        .target(name: "CAllocations", path: "Tests/Benchmarks/Engine/CAllocations"),
        .executableTarget(
            name: "engine-paths", dependencies: ["CAllocations", "RMCPProtocol", "TestSupport"], path: "Tests/Benchmarks/Engine/engine-paths",
            swiftSettings: strict),
        // Lines of --json against docs/events.schema.json.
        .target(name: "EventSchema", path: "Tests/EventSchema", swiftSettings: strictTests),
        .testTarget(name: "RMCPProtocolTests", dependencies: ["RMCPProtocol", "TestSupport"], swiftSettings: strictTests),
        .testTarget(
            name: "RMCPContentTests",
            dependencies: ["CBLAKE3", "RMCPContent", "RMCPProtocol", "TestSupport", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: strictTests),
        .testTarget(
            name: "RMCPHostTests",
            dependencies: ["RMCPHost", "RMCPContent", "RMCPReport", "RMCPProtocol", "TestSupport", "CLinux"],
            swiftSettings: strictTests
        ),
        .testTarget(
            name: "RMCPSimulatorTests", dependencies: ["RMCPSimulator", "RMCPProtocol"], swiftSettings: strictTests),
        .testTarget(
            name: "ScenarioTests",
            dependencies: ["RMCPSimulator", "RMCPProtocol"],
            path: "Tests/Scenarios",
            swiftSettings: strictTests
        ),
        .testTarget(
            name: "RMCPReportTests", dependencies: ["RMCPReport", "RMCPProtocol", "EventSchema"], exclude: ["Golden"], swiftSettings: strictTests),
        .testTarget(name: "CommandTests", dependencies: ["rmcp", "EventSchema", "TestSupport"], swiftSettings: strictTests),
        .testTarget(name: "ArchitectureTests", swiftSettings: strictTests),
        .testTarget(
            name: "EndToEndTests", dependencies: ["rmcp", "RMCPProtocol", "EventSchema", "TestSupport"], exclude: ["Shims"],
            swiftSettings: strictTests),
    ]
)
