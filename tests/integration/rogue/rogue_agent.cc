// SPDX-License-Identifier: Apache-2.0
// A client with a real node's certificate that sends whatever it is told. Commands on stdin, one
// per line; what the controller says on stdout, one line each.
//
//   send JSON       one AgentMessage, in protobuf's JSON
//   flood N JSON    N of them, as fast as they go, with growing numbers from that of JSON
//
// "answer NUMBER EPOCH LEASE_MS" for an answer; at last "end CODE MESSAGE". The end of stdin is the
// end of the stream.
#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>

#include <iostream>
#include <sstream>
#include <string>
#include <thread>

#include "absl/strings/strip.h"
#include "common/base/durable_file.h"
#include "pgmahout/v1/agent.grpc.pb.h"

namespace pgmahout {
namespace {

using Stream = grpc::ClientReaderWriter<v1::AgentMessage, v1::ControllerMessage>;

std::string FileOrDie(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) {
    std::cerr << text.status().ToString() << "\n";
    std::exit(1);
  }
  return *text;
}

std::shared_ptr<grpc::Channel> Dial(const std::string& controller, const std::string& directory) {
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = FileOrDie(directory + "/ca.crt");
  tls.pem_private_key = FileOrDie(directory + "/node.key");
  tls.pem_cert_chain = FileOrDie(directory + "/node.crt");
  grpc::ChannelArguments arguments;
  arguments.SetSslTargetNameOverride("pgmahout-controller");
  return grpc::CreateCustomChannel(controller, grpc::SslCredentials(tls), arguments);
}

v1::AgentMessage ParseOrDie(const std::string& json) {
  v1::AgentMessage message;
  const auto status = google::protobuf::util::JsonStringToMessage(json, &message);
  if (!status.ok()) {
    std::cerr << status.ToString() << "\n";
    std::exit(1);
  }
  return message;
}

void PrintAnswers(Stream& stream) {
  v1::ControllerMessage answer;
  while (stream.Read(&answer)) {
    std::cout << "answer " << answer.answers() << " " << answer.epoch() << " " << answer.lease_ms()
              << std::endl;
  }
}

// False: the stream has ended.
bool Obey(const std::string& line, Stream& stream) {
  absl::string_view rest = line;
  if (absl::ConsumePrefix(&rest, "send ")) {
    return stream.Write(ParseOrDie(std::string(rest)));
  }
  if (absl::ConsumePrefix(&rest, "flood ")) {
    std::istringstream words{std::string(rest)};
    uint64_t number = 0;
    std::string json;
    words >> number;
    std::getline(words, json);
    v1::AgentMessage message = ParseOrDie(json);
    for (uint64_t i = 0; i < number; ++i) {
      if (!stream.Write(message)) {
        return false;
      }
      message.clear_hello();
      message.set_sequence(message.sequence() + 1);
    }
    return true;
  }
  return false;
}

int Run(const std::string& controller, const std::string& directory) {
  const std::unique_ptr<v1::AgentService::Stub> stub =
      v1::AgentService::NewStub(Dial(controller, directory));
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = stub->Connect(&context);
  std::thread reader([&stream] { PrintAnswers(*stream); });
  std::string line;
  while (std::getline(std::cin, line) && Obey(line, *stream)) {
  }
  stream->WritesDone();
  reader.join();
  const grpc::Status status = stream->Finish();
  std::cout << "end " << static_cast<int>(status.error_code()) << " " << status.error_message()
            << std::endl;
  return 0;
}

}  // namespace
}  // namespace pgmahout

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: pgmahout-rogue-agent HOST:PORT STATE_DIRECTORY < COMMANDS\n";
    return 2;
  }
  return pgmahout::Run(argv[1], argv[2]);
}
