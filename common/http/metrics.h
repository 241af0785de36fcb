// SPDX-License-Identifier: Apache-2.0
// Metrics: families of one scrape, built from a snapshot each time, so that no series goes stale.
// Text by prometheus-cpp.
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <utility>
#include <vector>

namespace pgmahout {

using Labels = std::vector<std::pair<std::string, std::string>>;

class Metrics {
 public:
  // A value of gauge or counter `name`. The first call for a name gives its help.
  void Gauge(const std::string& name,
             const std::string& help,
             double value,
             const Labels& labels = {});
  void Counter(const std::string& name,
               const std::string& help,
               double value,
               const Labels& labels = {});

  // The Prometheus text format, version 0.0.4.
  std::string Text() const;

 private:
  prometheus::ClientMetric& Add(const std::string& name,
                                const std::string& help,
                                prometheus::MetricType type,
                                const Labels& labels);

  std::vector<prometheus::MetricFamily> families_;
};

inline constexpr char kMetricsContentType[] = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace pgmahout
