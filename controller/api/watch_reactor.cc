// SPDX-License-Identifier: Apache-2.0
#include "controller/api/watch_reactor.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "controller/api/rpc.h"
#include "controller/api/status_view.h"

namespace pgmahout::controller {
namespace {

constexpr Duration kLookPeriod{100};

class WatchReactor : public grpc::ServerWriteReactor<v1::ClusterStatus> {
 public:
  WatchReactor(EventLoop& loop,
               Conductor& conductor,
               grpc::CallbackServerContext& context,
               std::string cluster)
      : loop_(loop), conductor_(conductor), context_(context), cluster_(std::move(cluster)) {}

  // On the loop.
  void Begin(const absl::Status& refusal) {
    if (!refusal.ok()) {
      End(refusal);
      return;
    }
    Look();
  }

  void OnWriteDone(bool ok) override {
    loop_.Post([this, ok] {
      writing_ = false;
      if (!ok) {
        End(absl::CancelledError("the caller is gone"));
      }
    });
  }

  void OnCancel() override {
    loop_.Post([this] { End(absl::CancelledError("the caller is gone")); });
  }

  void OnDone() override {
    loop_.Post([this] {
      done_ = true;
      DeleteIfUnused();
    });
  }

 private:
  // Looks again and again until the stream ends. One timer at a time refers to this.
  void Look() {
    timer_runs_ = false;
    if (finished_) {
      DeleteIfUnused();
      return;
    }
    const ClusterState* state = conductor_.Find(cluster_);
    if (state == nullptr) {
      End(WithHint(absl::NotFoundError(absl::StrCat("cluster \"", cluster_, "\" does not exist")),
                   "See pgmahout cluster list."));
      return;
    }
    if (!writing_) {
      v1::ClusterStatus status = StatusView(*state, conductor_.Now());
      if (std::string bytes = status.SerializeAsString(); bytes != last_) {
        last_ = std::move(bytes);
        out_ = std::move(status);
        writing_ = true;
        StartWrite(&out_);
      }
    }
    timer_runs_ = true;
    loop_.After(kLookPeriod, [this] { Look(); });
  }

  void End(const absl::Status& status) {
    if (!std::exchange(finished_, true)) {
      Finish(ToGrpc(context_, status));
    }
  }

  void DeleteIfUnused() {
    if (done_ && !timer_runs_) {
      delete this;
    }
  }

  EventLoop& loop_;
  Conductor& conductor_;
  grpc::CallbackServerContext& context_;
  const std::string cluster_;
  v1::ClusterStatus out_;
  std::string last_;
  bool writing_ = false;
  bool finished_ = false;
  bool done_ = false;
  bool timer_runs_ = false;
};

}  // namespace

grpc::ServerWriteReactor<v1::ClusterStatus>* StartWatch(EventLoop& loop,
                                                        Conductor& conductor,
                                                        grpc::CallbackServerContext& context,
                                                        const std::string& cluster,
                                                        const absl::Status& refusal) {
  auto* reactor = new WatchReactor(loop, conductor, context, cluster);
  loop.Post([reactor, refusal] { reactor->Begin(refusal); });
  return reactor;
}

}  // namespace pgmahout::controller
