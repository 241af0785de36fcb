// SPDX-License-Identifier: Apache-2.0
// What our updates look like on the wire, and that hostile answers are refused without a crash.
#include "controller/dns/message.h"

#include <gtest/gtest.h>

#include <array>
#include <random>

namespace pgmahout::controller {
namespace {

TsigKey Key() {
  return MakeTsigKey("pgmahout", "hmac-sha256", "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ=")
      .value();
}

PublishPlan Plan(size_t standbys) {
  DnsIntent intent;
  intent.primary_name = "orders-rw.db.example.";
  intent.primary_addresses = {"10.0.0.1"};
  intent.standbys_name = "orders-ro.db.example.";
  for (size_t i = 0; i < standbys; ++i) {
    intent.standby_addresses.push_back("10.1." + std::to_string(i / 250) + "." +
                                       std::to_string(i % 250 + 1));
  }
  intent.epoch = 2;
  return PlanPublication(intent, "db.example.").value();
}

std::string Text(ldns_rr_list* records) {
  char* text = ldns_rr_list2str(records);
  std::string copy = text == nullptr ? "" : text;
  std::free(text);
  return copy;
}

TEST(UpdateMessage, ReplacesAddressesAndTextUnderOnePrerequisite) {
  const auto update = MakeUpdate(Plan(2), nullptr, Key());
  ASSERT_TRUE(update.ok()) << update.status();
  ldns_pkt* packet = nullptr;
  ASSERT_EQ(ldns_wire2pkt(&packet, update->wire.data(), update->wire.size()), LDNS_STATUS_OK);
  const DnsPacket owner(packet);
  EXPECT_EQ(ldns_pkt_get_opcode(packet), LDNS_PACKET_UPDATE);
  EXPECT_EQ(Text(ldns_pkt_question(packet)), "db.example.\tIN\tSOA\n");
  EXPECT_EQ(Text(ldns_pkt_answer(packet)), "orders-rw.db.example.\t0\tNONE\tTXT\t\\# 0\n");
  EXPECT_EQ(Text(ldns_pkt_authority(packet)),
            "orders-rw.db.example.\t0\tANY\tA\t\\# 0\n"
            "orders-rw.db.example.\t0\tANY\tAAAA\t\\# 0\n"
            "orders-rw.db.example.\t5\tIN\tA\t10.0.0.1\n"
            "orders-ro.db.example.\t0\tANY\tA\t\\# 0\n"
            "orders-ro.db.example.\t0\tANY\tAAAA\t\\# 0\n"
            "orders-ro.db.example.\t5\tIN\tA\t10.1.0.1\n"
            "orders-ro.db.example.\t5\tIN\tA\t10.1.0.2\n"
            "orders-rw.db.example.\t0\tANY\tTXT\t\\# 0\n"
            "orders-rw.db.example.\t5\tIN\tTXT\t\"pgmahout epoch=2 change=0\"\n");
  ASSERT_NE(ldns_pkt_tsig(packet), nullptr);
}

TEST(UpdateMessage, ThatFitsNowhereIsRefused) {
  EXPECT_TRUE(MakeUpdate(Plan(1600), nullptr, Key()).ok());
  EXPECT_EQ(MakeUpdate(Plan(5000), nullptr, Key()).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(Reply, MustRepeatIdOpcodeAndQuestion) {
  const auto query = MakeQuery("a.db.example.", LDNS_RR_TYPE_A, nullptr).value();
  const auto other = MakeQuery("b.db.example.", LDNS_RR_TYPE_A, nullptr).value();
  std::vector<uint8_t> answer = query.wire;
  EXPECT_FALSE(IsReplyTo(query, answer)) << "a query is no reply";
  answer[2] |= 0x80;
  EXPECT_TRUE(IsReplyTo(query, answer));
  answer[0] ^= 1;
  EXPECT_FALSE(IsReplyTo(query, answer)) << "another id";
  std::vector<uint8_t> foreign = other.wire;
  std::copy(query.wire.begin(), query.wire.begin() + 2, foreign.begin());
  foreign[2] |= 0x80;
  EXPECT_FALSE(IsReplyTo(query, foreign)) << "another question";
}

TEST(Reply, ATsigRecordWithoutFieldsIsNotASignature) {
  const TsigKey key = Key();
  const auto query = MakeQuery("a.db.example.", LDNS_RR_TYPE_A, &key).value();
  std::vector<uint8_t> answer = MakeQuery("a.db.example.", LDNS_RR_TYPE_A, nullptr).value().wire;
  answer[2] |= 0x80;
  answer[11] = 1;  // one additional record: TSIG, class ANY, TTL 0, no data
  const std::array<uint8_t, 11> record = {0, 0, 250, 0, 255, 0, 0, 0, 0, 0, 0};
  for (const uint8_t byte : record) {
    answer.push_back(byte);
  }
  const auto reply = DecodeReply(query, answer, &key);
  EXPECT_TRUE(!reply.ok() || !reply->authenticated);
}

// Fixed seeds: the same bytes each time.
TEST(Reply, SurvivesDamagedBytes) {
  const TsigKey key = Key();
  const auto update = MakeUpdate(Plan(3), nullptr, key).value();
  std::mt19937 random(42);  // NOLINT(cert-msc32-c,cert-msc51-cpp)
  for (int round = 0; round < 20000; ++round) {
    std::vector<uint8_t> wire = update.wire;
    wire[2] |= 0x80;
    for (int i = 0; i < 3; ++i) {
      wire[random() % wire.size()] = static_cast<uint8_t>(random());
    }
    wire.resize(round % 3 == 0 ? random() % wire.size() : wire.size());
    IsReplyTo(update, wire);
    const auto reply = DecodeReply(update, wire, &key);
    if (reply.ok()) {
      EXPECT_FALSE(reply->authenticated) << "round " << round;
      ReadAnswer(*reply, "orders-rw.db.example.", LDNS_RR_TYPE_TXT).status().IgnoreError();
    }
  }
}

}  // namespace
}  // namespace pgmahout::controller
