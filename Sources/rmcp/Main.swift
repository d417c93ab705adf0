import ArgumentParser
import TOMLKit
import SystemPackage
@main struct Main: ParsableCommand { func run() {} }
