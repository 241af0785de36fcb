// SPDX-License-Identifier: Apache-2.0
// The examples that users copy are right.
#include <gtest/gtest.h>

#include <filesystem>

#include "common/base/durable_file.h"
#include "common/spec/yaml_loader.h"
#include "common/wire/convert.h"

namespace pgmahout {
namespace {

TEST(Examples, AreValidSpecs) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(PGM_EXAMPLES)) {
    if (entry.path().extension() != ".yaml") {
      continue;
    }
    ++files;
    const auto text = ReadFile(entry.path().string());
    ASSERT_TRUE(text.ok()) << text.status();
    const auto documents = LoadYaml(*text, entry.path().filename().string(), nullptr);
    ASSERT_TRUE(documents.ok()) << documents.status();
    for (const ClusterDocument& document : *documents) {
      const auto spec = ToModel(document.cluster, nullptr);
      EXPECT_TRUE(spec.ok()) << entry.path() << ": " << spec.status();
    }
  }
  EXPECT_GT(files, 0);
}

}  // namespace
}  // namespace pgmahout
