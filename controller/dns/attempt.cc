// SPDX-License-Identifier: Apache-2.0
#include "controller/dns/attempt.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"
#include "controller/dns/message.h"
#include "controller/dns/reply_error.h"

namespace pgmahout::controller {
namespace {

struct Question {
  std::string name;
  ldns_rr_type type;
};

using Answers = std::vector<DnsAnswer>;  // in the order of the questions
using AnswersDone = absl::AnyInvocable<void(absl::StatusOr<Answers>)>;
using ReplyDone = absl::AnyInvocable<void(absl::StatusOr<DnsReply>)>;

absl::Status HoldsForeignText(const std::string& text) {
  return WithInfo(absl::FailedPreconditionError("the name has a TXT record of somebody else"),
                  {"dns-foreign-text", absl::StrCat("It says \"", absl::CHexEscape(text), "\"."),
                   "Remove that record if nothing needs it, or choose another name."});
}

// The version at the name; nullopt if there is none.
absl::StatusOr<std::optional<NameVersion>> HeldVersion(const DnsAnswer& texts) {
  std::optional<NameVersion> held;
  for (const std::string& text : texts.values) {
    const std::optional<NameVersion> version = ParseNameVersion(text);
    if (!version.has_value()) {
      return HoldsForeignText(text);
    }
    held = std::max(held, version);
  }
  return held;
}

absl::Status IsStale(NameVersion ours, NameVersion held) {
  return WithInfo(absl::AbortedError("the zone holds a newer version"),
                  {"dns-newer-version",
                   absl::StrCat("It holds ", DescribeNameVersion(held), "; ours is ",
                                DescribeNameVersion(ours), "."),
                   "Another controller publishes this name, or this one works with an old store."});
}

absl::Status IsBehind(absl::string_view detail) {
  return WithInfo(
      absl::UnavailableError("the server does not say what was published"),
      {"dns-server-behind", std::string(detail),
       "A secondary server follows with the next zone transfer; if it stays behind, check its "
       "transfers from the primary server."});
}

std::string Values(const std::vector<std::string>& values) {
  return values.empty() ? "nothing" : absl::StrJoin(values, ", ");
}

// The questions that tell whether a plan is in place, and what their answers should be. The version
// is asked for last: whoever sees another publisher's addresses then sees its version too.
class Expectation {
 public:
  Expectation(const PublishPlan& plan, bool primary_only) : ttl_seconds_(plan.ttl_seconds) {
    for (const PlannedName& planned : plan.names) {
      Expect(planned.name, LDNS_RR_TYPE_A, planned.ipv4);
      Expect(planned.name, LDNS_RR_TYPE_AAAA, planned.ipv6);
      if (primary_only) {
        break;
      }
    }
    Expect(plan.primary_name(), LDNS_RR_TYPE_TXT, {FormatNameVersion(plan.version)});
  }

  const std::vector<Question>& questions() const { return questions_; }

  // Empty if `answers` are what should be, else what differs, as a sentence.
  std::string Difference(const Answers& answers, bool with_ttl) const {
    for (size_t i = 0; i < questions_.size(); ++i) {
      if (answers[i].values != values_[i]) {
        return absl::StrCat("It says ", Values(answers[i].values), " for \"", questions_[i].name,
                            "\" instead of ", Values(values_[i]), ".");
      }
      if (with_ttl && !values_[i].empty() && answers[i].ttl_seconds != ttl_seconds_) {
        return absl::StrCat("\"", questions_[i].name, "\" has a TTL of ", answers[i].ttl_seconds,
                            " s instead of ", ttl_seconds_, " s.");
      }
    }
    return "";
  }

 private:
  void Expect(const std::string& name, ldns_rr_type type, std::vector<std::string> values) {
    questions_.push_back({name, type});
    values_.push_back(std::move(values));
  }

  const uint32_t ttl_seconds_;
  std::vector<Question> questions_;
  std::vector<std::vector<std::string>> values_;
};

class Rfc2136Attempt : public PublishAttempt, public std::enable_shared_from_this<Rfc2136Attempt> {
 public:
  Rfc2136Attempt(AttemptContext context, PublishPlan plan, Duration timeout, PublishDone done)
      : context_(context), plan_(std::move(plan)), timeout_(timeout), done_(std::move(done)) {}

  void Start() override {
    deadline_ = context_.clock.Now() + timeout_;
    AskVersion();
  }

  void Cancel(const absl::Status& status) override { Finish(status); }

 private:
  const UpdateTarget& target() const { return context_.target; }

  // Ends the attempt; later calls are without effect.
  void Finish(absl::StatusOr<DnsReadback> result) {
    if (done_ == nullptr) {
      return;
    }
    const auto self = shared_from_this();  // an exchange may hold the last reference
    PublishDone done = std::exchange(done_, nullptr);
    for (const auto& exchange : std::exchange(exchanges_, {})) {
      exchange->Cancel();
    }
    done(std::move(result));
  }

  DnsExchangeContext ContextOf(absl::string_view verb, size_t server, const TsigKey* key) const {
    return {std::string(verb), plan_.primary_name(), target().zone,
            target().servers[server].ToString(), key == nullptr ? "" : key->name};
  }

  // The server that takes updates knows the key, so what it says can be proved. Others need not.
  const TsigKey* KeyFor(size_t server) const { return server == 0 ? &target().key : nullptr; }

  // Sends `request`. `then` gets the reply, or why none came.
  void Send(size_t server, const TsigKey* key, DnsRequest made, ReplyDone then) {
    const auto request = std::make_shared<const DnsRequest>(std::move(made));
    ExchangeRequest exchange;
    exchange.server = target().servers[server];
    exchange.wire = request->wire;
    exchange.is_answer = [request](const std::vector<uint8_t>& wire) {
      return IsReplyTo(*request, wire);
    };
    exchange.timeout = std::max(deadline_ - context_.clock.Now(), Duration{1});
    const auto slot = std::make_shared<std::shared_ptr<Exchange>>();
    *slot = StartExchange(context_.io, std::move(exchange),
                          [self = shared_from_this(), slot, request, key, then = std::move(then)](
                              absl::StatusOr<std::vector<uint8_t>> wire) mutable {
                            self->exchanges_.erase(std::exchange(*slot, nullptr));
                            if (self->done_ != nullptr) {
                              then(wire.ok() ? DecodeReply(*request, *wire, key)
                                             : absl::StatusOr<DnsReply>(wire.status()));
                            }
                          });
    exchanges_.insert(*slot);
  }

  // Asks one server one question after the other; stops at the first that fails.
  struct Survey {
    size_t server;
    std::vector<Question> questions;
    Answers answers;
    AnswersDone done;
  };

  void Ask(size_t server, std::vector<Question> questions, AnswersDone done) {
    AskNext(
        std::make_shared<Survey>(Survey{server, std::move(questions), Answers{}, std::move(done)}));
  }

  void AskNext(const std::shared_ptr<Survey>& survey) {
    if (survey->answers.size() == survey->questions.size()) {
      survey->done(std::move(survey->answers));
      return;
    }
    const Question& question = survey->questions[survey->answers.size()];
    const TsigKey* key = KeyFor(survey->server);
    absl::StatusOr<DnsRequest> query = MakeQuery(question.name, question.type, key);
    if (!query.ok()) {
      survey->done(query.status());
      return;
    }
    Send(survey->server, key, *std::move(query),
         [this, survey](const absl::StatusOr<DnsReply>& reply) { TakeAnswer(survey, reply); });
  }

  void TakeAnswer(const std::shared_ptr<Survey>& survey, const absl::StatusOr<DnsReply>& reply) {
    const Question& question = survey->questions[survey->answers.size()];
    DnsExchangeContext context = ContextOf("read", survey->server, KeyFor(survey->server));
    context.name = question.name;
    if (!reply.ok()) {
      // A question changes nothing, so its outcome is never unknown.
      survey->done(AtServer(Away(reply.status()), context));
      return;
    }
    if (absl::Status status = ReplyStatus(*reply, context); !status.ok()) {
      survey->done(std::move(status));
      return;
    }
    absl::StatusOr<DnsAnswer> answer = ReadAnswer(*reply, question.name, question.type);
    if (!answer.ok()) {
      survey->done(AtServer(answer.status(), context));
      return;
    }
    survey->answers.push_back(*std::move(answer));
    AskNext(survey);
  }

  static absl::Status Away(const absl::Status& status) {
    return WithInfo(absl::UnavailableError(status.message()),
                    {"dns-server-away", "", "Check that the server runs and can be reached."});
  }

  void AskVersion() {
    Ask(0, {{plan_.primary_name(), LDNS_RR_TYPE_TXT}}, [this](absl::StatusOr<Answers> answers) {
      if (answers.ok()) {
        CompareVersion(std::move(answers->front()));
      } else {
        Finish(answers.status());
      }
    });
  }

  void CompareVersion(DnsAnswer texts) {
    const DnsExchangeContext context = ContextOf("publish", 0, KeyFor(0));
    const auto held = HeldVersion(texts);
    if (!held.ok()) {
      Finish(AtServer(held.status(), context));
    } else if (held->has_value() && **held > plan_.version) {
      Finish(AtServer(IsStale(plan_.version, **held), context));
    } else if (*held == plan_.version) {
      RepairIfNeeded(std::move(texts.records));
    } else {
      Update(std::move(texts.records));
    }
  }

  // The version is there, but somebody may have changed the addresses by hand.
  void RepairIfNeeded(DnsRecords held) {
    const auto expected = std::make_shared<const Expectation>(plan_, /*primary_only=*/false);
    Ask(0, expected->questions(),
        [this, expected, held = std::move(held)](const absl::StatusOr<Answers>& answers) mutable {
          if (!answers.ok()) {
            Finish(answers.status());
          } else if (expected->Difference(*answers, /*with_ttl=*/true).empty()) {
            ReadBack();
          } else {
            Update(std::move(held));
          }
        });
  }

  void Update(DnsRecords held) {
    const TsigKey* key = KeyFor(0);
    absl::StatusOr<DnsRequest> update = MakeUpdate(plan_, held.get(), *key);
    if (!update.ok()) {
      Finish(AtServer(update.status(), ContextOf("update", 0, key)));
      return;
    }
    ++updates_;
    Send(0, key, *std::move(update),
         [this](const absl::StatusOr<DnsReply>& reply) { TakeUpdateReply(reply); });
  }

  void TakeUpdateReply(const absl::StatusOr<DnsReply>& reply) {
    const DnsExchangeContext context = ContextOf("update", 0, KeyFor(0));
    absl::Status status = reply.ok() ? ReplyStatus(*reply, context)
                                     : AtServer(UnknownOutcome(reply.status()), context);
    if (status.ok()) {
      ReadBack();
    } else if (absl::IsAborted(status) && updates_ == 1) {
      // Perhaps it was our own update that came first: sent again when its answer was lost.
      AskVersion();
    } else {
      Finish(std::move(status));
    }
  }

  static absl::Status UnknownOutcome(const absl::Status& status) {
    if (absl::IsUnavailable(status)) {
      return Away(status);
    }
    return WithInfo(status, {"dns-outcome-unknown", "The change may have happened.",
                             "Check that the server runs and can be reached."});
  }

  // All servers at the same time. The primary's name is enough: a server takes over one version
  // of the zone as a whole.
  void ReadBack() {
    unread_servers_ = target().servers.size();
    const auto expected = std::make_shared<const Expectation>(plan_, /*primary_only=*/true);
    for (size_t server = 0; server < target().servers.size(); ++server) {
      Ask(server, expected->questions(),
          [this, server, expected](const absl::StatusOr<Answers>& answers) {
            TakeReadback(server, *expected, answers);
          });
    }
  }

  void TakeReadback(size_t server,
                    const Expectation& expected,
                    const absl::StatusOr<Answers>& answers) {
    absl::Status status = answers.status();
    if (status.ok()) {
      status = AtServer(CheckReadback(expected, *answers), ContextOf("read back", server, nullptr));
    }
    --unread_servers_;
    if (!status.ok()) {
      Finish(std::move(status));
    } else if (unread_servers_ == 0) {
      Finish(Published(*answers));
    }
  }

  absl::Status CheckReadback(const Expectation& expected, const Answers& answers) const {
    PGM_ASSIGN_OR_RETURN(const std::optional<NameVersion> held, HeldVersion(answers.back()));
    if (held.has_value() && *held > plan_.version) {
      return IsStale(plan_.version, *held);
    }
    const std::string difference = expected.Difference(answers, /*with_ttl=*/false);
    return difference.empty() ? absl::OkStatus() : IsBehind(difference);
  }

  // Every server's answers equal the plan, so one server's speak for all.
  DnsReadback Published(const Answers& answers) const {
    DnsReadback readback;
    for (size_t i = 0; i + 1 < answers.size(); ++i) {  // the last is the version
      readback.primary_addresses.insert(readback.primary_addresses.end(), answers[i].values.begin(),
                                        answers[i].values.end());
    }
    std::sort(readback.primary_addresses.begin(), readback.primary_addresses.end());
    readback.epoch = plan_.version.epoch;
    readback.change = plan_.version.change;
    return readback;
  }

  const AttemptContext context_;
  const PublishPlan plan_;
  const Duration timeout_;
  PublishDone done_;  // null when it has ended
  BootTime deadline_;
  int updates_ = 0;
  size_t unread_servers_ = 0;
  std::set<std::shared_ptr<Exchange>> exchanges_;  // under way
};

}  // namespace

std::shared_ptr<PublishAttempt> NewPublishAttempt(AttemptContext context,
                                                  PublishPlan plan,
                                                  Duration timeout,
                                                  PublishDone done) {
  return std::make_shared<Rfc2136Attempt>(context, std::move(plan), timeout, std::move(done));
}

}  // namespace pgmahout::controller
