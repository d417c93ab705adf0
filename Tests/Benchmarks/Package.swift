// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that nobody who builds or tests rmcp builds SwiftNIO, which only this comparison needs.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .treatAllWarnings(as: .error),
]

let package = Package(
    name: "benchmarks",
    dependencies: [
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    ],
    targets: [
        // A link to the shim that rmcp itself calls: what is measured is what is used.
        .target(name: "CLinux"),
        .target(name: "BenchmarkSupport", swiftSettings: settings),
        .executableTarget(
            name: "raw-datagrams",
            dependencies: ["BenchmarkSupport", "CLinux", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "nio-datagrams",
            dependencies: [
                "BenchmarkSupport", .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
    ]
)
