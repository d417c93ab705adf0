import BenchmarkSupport

let options = Options.parse()
switch options.role {
case .send: RawSender(options).run()
case .receive: RawReceiver(options).run()
}
