// SPDX-License-Identifier: Apache-2.0
#include "controller/dns/rfc2136_publisher.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <deque>
#include <set>
#include <thread>
#include <utility>

#include "common/base/status_macros.h"
#include "controller/dns/attempt.h"
#include "controller/dns/dns_name.h"
#include "controller/dns/plan.h"

namespace pgmahout::controller {
namespace {

// Each attempt holds a socket per server. Beyond this they wait for their turn.
constexpr size_t kMaxAttempts = 128;

class Rfc2136Publisher : public DnsPublisher {
 public:
  Rfc2136Publisher(UpdateTarget target, const Clock& clock)
      : clock_(clock),
        target_(std::move(target)),
        work_(boost::asio::make_work_guard(io_)),
        thread_([this] { io_.run(); }) {}

  ~Rfc2136Publisher() override {
    boost::asio::post(io_, [this] { CancelAll(); });
    work_.reset();
    thread_.join();
  }

  void Publish(DnsIntent intent, Duration timeout, PublishDone done) override {
    boost::asio::post(
        io_, [this, intent = std::move(intent), timeout, done = std::move(done)]() mutable {
          Begin(intent, timeout, std::move(done));
        });
  }

 private:
  using Attempts = std::deque<std::shared_ptr<PublishAttempt>>;

  void Begin(const DnsIntent& intent, Duration timeout, PublishDone done) {
    absl::StatusOr<PublishPlan> plan = PlanPublication(intent, target_.zone);
    if (!plan.ok()) {
      done(plan.status());
      return;
    }
    const auto slot = std::make_shared<std::shared_ptr<PublishAttempt>>();
    *slot = NewPublishAttempt({io_, clock_, target_}, *std::move(plan), timeout,
                              [this, slot, done = std::move(done)](auto result) mutable {
                                running_.erase(std::exchange(*slot, nullptr));
                                done(std::move(result));
                                StartWaiting();
                              });
    waiting_.push_back(*slot);
    StartWaiting();
  }

  void StartWaiting() {
    while (!waiting_.empty() && running_.size() < kMaxAttempts) {
      const std::shared_ptr<PublishAttempt> attempt = waiting_.front();
      waiting_.pop_front();
      running_.insert(attempt);
      attempt->Start();
    }
  }

  void CancelAll() {
    const absl::Status cancelled =
        absl::CancelledError("cannot publish: the publisher is being shut down");
    // First those that wait, so that an ending attempt does not start them.
    for (const auto& attempt : std::exchange(waiting_, {})) {
      attempt->Cancel(cancelled);
    }
    for (const auto& attempt : std::set(running_)) {
      attempt->Cancel(cancelled);
    }
  }

  const Clock& clock_;
  const UpdateTarget target_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  // Both belong to the thread.
  Attempts waiting_;
  std::set<std::shared_ptr<PublishAttempt>> running_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace

absl::StatusOr<std::unique_ptr<DnsPublisher>> NewRfc2136Publisher(const Rfc2136Config& config,
                                                                  const Clock& clock) {
  UpdateTarget target;
  PGM_ASSIGN_OR_RETURN(target.zone, NormalizeDnsName(config.zone));
  if (config.servers.empty()) {
    return absl::InvalidArgumentError("cannot publish zone \"" + target.zone +
                                      "\": no DNS server is configured");
  }
  for (const std::string& text : config.servers) {
    PGM_ASSIGN_OR_RETURN(const DnsServer server, ParseDnsServer(text));
    target.servers.push_back(server);
  }
  PGM_ASSIGN_OR_RETURN(
      target.key, MakeTsigKey(config.tsig_name, config.tsig_algorithm, config.tsig_secret_base64));
  return std::make_unique<Rfc2136Publisher>(std::move(target), clock);
}

}  // namespace pgmahout::controller
